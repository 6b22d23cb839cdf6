"""`x-pass-NAME`: what a request may ask for, and what it may not have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.policy import classes
from byok.policy.plan import Plan
from byok.policy.rules import Action, Rule, Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets
from tests.support.keys import ANTHROPIC_API_KEY, VIRTUAL_KEY

GRANT = {"id": "grant", "action": {"allow_request": ["unclassified", "tracing"]}}
GRANT_PROTOCOL = {"id": "grant", "action": {"allow_request": "protocol"}}


def rules(tier: Tier, *items: rulesets.Data) -> tuple[Rule, ...]:
    return rulesets.read(tier, *items)


def sends(all_rules, *headers, secrets=()):
    plan = Plan(rulesets.PLAIN, all_rules, CredentialPolicy())
    return plan.apply(headers, gateway_secrets=secrets)


def test_what_is_granted_leaves_under_its_own_name():
    outcome = sends(rules(Tier.PACK, GRANT), (b"x-pass-x-team-tag", b"blue"))

    assert outcome.sends == ((b"x-team-tag", b"blue"),)
    verdict = outcome.verdicts[0]
    assert verdict.action is Action.FORWARD
    assert verdict.rule is not None
    assert verdict.rule.id == "request.x-pass"
    assert verdict.rule.why == "granted by grant"


def test_without_a_grant_nothing_leaves():
    outcome = sends((), (b"x-pass-x-team-tag", b"blue"))

    assert outcome.sends == ()
    assert outcome.verdicts[0].rule is not None
    assert outcome.verdicts[0].rule.id == "floor.gateway-control"


def test_a_grant_may_name_a_header():
    grant = {"id": "g", "action": {"allow_request": ["x-team-*"]}}

    outcome = sends(
        rules(Tier.TEAM, grant), (b"x-pass-x-team-tag", b"1"), (b"x-pass-x-foo", b"2")
    )

    assert outcome.sends == ((b"x-team-tag", b"1"),)


def test_a_grant_holds_for_those_it_matches():
    grant = {**GRANT, "match": {"team": ["others"]}}

    assert sends(rules(Tier.PACK, grant), (b"x-pass-x-foo", b"1")).sends == ()


@pytest.mark.parametrize(
    "name",
    [
        b"x-pass-authorization",
        b"x-pass-x-api-key",
        b"x-pass-x-litellm-api-key",
        b"x-pass-cookie",
        b"x-pass-host",
        b"x-pass-transfer-encoding",
        b"x-pass-connection",
        b"x-pass-x-amz-security-token",
        b"x-pass-x-pass-x-foo",
        b"x-pass-content-type",
        b"x-pass-content-length",
        b"x-pass-x_foo",
        b"x-pass-",
    ],
)
def test_nobody_may_ask_for_what_is_never_granted(name):
    everything = {"id": "g", "action": {"allow_request": ["unclassified", "protocol"]}}

    assert sends(rules(Tier.PACK, everything), (name, b"z")).sends == ()


@pytest.mark.parametrize("secret", [ANTHROPIC_API_KEY, VIRTUAL_KEY])
def test_a_credential_does_not_leave_by_asking(secret):
    outcome = sends(
        rules(Tier.PACK, GRANT),
        (b"x-pass-x-foo", secret.encode()),
        secrets=(VIRTUAL_KEY.encode(),),
    )

    assert outcome.sends == ()


def test_a_lock_is_stronger_than_asking():
    lock = {
        "id": "no",
        "match": {"header": {"name": "x-foo"}},
        "action": "strip",
        "lock": True,
    }

    outcome = sends(
        [*rules(Tier.PACK, GRANT), *rules(Tier.SETTINGS, lock)],
        (b"x-pass-x-foo", b"1"),
    )

    assert outcome.sends == ()
    assert outcome.verdicts[0].rule is not None
    assert outcome.verdicts[0].rule.id == "no"


def test_asking_is_narrower_than_a_plain_strip():
    strip = {"id": "no", "match": {"header": {"name": "x-foo"}}, "action": "strip"}

    outcome = sends(
        [*rules(Tier.PACK, GRANT), *rules(Tier.KEY, strip)], (b"x-pass-x-foo", b"1")
    )

    assert outcome.sends == ((b"x-foo", b"1"),)


def test_what_was_asked_for_takes_the_place_of_what_came():
    forward = {"id": "f", "match": {"header": {"name": "x-*"}}, "action": "forward"}

    outcome = sends(
        [*rules(Tier.PACK, GRANT), *rules(Tier.SETTINGS, forward)],
        (b"x-foo", b"old"),
        (b"x-pass-x-foo", b"new"),
        (b"x-bar", b"1"),
    )

    assert outcome.sends == ((b"x-bar", b"1"), (b"x-foo", b"new"))


@pytest.mark.parametrize(
    ("action", "sent"),
    [
        ("redact", (b"traceparent", b"[redacted]")),
        ({"rename": {"to": "x-trace"}}, (b"x-trace", b"00-1")),
    ],
)
def test_other_rules_act_on_what_is_asked_for(action, sent):
    rule = {
        "id": "r",
        "match": {"header": {"name": "traceparent"}},
        "action": action,
        "lock": action == "redact",
    }
    tier = Tier.SETTINGS if action == "redact" else Tier.REQUEST

    outcome = sends(
        [*rules(Tier.PACK, GRANT), *rules(tier, rule)],
        (b"x-pass-traceparent", b"00-1"),
    )

    assert outcome.sends == (sent,)


@given(name=st.binary(max_size=12), value=st.binary(max_size=12))
def test_nothing_asked_for_is_ever_of_a_class_that_cannot_be_granted(name, value):
    everything = [
        {"id": f"g{at}", "action": {"allow_request": cls}}
        for at, cls in enumerate(["unclassified", "tracing", "protocol", "telemetry.*"])
    ]

    outcome = sends(rules(Tier.PACK, *everything), (b"x-pass-" + name.lower(), value))

    for sent, _ in outcome.sends:
        assert not classes.class_of_name(sent).startswith("credential.")
        assert not sent.startswith(b"x-pass-")
