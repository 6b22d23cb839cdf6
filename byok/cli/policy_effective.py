"""`byok policy effective`: the plan of one caller at one deployment, with its lines."""

from pathlib import Path

import click

from byok.cli.key_name import key_name
from byok.cli.loading import config_option, deployment_named, loaded
from byok.cli.render import Renderer, Style, Styled, Text, out
from byok.cli.supposed_callers import supposed_caller
from byok.core.effective import Effective, PutIn, Row, effective, rows_of
from byok.core.errors import Refusal
from byok.core.facts import RequestFacts
from byok.core.intake import read_facts, route_of
from byok.core.providers import PROVIDERS
from byok.core.routes import CHAT_COMPLETIONS, MESSAGES, Dialect
from byok.core.routing import Deployment, DeploymentTable
from byok.core.supposed import body_for, supposed_model
from byok.policy.rules import BUILT_IN, Rule

_STYLES = {"forward": Style.GOOD, "strip": Style.FAINT, "deny": Style.BAD}


_EPILOG = """\b
Examples:
  byok policy effective --deployment anthropic-main
  byok policy effective --deployment anthropic-main --team contractors --tag approved
  byok policy effective --deployment anthropic-main --key dev-laptop --json

\b
Exit codes: 0 shown; 2 wrong usage, no such deployment, or the configuration cannot be
  used.
"""


@click.command(name="effective", epilog=_EPILOG)
@config_option
@click.option("--deployment", required=True, help="The entry that requests go to.")
@click.option(
    "--key", callback=key_name, help="Alias or id of the virtual key that calls."
)
@click.option("--team", help="The caller's team, instead of the key's own.")
@click.option("--user", help="The caller's user, instead of the key's own.")
@click.option("--tag", "tags", multiple=True, help="A tag of the caller; repeatable.")
@click.option("--model", help="The model that the client asks for.")
@click.option("--route", metavar="PATH", help="Path of the request.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def policy_effective(  # noqa: PLR0917 - one parameter for each option
    config_path: Path,
    deployment: str,
    key: str | None,
    team: str | None,
    user: str | None,
    tags: tuple[str, ...],
    model: str | None,
    route: str | None,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """
    Show what becomes of every kind of header at one deployment, and by which line.

    Nothing is sent. Each row is what the gateway itself decides. Headers that no
    rule and no class mentions are listed as *.
    """
    config = loaded(config_path)
    found = deployment_named(config, deployment)
    caller = supposed_caller(config, key, team=team, user=user, tags=tags)
    facts = facts_for(found, config.gateway.table, model=model, route=route)
    plan = effective(facts, caller, config.gateway, found)
    if plan is None:
        raise click.UsageError(
            f"{deployment} does not serve that: ask byok explain-request why"
        )
    if as_json:
        out().json(_data(plan))
    else:
        _print(out(), plan, found)


def facts_for(
    found: Deployment, table: DeploymentTable, *, model: str | None, route: str | None
) -> RequestFacts:
    """Return a request without headers that goes to *found*."""
    path = route or default_route(found)
    target = path.encode("utf-8", "surrogateescape")
    method = MESSAGES.method.encode()
    known = route_of(method, target)
    if isinstance(known, Refusal):
        raise click.UsageError(known.message)
    body = body_for(model or supposed_model(table, found))
    facts = read_facts(method, target, known, (), body)
    if isinstance(facts, Refusal):
        raise click.UsageError(facts.message)
    return facts


def default_route(found: Deployment) -> str:
    """Return a route that *found* answers on."""
    provider = PROVIDERS.get(found.provider)
    if provider is None or Dialect.ANTHROPIC in provider.dialects:
        return MESSAGES.id
    return CHAT_COMPLETIONS.id


# -- text


def _print(screen: Renderer, plan: Effective, found: Deployment) -> None:
    context = plan.context
    screen.line(
        f"{context.method} {context.route}  model={context.model}"
        f"  deployment={context.deployment} -> {found.origin}"
    )
    who = [f"key={context.key}"]
    who += [
        f"{word}={value}"
        for word, value in (("team", context.team), ("user", context.user))
        if value
    ]
    who += [f"tag={each}" for each in sorted(context.tags)]
    screen.line(f"caller     {' '.join(who)}")
    screen.line()
    rows = sorted(rows_of(plan.cells), key=_rank)
    screen.table(
        [line for each in rows for line in _row(each)],
        heads=("verdict", "class", "by", "headers"),
    )
    screen.line()
    _print_credential(screen, plan)
    _print_injections(screen, plan)
    for title, rules in (
        ("refuses requests", plan.requests),
        ("grants x-pass-", plan.grants),
        ("changes answers", plan.responses),
    ):
        if rules:
            screen.line()
            screen.line(Styled(title, Style.STRONG))
            screen.table([_rule_row(each) for each in rules])


def _rank(row: Row) -> tuple[int, str, str]:
    return (
        0 if row.cell.verdict != "strip" else 1 if row.cell.origin else 2,
        row.cell.cls,
        row.names[0],
    )


def _row(row: Row) -> list[list[Text]]:
    cell = row.cell
    word, space, rest = cell.verdict.partition(" ")
    verdict = Styled(f"{word.upper()}{space}{rest}", _STYLES.get(word, Style.INFO))
    shared = ", ".join(row.names)
    if row.sources:
        shared += f"  (beside {', '.join(row.sources)})"
    by = f"{cell.rule}  {cell.origin}  ({cell.reason})" if cell.origin else cell.rule
    lines: list[list[Text]] = [[verdict, cell.cls, by, shared]]
    lines += [
        ["", "", f"  over {each.rule.id}={each.rule.action.word}  {each.rule.where}"]
        for each in cell.over
    ]
    if cell.shadow:
        lines.append(["", "", f"  shadow would {cell.shadow}"])
    return lines


def _print_credential(screen: Renderer, plan: Effective) -> None:
    policy = plan.policy
    where = "" if policy.where is BUILT_IN else f"  {policy.where}"
    screen.line(
        Styled("credential", Style.STRONG),
        f"  {', '.join(policy.order)};"
        f" client's removed: {policy.on_client_stripped.value};"
        f" none: {policy.on_missing.value}{where}",
    )
    screen.table(
        [
            [
                each.offered,
                f"refused: {each.refusal}" if each.refusal else each.source,
                "" if each.refusal else f"payer: {each.payer}",
            ]
            for each in plan.offers
        ],
        heads=("the client brings", "leaves", ""),
    )


def _print_injections(screen: Renderer, plan: Effective) -> None:
    if not plan.injections:
        return
    screen.line()
    screen.line(Styled("puts in", Style.STRONG))
    screen.table([_injection_row(*each) for each in _by_rule(plan)])


def _by_rule(plan: Effective) -> list[tuple[PutIn, list[str]]]:
    """Return each injection once, with the credentials beside which it is made."""
    every = {each.source for each in plan.cells if each.source}
    found: dict[tuple[str, str, str], tuple[PutIn, list[str]]] = {}
    for each in plan.injections:
        key = (each.name, each.rule.id, each.rule.tier.name)
        found.setdefault(key, (each, []))[1].append(each.source)
    return [
        (put, [] if set(sources) == every else sources)
        for put, sources in found.values()
    ]


def _injection_row(put: PutIn, sources: list[str]) -> list[Text]:
    beside = f"  (beside {', '.join(sources)})" if sources else ""
    over = ", ".join(f"{each.rule.id} {each.rule.where}" for each in put.over)
    return [
        put.name + beside,
        _WHEN[put.when],
        f"{put.rule.id} {put.rule.where}",
        f"over {over}" if over else "",
    ]


_WHEN = {
    "set": "always",
    "default": "where it is missing",
    "append": "as a line of its own",
}


def _rule_row(rule: Rule) -> list[Text]:
    word = rule.action.word
    if rule.require:
        word += f" {rule.require.decode('latin-1')}"
    if rule.grant:
        word = ", ".join(each.text for each in rule.grant)
    return [word, f"{rule.id} {rule.where}", rule.why]


# -- JSON


def _data(plan: Effective) -> dict[str, object]:
    context = plan.context
    return {
        "version": 1,
        "request": {
            "method": context.method,
            "route": context.route,
            "model": context.model,
            "deployment": context.deployment,
            "provider": context.provider,
            "host": context.host,
        },
        "caller": {
            "key": context.key,
            "team": context.team or None,
            "user": context.user or None,
            "tags": sorted(context.tags),
        },
        "headers": [_row_data(each) for each in sorted(rows_of(plan.cells), key=_rank)],
        "credential": {
            "order": list(plan.policy.order),
            "on_client_stripped": plan.policy.on_client_stripped.value,
            "on_missing": plan.policy.on_missing.value,
            "origin": str(plan.policy.where),
            "offers": [
                {
                    "offered": each.offered,
                    "source": each.source,
                    "payer": None if each.refusal else each.payer,
                    "refusal": each.refusal or None,
                }
                for each in plan.offers
            ],
        },
        "injections": [
            {
                "name": put.name,
                "when": put.when,
                "beside": sources,
                **_rule_data(put.rule),
            }
            for put, sources in _by_rule(plan)
        ],
        "requests": [_rule_data(each) for each in plan.requests],
        "grants": [
            {**_rule_data(each), "grant": [glob.text for glob in each.grant]}
            for each in plan.grants
        ],
        "responses": [_rule_data(each) for each in plan.responses],
    }


def _row_data(row: Row) -> dict[str, object]:
    cell = row.cell
    return {
        "headers": list(row.names),
        "class": cell.cls,
        "beside": list(row.sources),
        "verdict": cell.verdict,
        "rule": cell.rule,
        "origin": cell.origin or None,
        "reason": cell.reason,
        "over": [
            {
                "rule": each.rule.id,
                "would": each.rule.action.word,
                "origin": str(each.rule.where),
                "because": each.because,
            }
            for each in cell.over
        ],
        "shadow": cell.shadow or None,
    }


def _rule_data(rule: Rule) -> dict[str, object]:
    return {
        "rule": rule.id,
        "action": rule.action.word,
        "origin": str(rule.where),
        "why": rule.why,
    }
