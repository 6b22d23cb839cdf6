"""Plans are compiled once for a context, and kept within a bound."""

from dataclasses import replace

from byok.policy.plans import OwnRules, Plans, ScopedCredentialPolicy
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets

FORWARD = rulesets.read(Tier.SETTINGS, {"id": "all", "action": "forward"})


def test_contexts_that_no_rule_tells_apart_share_a_plan():
    plans = Plans(FORWARD)

    first = plans.plan(rulesets.PLAIN)
    for other in (
        replace(rulesets.PLAIN, stream=True),
        replace(rulesets.PLAIN, key="somebody", user="else", client_ip="192.0.2.1"),
        replace(rulesets.PLAIN, model="another"),
    ):
        assert plans.plan(other) is first
    assert len(plans) == 1


def test_a_rule_that_tells_callers_apart_makes_two_plans():
    plans = Plans(
        rulesets.read(
            Tier.SETTINGS,
            {"id": "one", "action": "forward", "match": {"team": ["red"]}},
            {"id": "two", "action": "strip", "unless": {"key": ["dev-*"]}},
        )
    )
    contexts = [
        replace(rulesets.PLAIN, team=team, key=key)
        for team in ("red", "blue", "green")
        for key in ("dev-1", "dev-2", "ops")
    ]

    assert len({id(plans.plan(each)) for each in contexts}) == 4
    assert len(plans) == 4


def test_a_destination_is_always_told_apart():
    plans = Plans(FORWARD)

    trusting = replace(rulesets.PLAIN, trusted=frozenset({"tracing"}))

    assert plans.plan(trusting) is not plans.plan(rulesets.PLAIN)


def test_own_rules_are_part_of_the_plan():
    plans = Plans(())
    own = OwnRules(id="key-1", rules=tuple(FORWARD))

    mine = plans.plan(rulesets.PLAIN, own)

    assert mine is not plans.plan(rulesets.PLAIN)
    assert mine is plans.plan(rulesets.PLAIN, replace(own))
    assert mine.apply(((b"x-one", b"1"),)).sends == ((b"x-one", b"1"),)


def test_the_oldest_plan_goes_first():
    rules = rulesets.read(
        Tier.SETTINGS,
        *(
            {"id": each, "action": "forward", "match": {"user": [each]}}
            for each in "abc"
        ),
    )
    plans = Plans(rules, limit=2)

    for each in "abc":
        plans.plan(replace(rulesets.PLAIN, user=each))

    assert len(plans) == 2


def test_a_deployments_own_credential_policy_stands_before_the_one_for_all():
    own = CredentialPolicy(order=("deployment",))
    common = CredentialPolicy(order=("client.oauth",))
    plans = Plans(
        (),
        [
            ScopedCredentialPolicy(policy=own, deployment="main"),
            ScopedCredentialPolicy(policy=common),
        ],
    )

    relay = replace(rulesets.PLAIN, deployment="relay")
    assert plans.plan(rulesets.PLAIN).credential_policy == own
    assert plans.plan(relay).credential_policy == common


def test_without_any_the_built_in_credential_policy_holds():
    elsewhere = ScopedCredentialPolicy(
        policy=CredentialPolicy(order=("deployment",)), deployment="relay"
    )

    plan = Plans((), [elsewhere]).plan(rulesets.PLAIN)

    assert plan.credential_policy == CredentialPolicy()
    assert str(plan.credential_policy.where) == "built-in"


def test_the_configured_name_of_the_gateways_key_is_known_to_every_plan():
    plans = Plans(FORWARD, gateway_names={b"x-company-key"})

    outcome = plans.plan(rulesets.PLAIN).apply(((b"x-company-key", b"anything"),))

    assert outcome.sends == ()
    assert outcome.kinds[0].cls == "credential.gateway"
