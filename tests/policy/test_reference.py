"""The product against the slow reading of its description."""

from hypothesis import given, settings
from hypothesis import strategies as st

from byok.policy.classes import classify
from byok.policy.plan import Plan
from tests.policy import hostile, rulesets
from tests.policy.reference import Reference, class_of, in_own_slot

SECRETS = (hostile.GATEWAY_KEY, hostile.SHORT_KEY)


@given(
    st.sampled_from(hostile.HEADER_NAMES),
    hostile.values(*SECRETS),
    st.sampled_from([(), SECRETS]),
)
@rulesets.MORE
def test_a_field_has_the_class_that_the_description_gives_it(name, value, secrets):
    found = classify(name, value, gateway_secrets=secrets)

    assert found.cls == class_of(name, value, secrets)
    if found.is_provider_credential:
        assert found.own_slot == in_own_slot(name, value, found.cls)


@given(
    rulesets.rule_sets(),
    rulesets.contexts(),
    hostile.headers(*SECRETS),
    rulesets.credential_policies(),
    st.sampled_from([frozenset(), frozenset({b"x-custom", b"accept"})]),
)
@settings(max_examples=200)
def test_a_plan_decides_what_the_description_says(
    ruleset, context, headers, slot, nominated
):
    expected = Reference(context, ruleset.items, slot).apply(
        headers, SECRETS, nominated
    )

    outcome = Plan(context, ruleset.read(), slot).apply(
        headers, gateway_secrets=SECRETS, nominated=nominated
    )

    assert [
        (each.action.word, each.rule.id if each.rule else "", each.reason.value)
        for each in outcome.verdicts
    ] == [(each.word, each.rule, each.reason) for each in expected.fates]
    assert list(outcome.sends) == expected.sends
    credential = outcome.credential
    assert (credential.source, credential.index, credential.denied) == (
        expected.source,
        expected.index,
        expected.refused,
    )
    assert (outcome.denied.rule.id if outcome.denied else None) == expected.denied
