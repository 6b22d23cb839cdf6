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


def later(**parts):
    return {"id": "later", "direction": "response", "mode": "shadow", **parts}


FOO = {"header": {"name": "x-foo"}}


@pytest.mark.parametrize(
    ("in_force", "waiting", "would"),
    [
        ([], later(match=FOO, action="strip"), [("answer:x-foo", "strip", "later")]),
        (
            [],
            later(match=FOO, action={"rename": {"to": "x-bar"}}),
            [("answer:x-foo", "rename", "later")],
        ),
        (
            [back(match=FOO, action={"rename": {"to": "x-a"}})],
            later(match=FOO, action={"rename": {"to": "x-b"}}),
            [],
        ),
        ([back(match=FOO, action="strip")], later(match=FOO, action="strip"), []),
        ([], later(match=FOO, action="forward"), []),
        ([], later(match={"header": {"name": "x-none"}}, action="strip"), []),
        (
            [],
            later(action={"inject": {"name": "x-new", "value": "1"}}),
            [("answer:x-new", "inject", "later")],
        ),
        (
            [back(action={"inject": {"name": "x-new", "value": "1"}})],
            later(action={"inject": {"name": "x-new", "value": "1"}}),
            [],
        ),
    ],
)
def test_a_shadow_rule_about_answers_is_told_and_not_done(in_force, waiting, would):
    without, found = respond(*in_force), respond(*in_force, waiting)

    assert found.sends == without.sends
    assert without.shadow == ()
    told = [
        (each.slot, each.would, each.rule and each.rule.id) for each in found.shadow
    ]
    assert told == would


def test_a_narrower_shadow_that_renames_otherwise_is_told():
    broad = back(match=FOO, action={"rename": {"to": "x-a"}})
    narrow = later(match=FOO, action={"rename": {"to": "x-b"}})
    rules = [
        *rulesets.read(Tier.SETTINGS, broad),
        *rulesets.read(Tier.TEAM, narrow),
    ]

    found = Plan(rulesets.PLAIN, rules, CredentialPolicy()).response.apply(
        ANSWER, "deployment"
    )

    assert (b"x-a", b"1") in found.sends
    assert [each.would for each in found.shadow] == ["rename"]


def test_what_only_waits_is_no_empty_plan_and_costs_requests_no_second_decision():
    rules = rulesets.read(Tier.SETTINGS, later(match=FOO, action="strip"))
    plan = Plan(rulesets.PLAIN, rules, CredentialPolicy())

    assert not plan.response.is_empty
    assert plan.apply(((b"x-foo", b"1"),)).shadow == ()
    assert plan._twin is None
