"""
The settings that byok turns into policy: LiteLLM's switches, the credential slot.

Two sections describe one gateway, so a switch may stand in either. Where it stands
in both and they disagree, an operator has to hear which one counts.
"""

from collections.abc import Sequence

from byok.config.deployments import Entry
from byok.config.findings import Findings
from byok.config.nodes import Leaf, Table
from byok.policy.plans import ScopedCredentialPolicy
from byok.policy.rules import Rule, Where
from byok.policy.settings import (
    AUTH_SWITCH,
    HEADER_SWITCH,
    SECTIONS,
    Switch,
    conflicts,
    model_group_rules,
    settings_rules,
)
from byok.policy.slot import CredentialPolicy, OnClientStripped, OnMissing


def switches(tree: Table, name: str) -> dict[str, Switch]:
    """Return the switch *name* as it stands in each settings section."""
    found: dict[str, Switch] = {}
    for section in SECTIONS:
        entry = tree.table(section).entries.get(name)
        if entry is None or not isinstance(entry.node, Leaf):
            continue
        if isinstance(entry.node.value, bool):
            where = Where(file=entry.mark.file, line=entry.mark.line)
            found[section] = Switch(value=entry.node.value, where=where)
    return found


def switch_rules(tree: Table, findings: Findings) -> tuple[Rule, ...]:
    """Return the rules that the switches mean, and report where they disagree."""
    compat = tree.table("general_settings").table("policy_compat")
    node = compat.get("conflicting_switches")
    either = isinstance(node, Leaf) and node.value == "either"
    auth, headers = switches(tree, AUTH_SWITCH), switches(tree, HEADER_SWITCH)
    for name, found in ((AUTH_SWITCH, auth), (HEADER_SWITCH, headers)):
        _compare(tree, name, found, findings, either=either)
    return (
        *settings_rules(auth, headers, either=either),
        *_model_groups(tree, auth, either=either),
    )


def _compare(
    tree: Table,
    name: str,
    found: dict[str, Switch],
    findings: Findings,
    *,
    either: bool,
) -> None:
    if len(found) < len(SECTIONS):
        return
    one, other = SECTIONS
    mark = tree.table(one).entries[name].mark
    path = f"{one}.{name}"
    there = f"{found[other].where} {other}.{name}={_word(found[other])}"
    if not conflicts(found):
        findings.add(
            "I102",
            mark,
            path,
            f"{path} is set in both sections: also at {there}",
            remedy="Delete one line.",
        )
    elif either:
        findings.add(
            "I103",
            mark,
            path,
            f"{path}={_word(found[one])} disagrees with {there};"
            " one true is enough, by policy_compat.conflicting_switches",
            remedy="Delete one line.",
        )
    else:
        findings.add(
            "W101",
            mark,
            path,
            f"{path}={_word(found[one])} disagrees with {there};"
            " the stricter one applies (LiteLLM would forward)",
            remedy="Delete one line, or set"
            " general_settings.policy_compat.conflicting_switches: either.",
        )


def _word(switch: Switch) -> str:
    return "true" if switch.value else "false"


def _model_groups(
    tree: Table, auth: dict[str, Switch], *, either: bool
) -> tuple[Rule, ...]:
    groups = tree.table("litellm_settings").table("model_group_settings")
    return model_group_rules(
        [
            (each.value, Where(file=each.mark.file, line=each.mark.line))
            for each in groups.items(HEADER_SWITCH)
            if isinstance(each, Leaf) and isinstance(each.value, str)
        ],
        auth,
        either=either,
    )


def read_credential_policies(
    tree: Table, entries: Sequence[Entry]
) -> tuple[ScopedCredentialPolicy, ...]:
    """Return how the credential slot is filled, a deployment's own way first."""
    out: list[ScopedCredentialPolicy] = []
    for entry in entries:
        node = entry.params.get("credential")
        if isinstance(node, Table):
            out.append(
                ScopedCredentialPolicy(
                    policy=_credential(node), deployment=entry.deployment.name
                )
            )
    node = tree.table("general_settings").get("credential")
    if isinstance(node, Table):
        out.append(ScopedCredentialPolicy(policy=_credential(node)))
    return tuple(out)


def _credential(table: Table) -> CredentialPolicy:
    default = CredentialPolicy()
    order = tuple(
        each.value
        for each in table.items("order")
        if isinstance(each, Leaf)
        and isinstance(each.value, str)
        and each.value in default.order
    )
    stripped = table.get("on_client_stripped")
    missing = table.get("on_missing")
    return CredentialPolicy(
        order=order or default.order,
        on_client_stripped=OnClientStripped.DENY
        if isinstance(stripped, Leaf) and stripped.value == OnClientStripped.DENY.value
        else default.on_client_stripped,
        on_missing=OnMissing.ANONYMOUS
        if isinstance(missing, Leaf) and missing.value == OnMissing.ANONYMOUS.value
        else default.on_missing,
        where=Where(file=table.mark.file, line=table.mark.line),
    )
