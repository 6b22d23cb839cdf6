"""
One answer of a test, tried: what of it would go back to the client.

The provider's fields are what a test gives; who pays is said, since it depends on
the request. The rules that are asked are those of the one decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from byok.core.answer_fields import ORG
from byok.core.errors import Refusal
from byok.core.exchange import Decided, decide
from byok.core.explain import Json
from byok.core.explain_answer import explain_answer
from byok.core.policy_tests.cases import Expected, Given
from byok.core.policy_tests.expectations import Mismatch, of_shadow, of_slot
from byok.core.policy_tests.trial import Bench, caller_of, facts_of
from byok.core.routes import MESSAGES
from byok.core.routing import Deployment
from byok.core.supposed import filled
from byok.policy import slot
from byok.policy.responses import ResponseOutcome
from byok.policy.rules import Action

_NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTrial:
    """What became of one answer; `outcome` is None where there can be none."""

    given: Given
    refusal: Refusal | None
    explanation: Json
    decided: Decided | None = None
    source: str = ""
    outcome: ResponseOutcome | None = field(default=None, repr=False)


def attempt_answer(given: Given, bench: Bench) -> AnswerTrial:
    """Let the rules about answers have the fields that are *given*."""
    target = (given.route or MESSAGES.id).encode("utf-8", "surrogateescape")
    facts = facts_of(given, target, (), bench)
    decided: Decided | Refusal = (
        facts
        if isinstance(facts, Refusal)
        else decide(
            facts,
            caller_of(given, (), bench),
            bench.gateway,
            deployment=bench.gateway.table.named(given.deployment or ""),
        )
    )
    if isinstance(decided, Refusal):
        return AnswerTrial(given=given, refusal=decided, explanation=_NO_ANSWER)
    source = _source(given, decided.deployment)
    fields = tuple(
        (name.encode("latin-1", "replace"), filled(name, value).encode())
        for name, value in given.headers
    )
    shown, outcome = explain_answer(fields, decided, source)
    return AnswerTrial(
        given=given,
        refusal=None,
        explanation={"verdict": "allow", **shown},
        decided=decided,
        source=source,
        outcome=outcome,
    )


def _source(given: Given, found: Deployment) -> str:
    payer = given.payer or ORG
    if payer == ORG:
        return slot.NONE if found.api_key is None else slot.DEPLOYMENT
    (source,) = (each for each, pays in slot.PAYERS.items() if pays == payer)
    return source


# -- what is said of it


_NO_ANSWER: Json = {
    "verdict": "deny",
    "slots": [],
    "injections": [],
    "sends": [],
    "shadow": [],
}


# -- compared with what was expected


def answer_mismatches(
    expected: Expected, trial: AnswerTrial, *, rules: frozenset[str] = frozenset()
) -> tuple[Mismatch, ...]:
    """Return everything in which the answer is not as *expected*."""
    outcome = trial.outcome
    if outcome is None:
        code = trial.refusal.code if trial.refusal else ""
        got = f"none, for the request was refused ({code})"
        return (Mismatch(what="answer", expected="an answer", got=got),)
    slots = cast("Sequence[Mapping[str, object]]", trial.explanation["slots"])
    return (
        *_of_headers(expected, slots, rules),
        *_of_kept(expected, slots),
        *_of_added(expected, outcome),
        *of_shadow(expected, cast("Sequence[Json]", trial.explanation["shadow"])),
    )


def _of_headers(
    expected: Expected, slots: Sequence[Json], rules: frozenset[str]
) -> Iterator[Mismatch]:
    for header in expected.headers:
        for each in slots:
            if each["slot"] == f"header:{header.name}":
                yield from of_slot(header, each, rules)


def _of_kept(expected: Expected, slots: Sequence[Json]) -> Iterator[Mismatch]:
    asked = (
        *((name, "kept", Action.FORWARD) for name in expected.kept),
        *((name, "stripped", Action.STRIP) for name in expected.stripped),
    )
    for name, what, action in asked:
        verdicts = [
            str(each["verdict"]) for each in slots if each["slot"] == f"header:{name}"
        ]
        if set(verdicts) != {action.word}:
            got = ", ".join(dict.fromkeys(verdicts))
            yield Mismatch(what=what, expected=name, got=got, header=name)


def _of_added(expected: Expected, outcome: ResponseOutcome) -> Iterator[Mismatch]:
    put_in = {each.name for each in outcome.injections if each.applied}
    for name, value in expected.added:
        values = [
            text.decode("latin-1")
            for sent, text in outcome.sends
            if sent.decode("latin-1") == name
        ]
        if name not in put_in:
            listed = ", ".join(sorted(put_in)) or _NOTHING
            yield Mismatch(what="added", expected=name, got=listed)
        elif value is not None and value not in values:
            yield Mismatch(what=f"added {name}", expected=value, got=", ".join(values))
