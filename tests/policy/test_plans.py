"""Plans are compiled once for a context, and kept within a bound."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.policy.plan import Plan
from byok.policy.plans import OwnRules, Plans, ScopedCredentialPolicy
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import hostile, rulesets

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


def test_own_rules_tell_requests_apart_like_all_others():
    own = OwnRules(
        id="key-1",
        rules=rulesets.read(
            Tier.KEY,
            {"id": "one", "action": "forward", "match": {"model": "claude-*"}},
            {"id": "two", "action": "strip", "unless": {"stream": False}},
        ),
    )
    plans = Plans(())
    field = ((b"x-one", b"1"),)

    assert (
        plans.plan(replace(rulesets.PLAIN, model="gpt"), own).apply(field).sends == ()
    )
    assert plans.plan(rulesets.PLAIN, own).apply(field).sends == field
    streamed = replace(rulesets.PLAIN, stream=True)
    assert plans.plan(streamed, own).apply(field).sends == ()


TOLD_APART = [
    # what differs, in what, and a match that holds for the plain request alone
    ("route", "/v1/other", {"route": "/v1/messages"}),
    ("method", "GET", {"method": "POST"}),
    ("model", "gpt", {"model": "claude-*"}),
    ("model_group", "gpt", {"model_group": "claude-*"}),
    ("deployment", "relay", {"deployment": "main"}),
    ("provider", "openai", {"provider": "anthropic"}),
    ("host", "relay.example.net", {"host": "api.anthropic.com"}),
    ("stream", True, {"stream": False}),
    ("vouched", False, {"header": {"trust": "here"}}),
    ("key", "ops", {"key": "dev-laptop"}),
    ("key_id", "key_2", {"key": "key_1"}),
    ("team", "core", {"team": "growth"}),
    ("user", "bob", {"user": "ann"}),
    ("tags", frozenset({"red"}), {"tags": {"none": "red"}}),
    ("auth", "x-api-key", {"auth": "x-litellm-api-key"}),
    ("client_ip", "192.0.2.1", {"client_ip": "10.0.0.0/8"}),
]


@pytest.mark.parametrize(("dimension", "value", "match"), TOLD_APART)
def test_no_plan_is_shared_between_what_a_rule_tells_apart(dimension, value, match):
    rules = rulesets.read(Tier.KEY, {"id": "a", "action": "forward", "match": match})
    other = replace(rulesets.PLAIN, **{dimension: value})
    field = ((b"x-one", b"1"),)

    shared = Plans(rules)
    assert shared.plan(rulesets.PLAIN).apply(field).sends == field
    assert shared.plan(other).apply(field).sends == ()
    own, bare = OwnRules(id="key-1", rules=rules), Plans(())
    assert bare.plan(rulesets.PLAIN, own).apply(field).sends == field
    assert bare.plan(other, own).apply(field).sends == ()


@pytest.mark.parametrize(
    ("dimension", "value", "field"),
    [
        ("trusted", frozenset(), (b"x-api-key", b"sk-ant-api03-1")),
        ("plaintext", True, (b"x-vault-token", b"1")),
        ("deployment_key", True, (b"x-one", b"1")),
    ],
)
def test_no_plan_is_shared_between_destinations(dimension, value, field):
    unless = {"credential": "deployment"}
    rules = rulesets.read(Tier.KEY, {"id": "a", "action": "forward", "unless": unless})
    other = replace(rulesets.PLAIN, **{dimension: value})
    plans = Plans(rules)

    assert plans.plan(rulesets.PLAIN).apply((field,)).sends == (field,)
    assert plans.plan(other).apply((field,)).sends == ()


def test_no_plan_is_shared_between_callers_with_rules_of_their_own():
    one = OwnRules(
        id="key-1", rules=rulesets.read(Tier.KEY, {"id": "a", "action": "forward"})
    )
    other = OwnRules(
        id="key-2", rules=rulesets.read(Tier.KEY, {"id": "a", "action": "strip"})
    )
    plans = Plans(())
    field = ((b"x-one", b"1"),)

    assert plans.plan(rulesets.PLAIN, one).apply(field).sends == field
    assert plans.plan(rulesets.PLAIN, other).apply(field).sends == ()
    assert plans.plan(rulesets.PLAIN).apply(field).sends == ()


@given(
    rulesets.rule_sets(),
    rulesets.rule_sets(max_size=3),
    st.lists(
        st.tuples(rulesets.callers(), hostile.headers(hostile.GATEWAY_KEY)),
        min_size=2,
        max_size=5,
    ),
)
@rulesets.FEW
def test_a_shared_plan_decides_as_one_of_its_own_would(ruleset, own, requests):
    plans = Plans(ruleset.read(), limit=3)
    mine = OwnRules(id="key-1", rules=own.read())

    for context, headers in requests:
        alone = Plan(context, (*plans.rules, *mine.rules), CredentialPolicy())
        assert plans.plan(context, mine).apply(headers) == alone.apply(headers)
        alone = Plan(context, plans.rules, CredentialPolicy())
        assert plans.plan(context).apply(headers) == alone.apply(headers)


def test_the_oldest_plan_goes_first():
    items: list[rulesets.Data] = [
        {"id": each, "action": "forward", "match": {"user": [each]}} for each in "abc"
    ]
    plans = Plans(rulesets.read(Tier.SETTINGS, *items), limit=2)

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


def test_plans_of_other_rules_have_all_else_alike():
    own = ScopedCredentialPolicy(policy=CredentialPolicy(order=("deployment",)))
    plans = Plans((), [own], gateway_names={b"x-company-key"})

    other = plans.with_rules(FORWARD)

    plan = other.plan(rulesets.PLAIN)
    assert plan.credential_policy == own.policy
    assert plan.apply(((b"x-company-key", b"1"), (b"x-a", b"1"))).sends == (
        (b"x-a", b"1"),
    )
