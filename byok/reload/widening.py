"""
What could leave by one configuration that could not by another.

Two questions together. What is written: a lock or a refusal that is gone, an origin
that may see more. And what follows: for all requests, is there one of which more
leaves? The first sees what nobody could prove anything about beforehand: the rules
that a key of tomorrow brings along, and what they could make of it.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from byok.core.counterexample import command
from byok.core.prove import PROPERTIES, Proof, Question, Status, prove
from byok.core.routing import Deployment, DeploymentTable
from byok.core.secret import Secret
from byok.core.walk import LIMIT, Subject
from byok.policy.rules import BUILT_IN, Action, Denial, Rule, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """
    One thing that may leave, or somebody may do, from now on.

    `shown_by` is the command that shows it, where it is about a request.
    """

    kind: str
    text: str
    rule: str = ""
    where: Where = BUILT_IN
    shown_by: str = ""


_CLOSING = frozenset({Action.DENY, Action.REQUIRE})


def widenings(
    old: Subject, new: Subject, *, config: str = "config.yaml", limit: int = LIMIT
) -> tuple[Widening, ...]:
    """
    Return everything that *new* lets leave and *old* does not.

    *config* is the name of the new one, for commands. What could not be settled
    within *limit* cells counts as a widening: nobody knows that it is none.
    """
    return (*_written(old, new), *_effective(old, new, config, limit))


def _written(old: Subject, new: Subject) -> Iterator[Widening]:
    yield from _origins(old.gateway.table.deployments, new.gateway.table.deployments)
    kept = {meaning(each) for each in new.gateway.plans.rules}
    for rule in old.gateway.plans.rules:
        # Without its exception it takes away all the more.
        whole = replace(meaning(rule), unless=None)
        if rule.shadow or meaning(rule) in kept or whole in kept:
            continue
        if rule.lock:
            yield _of_rule("lock", "the lock {} is gone", rule)
        elif rule.action in _CLOSING:
            yield _of_rule("refusal", "the refusal {} is gone", rule)


def _effective(
    old: Subject, new: Subject, config: str, limit: int
) -> Iterator[Widening]:
    if _decide_alike(old, new):
        return
    proof = _proof(
        "P6", Question(subject=new, against=_with_models_of(new, old)), limit
    )
    said: set[tuple[str, str]] = set()
    for each in proof.counterexamples:
        rule = each.rule
        # The smallest request stands for its like at other deployments.
        if (each.message, rule.id if rule else "") in said:
            continue
        said.add((each.message, rule.id if rule else ""))
        yield Widening(
            kind="leaves",
            text=each.message,
            rule=rule.id if rule else "",
            where=rule.where if rule else BUILT_IN,
            shown_by=command(each.request, new, config, each.answer),
        )
    if proof.status is Status.UNSETTLED or proof.note:
        text = f"there is more to look at than {limit} cells: nobody knows what leaves"
        yield Widening(kind="unsettled", text=text)


def broken_assertions(question: Question, *, limit: int = LIMIT) -> tuple[str, ...]:
    """Say how what policy files assert does not hold."""
    proof = _proof("P8", question, limit)
    return tuple(each.message for each in proof.counterexamples)


def _proof(name: str, question: Question, limit: int) -> Proof:
    (wanted,) = (each for each in PROPERTIES if each.id == name)
    return prove(wanted, question, limit=limit)


def _decide_alike(old: Subject, new: Subject) -> bool:
    """Is there nothing in which two configurations could decide differently?"""
    one, other = old.gateway, new.gateway
    return (
        [meaning(each) for each in one.plans.rules]
        == [meaning(each) for each in other.plans.rules]
        and one.plans.credential_policies == other.plans.credential_policies
        and one.plans.gateway_names == other.plans.gateway_names
        and old.carriers == new.carriers
        and [placeless(each) for each in one.table.deployments]
        == [placeless(each) for each in other.table.deployments]
    )


def _with_models_of(new: Subject, old: Subject) -> Subject:
    """
    Return *old* as it would be if it served the models that only *new* serves.

    A model more is nothing that leaves more, as long as it goes where requests went
    before and the old rules would have let as much of it leave.
    """
    known = {_trust(each) for each in old.gateway.table.deployments}
    added = [each for each in new.gateway.table.deployments if _trust(each) in known]
    table = _Extended(old.gateway.table, added)
    return replace(old, gateway=replace(old.gateway, table=table))


def _trust(deployment: Deployment) -> tuple[object, ...]:
    return (
        deployment.provider,
        deployment.origin,
        deployment.trusted,
        deployment.plaintext_ok,
    )


class _Extended(DeploymentTable):
    """A table with deployments for models that it does not serve by itself."""

    def __init__(self, first: DeploymentTable, more: Sequence[Deployment]) -> None:
        super().__init__(first.deployments)
        self._more = DeploymentTable(more)

    def find(self, model: str) -> Deployment | None:
        """Return the deployment of the table itself, or else one of the others."""
        return super().find(model) or self._more.find(model)


def _of_rule(kind: str, text: str, rule: Rule) -> Widening:
    return Widening(
        kind=kind, text=text.format(rule.id), rule=rule.id, where=rule.where
    )


def meaning(rule: Rule) -> Rule:
    """Return what is left of *rule* without its name, its place and its words."""
    return replace(rule, id="", where=BUILT_IN, why="", compat="", denial=Denial())


def placeless(deployment: Deployment) -> Deployment:
    """Return what is left of *deployment* without the place it is written at."""
    return replace(deployment, where=BUILT_IN, trust_note="")


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
