"""
Many requests of one: every credential, at every deployment, for every caller named.

A test under `forall` is for all requests that its words stand for. What rules can
tell apart of a caller is whom they name, and everybody else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import TypeVar

from byok.core.policy_tests.cases import Case, Given
from byok.core.providers import PROVIDERS
from byok.core.routes import CHAT_COMPLETIONS, Dialect
from byok.core.routing import Deployment, DeploymentTable
from byok.core.supposed import PLACEHOLDERS, supposed_model
from byok.policy import classes, slot
from byok.policy.match import Glob, Match
from byok.policy.rules import Direction, Rule

# Words that stand for each of several placeholders.
WIDE: Mapping[str, tuple[str, ...]] = {
    "any credential": tuple(PLACEHOLDERS),
    "any provider credential": tuple(
        each for each in PLACEHOLDERS if each != "gateway"
    ),
    "any anthropic credential": tuple(
        each for each in PLACEHOLDERS if each.startswith("anthropic.")
    ),
}
_T = TypeVar("_T")
LIMIT = 20_000
SOMEBODY = "anyone"
"""The key of a caller whom no rule names."""


class TooWideError(Exception):
    """A test stands for more requests than can be tried."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"this stands for {count} requests, and at most {LIMIT} are tried:"
            " name a deployment, a key or a team under given"
        )


def requests_of(
    case: Case, table: DeploymentTable, rules: Sequence[Rule]
) -> Iterator[Given]:
    """Yield every request that *case* is about; raises TooWideError."""
    if not case.every:
        yield case.given
        return
    deployments = _deployments(case.given, table)
    callers = _callers(case, rules)
    headers = [
        [(name, text) for text in _values(value)] for name, value in case.given.headers
    ]
    payers = [_payers(case, found) for found in deployments]
    count = sum(map(len, payers)) * len(callers) * prod(map(len, headers))
    if count > LIMIT:
        raise TooWideError(count)
    for (found, paying), caller in product(
        zip(deployments, payers, strict=True), callers
    ):
        there = _at(caller, found, table)
        for payer, chosen in product(paying, product(*headers)):
            given = replace(there, payer=payer, headers=chosen)
            yield given.over(case.defaults)


def named_in(rules: Iterable[Rule], dimension: str) -> tuple[str, ...]:
    """
    Return one name for each that *rules* mention in *dimension*, sorted.

    A pattern has one that fits it.
    """
    found: set[str] = set()
    for rule in rules:
        for match in (rule.match, rule.unless):
            found |= _names(match, dimension)
    return tuple(sorted(found))


def _names(match: Match | None, dimension: str) -> set[str]:
    if match is None:
        return set()
    if dimension == "tags":
        return set(match.tags.any | match.tags.all | match.tags.none)
    globs: tuple[Glob, ...] = getattr(match, dimension)
    return {
        each.text if each.exact else each.text.replace("*", "some") for each in globs
    }


def _deployments(given: Given, table: DeploymentTable) -> list[Deployment]:
    if given.deployment is not None:
        found = table.named(given.deployment)
        return [] if found is None else [found]
    return [each for each in table.deployments if each.provider in PROVIDERS]


def _payers(case: Case, found: Deployment) -> tuple[str | None, ...]:
    """Return who may pay for an answer; of a request it is its headers that say."""
    said = case.given.payer or case.defaults.payer
    if case.direction is Direction.REQUEST or said is not None:
        return (said,)
    payers = [slot.PAYERS[slot.DEPLOYMENT]]
    if found.trusted - {classes.ANTHROPIC_OAUTH}:
        payers.append(slot.PAYERS[slot.CLIENT_API_KEY])
    if classes.ANTHROPIC_OAUTH in found.trusted:
        payers.append(slot.PAYERS[slot.CLIENT_OAUTH])
    return tuple(payers)


def _callers(case: Case, rules: Sequence[Rule]) -> list[Given]:
    given, defaults = case.given, case.defaults
    keys = _axis(given.key, defaults.key or SOMEBODY, named_in(rules, "key"))
    teams = _axis(given.team, defaults.team or "", named_in(rules, "team"))
    users = _axis(given.user, defaults.user or "", named_in(rules, "user"))
    others = [(each,) for each in named_in(rules, "tags")]
    tags = _axis(given.tags, defaults.tags or (), others)
    return [
        replace(given, key=key, team=team, user=user, tags=tagged)
        for key, team, user, tagged in product(keys, teams, users, tags)
    ]


def _axis(given: _T | None, usual: _T, named: Iterable[_T]) -> list[_T]:
    if given is not None:
        return [given]
    return list(dict.fromkeys((usual, *named)))


def _at(given: Given, found: Deployment, table: DeploymentTable) -> Given:
    """Send the request to *found*, on a route that it answers."""
    model = given.model
    if model is None and given.body is None:
        model = supposed_model(table, found)
    route = given.route
    if route is None and Dialect.ANTHROPIC not in PROVIDERS[found.provider].dialects:
        route = CHAT_COMPLETIONS.id
    return replace(given, deployment=found.name, model=model, route=route)


def _values(value: str) -> tuple[str, ...]:
    for word, placeholders in WIDE.items():
        if f"<{word}>" in value:
            return tuple(
                value.replace(f"<{word}>", f"<{each}>") for each in placeholders
            )
    return (value,)
