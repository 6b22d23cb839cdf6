"""Plans are compiled once for a context, and kept within a bound."""

from dataclasses import replace

from byok.policy.plans import Plans, ScopedCredentialPolicy
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets

FORWARD = rulesets.read(Tier.SETTINGS, {"id": "all", "action": "forward"})


def test_a_context_has_one_plan():
    plans = Plans(FORWARD)

    assert plans.plan(rulesets.PLAIN) is plans.plan(replace(rulesets.PLAIN))
    assert plans.plan(replace(rulesets.PLAIN, stream=True)) is not plans.plan(
        rulesets.PLAIN
    )
    assert len(plans) == 2


def test_the_least_used_plan_goes_first():
    plans = Plans((), limit=2)
    one, two, three = (replace(rulesets.PLAIN, user=each) for each in "abc")

    first = plans.plan(one)
    second = plans.plan(two)
    plans.plan(one)
    plans.plan(three)

    assert len(plans) == 2
    assert plans.plan(one) is first
    assert plans.plan(two) is not second


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
