"""The way back: silence forwards, and rules take off or put in."""

import pytest

from byok.policy.plan import Plan
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets

ANSWER = ((b"request-id", b"req_1"), (b"x-foo", b"1"), (b"content-type", b"a/b"))


def respond(*items, source="deployment", context=rulesets.PLAIN):
    found = [rule for item in items for rule in rulesets.read(Tier.SETTINGS, item)]
    return Plan(context, found, CredentialPolicy()).response.apply(ANSWER, source)


def back(**parts):
    return {"id": "back", "direction": "response", **parts}


def test_without_rules_an_answer_goes_back_as_it_came():
    plan = Plan(rulesets.PLAIN, (), CredentialPolicy())

    assert plan.response.is_empty
    assert plan.response.apply(ANSWER, "none").sends == ANSWER


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ("strip", ()),
        ("redact", ((b"x-foo", b"[redacted]"),)),
        ({"rename": {"to": "x-bar"}}, ((b"x-bar", b"1"),)),
        ("forward", ((b"x-foo", b"1"),)),
    ],
)
def test_a_rule_acts_on_the_field_it_matches(action, sent):
    outcome = respond(back(match={"header": {"name": "x-foo"}}, action=action))

    others = tuple(field for field in ANSWER if field[0] != b"x-foo")
    assert outcome.sends == (others[0], *sent, others[1])


def test_a_field_can_be_put_in():
    outcome = respond(back(action={"inject": {"name": "x-served-by", "value": "byok"}}))

    assert outcome.sends == (*ANSWER, (b"x-served-by", b"byok"))
    assert outcome.injections[0].rule.id == "back"


def test_whose_credential_was_sent_can_be_asked_for():
    rule = back(
        match={"credential": "deployment", "header": {"name": "request-id"}},
        action="strip",
    )

    assert len(respond(rule).sends) == 2
    assert len(respond(rule, source="client.oauth").sends) == 3


def test_an_exception_is_an_exception_here_too():
    rule = back(
        match={"header": {"name": "x-*"}},
        unless={"header": {"name": "x-foo"}},
        action="strip",
    )

    assert respond(rule).sends == ANSWER


def test_rules_about_requests_do_not_touch_answers():
    rule = {"id": "r", "match": {"header": {"name": "x-foo"}}, "action": "strip"}

    assert respond(rule).sends == ANSWER


def test_rules_about_answers_do_not_touch_requests():
    rule = back(match={"header": {"name": "x-foo"}}, action="forward")
    found = rulesets.read(Tier.SETTINGS, rule)

    plan = Plan(rulesets.PLAIN, found, CredentialPolicy())

    assert plan.apply(((b"x-foo", b"1"),)).sends == ()
