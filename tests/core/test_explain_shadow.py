"""What rules in shadow would do stands beside what is done, in data and in words."""

import pytest

from byok.core.explain_text import render
from byok.policy.rules import Tier
from tests.core.asking import API_KEY, GATEWAY_KEY, OAUTH, facts, gateway, rules_at
from tests.core.test_explain import ON, Json, explained, slot

NEXT = {"id": "next.no-oauth", "mode": "shadow"}
LOGINS = {"header": {"class": "credential.provider.anthropic.oauth"}}


def in_shadow(*headers, **rule) -> Json:
    """Explain a request with one rule in shadow."""
    rules = rules_at(Tier.SETTINGS, {**NEXT, **rule}, file="next.yaml", line=4)
    at = gateway(auth=ON, rules=rules)
    return explained(facts(GATEWAY_KEY, *headers), at)


def test_a_field_says_what_would_become_of_it():
    data = in_shadow(OAUTH, match=LOGINS, action="strip")

    assert slot(data, "authorization")["shadow"] == [
        {
            "slot": "header:authorization",
            "would": "strip",
            "rule": "next.no-oauth",
            "origin": "next.yaml:4",
        }
    ]
    assert slot(data, "x-litellm-api-key")["shadow"] == []
    assert data["shadow"] == []
    lines = render(data).splitlines()
    assert "         shadow next.no-oauth would STRIP  next.yaml:4" in lines


def test_the_credential_says_what_would_fill_it():
    data = in_shadow(OAUTH, API_KEY, match=LOGINS, action="strip")

    assert data["credential"]["source"] == "client.oauth"
    assert data["credential"]["shadow"] == [
        {
            "slot": "credential",
            "would": "client.api_key",
            "rule": None,
            "origin": None,
        }
    ]
    assert "           shadow would be client.api_key" in render(data).splitlines()


def test_of_two_fields_of_one_name_each_says_its_own():
    hidden = (b"x-foo", API_KEY[1])
    data = in_shadow(
        (b"x-foo", b"1"),
        hidden,
        match={"header": {"name": "x-foo"}},
        action="forward",
    )

    plain, credential = (
        each for each in data["slots"] if each["slot"] == "header:x-foo"
    )
    assert [each["would"] for each in plain["shadow"]] == ["forward"]
    assert credential["shadow"] == []


def test_a_field_may_fall_back_to_the_default_by_a_credential_that_goes():
    # The rule that forwards it asks for a credential that would stay here.
    asks = {
        "id": "beside-logins",
        "match": {"header": {"name": "x-foo"}, "credential": "client.oauth"},
        "action": "forward",
    }
    rules = rules_at(
        Tier.SETTINGS, {**NEXT, "match": LOGINS, "action": "strip"}, asks, line=4
    )
    data = explained(
        facts(GATEWAY_KEY, OAUTH, (b"x-foo", b"1")), gateway(auth=ON, rules=rules)
    )

    (shadow,) = slot(data, "x-foo")["shadow"]
    assert (shadow["would"], shadow["rule"], shadow["origin"]) == (
        "strip",
        "default-deny",
        None,
    )
    lines = render(data).splitlines()
    assert "         shadow default-deny would STRIP" in lines


def test_a_request_says_that_it_would_be_refused():
    data = in_shadow(API_KEY, action={"deny": {}})

    assert data["verdict"] == "allow"
    assert data["shadow"] == [
        {
            "slot": "request",
            "would": "deny",
            "rule": "next.no-oauth",
            "origin": "next.yaml:4",
        }
    ]
    assert "shadow   next.no-oauth would DENY the request  next.yaml:4" in render(data)


def test_a_request_says_that_it_would_not_be_refused_any_more():
    denies = {
        "id": "denies",
        "match": {"credential": "client.oauth"},
        "action": {"deny": {}},
    }
    rules = rules_at(
        Tier.SETTINGS, {**NEXT, "match": LOGINS, "action": "strip"}, denies
    )
    data = explained(facts(GATEWAY_KEY, OAUTH), gateway(auth=ON, rules=rules))

    assert data["verdict"] == "deny"
    assert data["shadow"] == [
        {"slot": "request", "would": "allow", "rule": None, "origin": None}
    ]
    assert "shadow   would ALLOW the request" in render(data).splitlines()


def test_what_would_be_put_in_is_told():
    data = in_shadow(API_KEY, action={"inject": {"name": "x-tag", "value": "1"}})

    assert [each["slot"] for each in data["shadow"]] == ["out:x-tag"]
    assert "shadow   next.no-oauth would INJECT x-tag  next.yaml:4" in render(data)


# What a request asks to send by `x-pass-`


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (b"x-pass-x-team", "as x-team, granted by grants"),
        (b"x-pass-b3", "no rule grants b3"),
        (b"x-pass-authorization", "authorization is not grantable"),
        (b"x-pass-content-type", "content-type is not grantable"),
    ],
)
def test_what_is_asked_for_says_what_came_of_it(name, note):
    rules = rules_at(
        Tier.PACK, {"id": "grants", "action": {"allow_request": ["unclassified"]}}
    )
    asked = facts(GATEWAY_KEY, API_KEY, (name, b"1"))
    data = explained(asked, gateway(auth=ON, rules=rules))

    assert slot(data, name.decode())["note"] == note
