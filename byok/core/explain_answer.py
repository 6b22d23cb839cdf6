"""
An explanation of the way back: what a client would get to see of an answer.

It is read off what the rules about answers decided, and tells no value either.
"""

from byok.core.answer_fields import goes_back
from byok.core.exchange import Decided
from byok.core.explain import (
    Json,
    injection_shown,
    overridden_shown,
    rule_shown,
    shadow_shown,
)
from byok.policy import slot
from byok.policy.outcome import Headers, Verdict
from byok.policy.responses import ResponseOutcome
from byok.policy.rules import Action

TAKEN_OFF = "built-in"
"""Decides over fields that never go back, whatever rules say."""
DEFAULT_FORWARD = "default-forward"


def explain_answer(
    fields: Headers, decided: Decided, source: str
) -> tuple[Json, ResponseOutcome]:
    """
    Say what would become of an answer of *fields*, where *source* was sent.

    Returns JSON data (`answer` of schemas/explain-v1.schema.json), and the outcome
    that it was read off.
    """
    outcome = decided.plan.response.apply(goes_back(fields, source), source)
    verdicts = iter(outcome.verdicts)
    asked = list(outcome.headers)
    slots = []
    for each in fields:
        # They are in order, so the next one that was asked about is this one.
        is_asked = bool(asked) and asked[0] == each
        if is_asked:
            asked.pop(0)
        cls = decided.plan.class_table.class_of_name(each[0])
        slots.append(_slot(each, cls, next(verdicts) if is_asked else None))
    shown = {
        "payer": slot.PAYERS[source],
        "slots": slots,
        "injections": [injection_shown(each) for each in outcome.injections],
        "shadow": [shadow_shown(each) for each in outcome.shadow],
        "sends": sorted({name.decode("latin-1") for name, _ in outcome.sends}),
    }
    return shown, outcome


def _slot(field: tuple[bytes, bytes], cls: str, verdict: Verdict | None) -> Json:
    name = field[0].decode("latin-1")
    action = Action.STRIP if verdict is None else verdict.action
    rule = None if verdict is None else verdict.rule
    nobody = TAKEN_OFF if verdict is None else DEFAULT_FORWARD
    sent_as: str | None = None if action is Action.STRIP else name
    if action is Action.RENAME and rule is not None:
        sent_as = rule.rename_to.decode("latin-1")
    return {
        "slot": f"header:{name}",
        "class": cls,
        "classified_by": "name",
        "value": {"length": len(field[1])},
        "verdict": action.word,
        "sent_as": sent_as,
        "drops": [],
        "reason": "it never goes back" if verdict is None else verdict.reason.value,
        "determining": [
            {"rule": nobody, "tier": None, "origin": None, "why": ""}
            if rule is None
            else rule_shown(rule)
        ],
        "overridden": [
            overridden_shown(each) for each in (verdict.over if verdict else ())
        ],
        "shadow": [],
        "note": rule.why if rule else "",
    }
