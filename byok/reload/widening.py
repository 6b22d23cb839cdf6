"""
What could leave by one gateway that could not by another.

Two questions together. What is written: a lock or a refusal that is gone, an origin
that may see more, a secret that is put into requests. And what follows: for all
requests, is there one of which more leaves? The first sees what only a key's own
rules would make use of, which nobody can prove anything about beforehand.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from byok.core.exchange import Gateway
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.policy.rules import BUILT_IN, Action, Denial, Direction, Rule, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """One thing that may leave, or somebody may do, from now on."""

    kind: str
    text: str
    rule: str = ""
    where: Where = BUILT_IN


_OPENING = frozenset(
    {Action.FORWARD, Action.RENAME, Action.ALLOW_REQUEST, Action.INJECT}
)
_CLOSING = frozenset({Action.DENY, Action.REQUIRE})


def widenings(old: Gateway, new: Gateway) -> tuple[Widening, ...]:
    """Return everything that *new* lets leave and *old* does not."""
    return (*_written(old, new), *_forwarded(old, new))


def _written(old: Gateway, new: Gateway) -> Iterator[Widening]:
    yield from _origins(old.table.deployments, new.table.deployments)
    kept = {_meaning(each) for each in new.plans.rules}
    for rule in old.plans.rules:
        if rule.shadow or _meaning(rule) in kept:
            continue
        if rule.lock:
            yield _of_rule("lock", "the lock {} is gone", rule)
        elif rule.action in _CLOSING:
            yield _of_rule("refusal", "the refusal {} is gone", rule)
    known = {_meaning(each) for each in old.plans.rules}
    for rule in new.plans.rules:
        secret = rule.inject is not None and bool(rule.inject.reference)
        if secret and not rule.shadow and _meaning(rule) not in known:
            yield _of_rule("secret", "{} puts a secret into requests", rule)


def _forwarded(old: Gateway, new: Gateway) -> Iterator[Widening]:
    known = {_meaning(each) for each in old.plans.rules}
    for rule in new.plans.rules:
        opens = rule.action in _OPENING and rule.direction is Direction.REQUEST
        if opens and not rule.shadow and _meaning(rule) not in known:
            yield _of_rule("forwards", "{} lets more leave", rule)


def _of_rule(kind: str, text: str, rule: Rule) -> Widening:
    return Widening(
        kind=kind, text=text.format(rule.id), rule=rule.id, where=rule.where
    )


def _meaning(rule: Rule) -> Rule:
    """Return what is left of *rule* without its name, its place and its words."""
    return replace(
        rule, id="", where=BUILT_IN, why="", compat="", denial=Denial(), lock=rule.lock
    )


def _origins(
    old: tuple[Deployment, ...], new: tuple[Deployment, ...]
) -> Iterator[Widening]:
    """Yield each origin that may receive a credential which it could not before."""
    trusted = {(each.origin, cls) for each in old for cls in each.trusted}
    holders = _holders(old)
    every = {key for keys in holders.values() for key in keys}
    said: set[tuple[object, str]] = set()
    for each in new:
        found = [
            cls for cls in sorted(each.trusted) if (each.origin, cls) not in trusted
        ]
        keys = holders.get(each.origin, set())
        if each.api_key is not None and (
            not keys or (each.api_key in every and each.api_key not in keys)
        ):
            found.append("the deployment's api_key")
        for what in found:
            if (each.origin, what) not in said:
                said.add((each.origin, what))
                yield Widening(
                    kind="origin",
                    text=f"{each.origin} may receive {what} (deployment {each.name})",
                    where=each.where,
                )


def _holders(deployments: tuple[Deployment, ...]) -> dict[object, AbstractSet[Secret]]:
    found: dict[object, set[Secret]] = {}
    for each in deployments:
        if each.api_key is not None:
            found.setdefault(each.origin, set()).add(each.api_key)
    return dict(found)
