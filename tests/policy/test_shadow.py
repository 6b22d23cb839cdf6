"""Shadow rules are decided beside the real ones, recorded, and change nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.policy.plan import Plan
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets
from tests.support.keys import ANTHROPIC_API_KEY, ANTHROPIC_OAUTH

BYOK = {
    "id": "byok",
    "match": {"header": {"class": "credential.provider.*"}},
    "action": "forward",
}
KEY = (b"x-api-key", ANTHROPIC_API_KEY.encode())
LOGIN = (b"authorization", b"Bearer " + ANTHROPIC_OAUTH.encode())


def apply(*items, headers=(KEY,), context=rulesets.PLAIN):
    found = [rule for item in items for rule in rulesets.read(Tier.SETTINGS, item)]
    return Plan(context, found, CredentialPolicy()).apply(headers)


def shadow(**parts):
    return {"id": "next", "mode": "shadow", **parts}


def told(outcome):
    return [
        (each.slot, each.would, each.rule.id if each.rule else None)
        for each in outcome.shadow
    ]


def test_a_shadow_strip_is_told_and_not_done():
    outcome = apply(
        BYOK, shadow(match={"header": {"name": "x-api-key"}}, action="strip")
    )

    assert outcome.sends == (KEY,)
    assert outcome.credential.source == "client.api_key"
    assert told(outcome) == [
        ("header:x-api-key", "strip", "next"),
        ("credential", "none", None),
    ]


def test_a_shadow_forward_tells_what_would_leave():
    outcome = apply(
        shadow(match={"header": {"name": "x-foo"}}, action="forward"),
        headers=((b"x-foo", b"1"),),
    )

    assert outcome.sends == ()
    assert told(outcome) == [("header:x-foo", "forward", "next")]


def test_a_shadow_denial_is_told():
    outcome = apply(BYOK, shadow(action={"deny": {"status": 403}}))

    assert outcome.denied is None
    assert told(outcome) == [("request", "deny", "next")]


def test_a_shadow_injection_is_told():
    outcome = apply(BYOK, shadow(action={"inject": {"name": "x-org", "value": "1"}}))

    assert outcome.sends == (KEY,)
    assert told(outcome) == [("out:x-org", "inject", "next")]


def test_a_real_denial_that_shadow_rules_would_not_change_is_not_told():
    deny = {"id": "no", "action": {"deny": {}}}

    outcome = apply(deny, shadow(action={"deny": {}}, match={"team": "nobody"}))

    assert outcome.denied is not None
    assert outcome.shadow == ()


def test_a_shadow_rule_that_agrees_is_not_told():
    outcome = apply(BYOK, {**BYOK, "id": "next", "mode": "shadow"})

    assert outcome.shadow == ()


@pytest.mark.parametrize("headers", [(KEY,), (LOGIN,), (KEY, LOGIN)])
@given(data=st.data())
@rulesets.FEW
def test_shadow_inert(headers, data):
    drawn = data.draw(rulesets.rule_sets()).read()
    marked = tuple(replace(rule, shadow=data.draw(st.booleans())) for rule in drawn)
    context = data.draw(rulesets.contexts())

    with_shadow = Plan(context, marked, CredentialPolicy()).apply(headers)
    without = Plan(
        context, [rule for rule in marked if not rule.shadow], CredentialPolicy()
    ).apply(headers)

    inert = replace(with_shadow.ruling, shadow=())
    assert replace(with_shadow, ruling=inert) == without
