"""
`usage`, `budgets`, `sessions` and `agents`: what is counted, and what it may come to.

The limits of keys, users and teams are in the store, where they can be changed as
they are needed; these hold for everybody.
"""

from collections.abc import Sequence
from pathlib import Path

from byok.config.deployments import Entry
from byok.config.findings import Findings
from byok.config.governance import Governance
from byok.config.nodes import Items, Leaf, Table
from byok.core.durations import DURATION_HINT, parse_duration
from byok.core.limits.caps import Caps
from byok.core.limits.limit import ORG_PAYS, Limit, Scope, distinct, limits_of
from byok.core.limits.refusals import BUDGET_STATUS

_SCOPES = {Scope.SESSION: "sessions", Scope.AGENT: "agents"}
_STATUSES = range(400, 500)


def read_governance(
    tree: Table, entries: Sequence[Entry], directory: Path, findings: Findings
) -> Governance:
    """Return what *tree* says; its form was checked by the schema."""
    usage, budgets = tree.table("usage"), tree.table("budgets")
    payers = _payers(budgets)
    named = _text(usage, "directory")
    return Governance(
        records_usage=_is(usage, "record", usually=True),
        spool=None if named is None else directory / named,
        is_synced=_is(usage, "sync", usually=False),
        keep_days=_count(usage, "keep_days"),
        payers=payers,
        fails_open=_text(budgets, "fail") != "closed",
        budget_status=_status(tree.table("litellm_settings"), findings),
        caps={
            scope: caps
            for scope, name in _SCOPES.items()
            if (caps := _caps(tree.table(name), name, findings)) is not None
        },
        deployments={
            each.deployment.name: limits
            for each in entries
            if (limits := _of_deployment(each, payers, findings))
        },
    )


def _of_deployment(
    entry: Entry, payers: frozenset[str], findings: Findings
) -> tuple[Limit, ...]:
    """Return the limits that LiteLLM's words set for a deployment as a whole."""
    params, name = entry.params, entry.deployment.name
    path = f"model_list[{entry.at}].litellm_params"
    budget = _number(params, "max_budget")
    return distinct(
        limits_of(
            Scope.DEPLOYMENT,
            name,
            label=name,
            rpm=_count(params, "rpm"),
            tpm=_count(params, "tpm"),
            parallel=_count(params, "max_parallel_requests"),
            max_budget=budget,
            budget_duration=_duration(params, path, findings),
            payers=payers,
        )
    )


def _caps(table: Table, name: str, findings: Findings) -> Caps | None:
    if not table.entries:
        return None
    budget, soft = _number(table, "max_budget"), _number(table, "soft_budget")
    duration = _duration(table, name, findings)
    if duration is None and (budget, soft) != (None, None):
        findings.add(
            "E171",
            table.mark,
            name,
            f"{name} has a budget without an end, and nothing ends a session",
            remedy="Write budget_duration beside it: 1d, for instance.",
        )
        return None
    return Caps(
        rpm=_count(table, "rpm_limit"),
        tpm=_count(table, "tpm_limit"),
        parallel=_count(table, "max_parallel_requests"),
        max_budget=budget,
        soft_budget=soft,
        budget_duration=duration,
    )


def _duration(table: Table, path: str, findings: Findings) -> str | None:
    text = _text(table, "budget_duration")
    if text is None:
        return None
    if parse_duration(text) is None:
        findings.add(
            "E171",
            table.entries["budget_duration"].mark,
            f"{path}.budget_duration",
            f"{path}.budget_duration is no span of time",
            remedy=f"Write {DURATION_HINT}.",
        )
        return None
    return text


def _status(section: Table, findings: Findings) -> int:
    name = "budget_exceeded_status_code"
    node = section.get(name)
    if not isinstance(node, Leaf) or type(node.value) is not int:
        return BUDGET_STATUS
    if node.value not in _STATUSES:
        findings.add(
            "E171",
            node.mark,
            f"litellm_settings.{name}",
            f"litellm_settings.{name} is no status of a refusal",
            remedy="Write a number from 400 to 499; clients know 429 and 402.",
        )
        return BUDGET_STATUS
    return node.value


def _payers(section: Table) -> frozenset[str]:
    node = section.get("payers")
    if not isinstance(node, Items):
        return ORG_PAYS
    named = frozenset(
        each.value
        for each in node.items
        if isinstance(each, Leaf) and isinstance(each.value, str)
    )
    return named or ORG_PAYS


def _is(table: Table, name: str, *, usually: bool) -> bool:
    node = table.get(name)
    if isinstance(node, Leaf) and isinstance(node.value, bool):
        return node.value
    return usually


def _text(table: Table, name: str) -> str | None:
    node = table.get(name)
    if isinstance(node, Leaf) and isinstance(node.value, str):
        return node.value
    return None


def _count(table: Table, name: str) -> int | None:
    node = table.get(name)
    if isinstance(node, Leaf) and type(node.value) is int and node.value >= 0:
        return node.value
    return None


def _number(table: Table, name: str) -> float | None:
    node = table.get(name)
    value = node.value if isinstance(node, Leaf) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return float(value)
