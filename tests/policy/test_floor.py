"""One test for each rule of the floor, against rules that want the opposite."""

from dataclasses import replace

import pytest

from byok.policy import classes, floor, names
from byok.policy.classes import Classified, How, classify
from byok.policy.floor import FLOOR
from byok.policy.outcome import Outcome, Verdict
from byok.policy.plan import Plan
from byok.policy.rules import Action, Tier
from byok.policy.slot import DEPLOYMENT, NONE, CredentialPolicy
from byok.policy.tiers import Reason
from tests.policy import rulesets
from tests.support import keys

API_KEY = keys.ANTHROPIC_API_KEY.encode()
OAUTH = b"Bearer " + keys.ANTHROPIC_OAUTH.encode()
GATEWAY_KEY = keys.VIRTUAL_KEY.encode()

# The narrowest tier there is forwards everything; nobody asks for more.
EVERYTHING = rulesets.read(Tier.KEY, {"id": "all", "action": "forward"})

RELAY = replace(
    rulesets.PLAIN, host="relay.example.net", trusted=frozenset(), vouched=False
)


def outcome_of(*fields: tuple[bytes, bytes], context=rulesets.PLAIN) -> Outcome:
    plan = Plan(context, EVERYTHING, CredentialPolicy())
    return plan.apply(fields, gateway_secrets=(GATEWAY_KEY,))


def verdict_on(name: bytes, value: bytes = b"1", *, context=rulesets.PLAIN) -> Verdict:
    return outcome_of((name, value), context=context).verdicts[0]


def is_by(verdict: Verdict, rule: str, action: Action = Action.STRIP) -> bool:
    return (
        verdict.action is action
        and verdict.reason is Reason.FLOOR
        and verdict.rule is not None
        and verdict.rule.id == rule
    )


def test_the_floor_only_takes_away_and_cannot_be_locked_or_moved():
    for rule in (*FLOOR, floor.OTHERS_IN_THE_CLEAR):
        assert rule.tier is Tier.FLOOR
        assert rule.action in {Action.STRIP, Action.DENY}
        assert rule.why
        assert str(rule.where) == "built-in"


def test_what_the_floor_does_not_mention_is_forwarded_by_a_rule_that_says_so():
    assert verdict_on(b"x-custom").action is Action.FORWARD


@pytest.mark.parametrize("name", sorted(names.FRAMING))
def test_framing_is_stripped(name):
    assert is_by(verdict_on(name), "floor.framing")


@pytest.mark.parametrize("name", sorted(names.HOP_BY_HOP))
def test_hop_by_hop_is_stripped(name):
    assert is_by(verdict_on(name), "floor.hop-by-hop")


def test_what_connection_nominates_is_hop_by_hop_whatever_it_is():
    plan = Plan(rulesets.PLAIN, EVERYTHING, CredentialPolicy())

    outcome = plan.apply(
        ((b"x-custom", b"1"), (b"x-other", API_KEY)),
        nominated={b"x-custom", b"x-other"},
    )

    assert all(is_by(each, "floor.hop-by-hop") for each in outcome.verdicts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-litellm-api-key", b"anything"),
        (b"x-byok-api-key", b"anything"),
        (b"x-byok-key", b"anything"),
        (b"authorization", b"Bearer " + GATEWAY_KEY),
        (b"x-api-key", GATEWAY_KEY),
        (b"x-custom", b"a, " + GATEWAY_KEY),
        (b"x-custom", b"sk-byok-somebody-elses"),
    ],
)
def test_a_gateway_credential_is_stripped_by_name_value_and_shape(name, value):
    outcome = outcome_of((name, value))

    assert is_by(outcome.verdicts[0], "floor.gateway-credential")
    # It was never a credential for a provider that could be missed.
    assert outcome.credential.removed == ()


@pytest.mark.parametrize("name", [b"x-litellm-tags", b"x-byok-explain", b"x-pass-x-a"])
def test_what_speaks_to_the_gateway_is_stripped(name):
    assert is_by(verdict_on(name), "floor.gateway-control")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x_custom", b"1"),
        (b"x-stainless-os_name", b"1"),
        (b"user-agent", "café".encode()),
        (b"x-custom", b"\xff"),
        (b"x-session-token", b"\xff"),
    ],
)
def test_what_servers_read_in_different_ways_is_stripped(name, value):
    assert is_by(verdict_on(name, value), "floor.ambiguous")


@pytest.mark.parametrize(
    ("name", "value"), [(b"x-api-key", API_KEY), (b"authorization", OAUTH)]
)
def test_a_credential_is_stripped_for_hosts_not_trusted_for_its_class(name, value):
    cls = classify(name, value).cls

    assert is_by(verdict_on(name, value, context=RELAY), "floor.credential-host-pin")
    vouched = replace(RELAY, trusted=frozenset({cls}), vouched=True)
    assert verdict_on(name, value, context=vouched).action is Action.FORWARD


def test_trust_in_one_class_is_no_trust_in_another():
    oauth_only = replace(RELAY, trusted=frozenset({classes.ANTHROPIC_OAUTH}))

    verdict = verdict_on(b"x-api-key", API_KEY, context=oauth_only)

    assert is_by(verdict, "floor.credential-host-pin")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"x-custom", API_KEY),
        (b"x-custom", b"foo " + API_KEY),
        (b"x-api-key", b"Bearer " + API_KEY),
        (b"x-api-key", keys.ANTHROPIC_OAUTH.encode()),
        (b"authorization", keys.ANTHROPIC_OAUTH.encode()),
        (b"authorization", API_KEY),
        (b"authorization", b"Bearer a/" + API_KEY),
        (b"proxy-authorization", b"Bearer " + API_KEY),
        (b"x-litellm-api-key", API_KEY),
        (b"anthropic-beta", API_KEY),
        (b"cookie", b"session=" + API_KEY),
        (b"te", API_KEY),
    ],
)
def test_a_credential_outside_of_its_slot_is_stripped(name, value):
    assert is_by(verdict_on(name, value), "floor.credential-slot")


@pytest.mark.parametrize("action", ["redact", {"rename": {"to": "x-new"}}])
def test_no_rule_reshapes_a_credential(action):
    rules = rulesets.read(Tier.KEY, {"id": "reshape", "action": action})
    plan = Plan(rulesets.PLAIN, rules, CredentialPolicy())

    outcome = plan.apply(((b"x-api-key", API_KEY), (b"x-session-token", b"1")))

    assert outcome.sends == ()
    assert all(is_by(each, "floor.credential-slot") for each in outcome.verdicts)
    assert outcome.verdicts[0].over[0].rule.id == "reshape"


@pytest.mark.parametrize("name", [b"x-api-key", b"authorization", b"x-custom"])
def test_an_anthropic_admin_key_refuses_the_request_wherever_it_stands(name):
    value = keys.ANTHROPIC_ADMIN.encode()

    outcome = outcome_of((name, value))

    assert is_by(outcome.verdicts[0], floor.ADMIN_KEY, Action.DENY)
    assert outcome.denied is not None
    assert outcome.denied.rule.id == floor.ADMIN_KEY
    assert outcome.denied.denial.status == 403
    assert "admin key" in outcome.denied.denial.message


@pytest.mark.parametrize("deployment_key", [True, False])
def test_one_credential_leaves_and_the_other_is_stripped(deployment_key):
    context = replace(rulesets.PLAIN, deployment_key=deployment_key)

    outcome = outcome_of(
        (b"x-api-key", API_KEY), (b"authorization", OAUTH), context=context
    )

    assert outcome.sends == ((b"authorization", OAUTH),)
    assert is_by(outcome.verdicts[0], floor.SINGLE_CREDENTIAL)
    assert outcome.verdicts[0].over[0].because == "one credential leaves"
    assert outcome.credential.payer == "subscription"


def test_no_client_credential_leaves_beside_the_deployments():
    first = CredentialPolicy(order=(DEPLOYMENT,))
    plan = Plan(replace(rulesets.PLAIN, deployment_key=True), EVERYTHING, first)

    outcome = plan.apply(((b"x-api-key", API_KEY),))

    assert outcome.credential.source == DEPLOYMENT
    assert is_by(outcome.verdicts[0], floor.SINGLE_CREDENTIAL)


@pytest.mark.parametrize("deployment_key", [True, False])
@pytest.mark.parametrize("fields", [(), ((b"x-api-key", API_KEY),)])
def test_no_credential_goes_in_the_clear(deployment_key, fields):
    context = replace(rulesets.PLAIN, plaintext=True, deployment_key=deployment_key)

    credential = outcome_of(*fields, context=context).credential

    if fields or deployment_key:
        assert credential.denied == floor.PLAINTEXT
    else:
        assert (credential.source, credential.denied) == (NONE, "credential.missing")


def test_no_other_credential_goes_in_the_clear_either():
    context = replace(rulesets.PLAIN, plaintext=True)

    assert is_by(
        verdict_on(b"x-vault-token", context=context), floor.PLAINTEXT, Action.STRIP
    )
    assert verdict_on(b"x-vault-token").action is Action.FORWARD


def test_no_rule_can_be_written_that_has_the_floors_tier():
    assert Tier.FLOOR not in rulesets.TIERS
    kind = Classified(cls=classes.FRAMING, how=How.NAME)
    verdict = Plan(rulesets.PLAIN, EVERYTHING, CredentialPolicy()).judge(
        b"host", kind, None
    )

    assert [each.rule.id for each in verdict.over] == ["all"]
    assert verdict.over[0].because == "floor"
