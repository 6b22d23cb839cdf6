"""A plan keeps every part of its context and of its rules apart."""

from dataclasses import replace

import pytest

from byok.policy.classes import classify
from byok.policy.floor import FLOOR
from byok.policy.plan import DEFAULT_DENY, Plan
from byok.policy.rules import LogLevel, Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets
from tests.policy.rulesets import Data, read
from tests.support import keys

API_KEY = keys.ANTHROPIC_API_KEY.encode()
ALL: Data = {"id": "all", "action": "forward"}


def plan_of(*items: Data, context=rulesets.PLAIN) -> Plan:
    return Plan(context, read(Tier.SETTINGS, *items), CredentialPolicy())


@pytest.mark.parametrize(
    "field",
    [
        (b"host", b"a"),
        (b"te", b"trailers"),
        (b"x-byok-explain", b"1"),
        (b"x-litellm-api-key", b"1"),
        (b"x_a", b"1"),
        (b"x-custom", API_KEY),
    ],
)
def test_the_whole_floor_holds_in_the_clear_too(field):
    plain = replace(rulesets.PLAIN, plaintext=True)

    outcome = plan_of(ALL, context=plain).apply((field, (b"x-b", b"1")))

    assert outcome.sends == ((b"x-b", b"1"),)
    rule = outcome.verdicts[0].rule
    assert rule is not None
    assert rule.id in {each.id for each in FLOOR}


def test_what_was_judged_beside_one_credential_is_not_kept_for_another():
    plan = plan_of(
        {
            "id": "keys",
            "match": {"header": {"class": "credential.*"}},
            "action": "forward",
        },
        {
            "id": "beside",
            "match": {"credential": "client.api_key", "header": {"name": "x-a"}},
            "action": "forward",
        },
    )
    field, key = (b"x-a", b"1"), (b"x-api-key", API_KEY)

    assert plan.apply((field,)).sends == ()
    assert plan.apply((field, key)).sends == (field, key)
    assert plan.apply((field,)).sends == ()


def test_a_key_in_its_slot_is_not_judged_as_one_outside_of_it():
    plan = plan_of(ALL)

    for _ in range(2):
        assert plan.apply(((b"x-api-key", b"two " + API_KEY),)).sends == ()
        own = (b"x-api-key", API_KEY)
        assert plan.apply((own,)).sends == (own,)


def test_an_empty_credential_does_not_end_the_search_for_one():
    fields = ((b"authorization", b""), (b"x-api-key", API_KEY))

    assert plan_of(ALL).apply(fields).credential.source == "client.api_key"


def test_the_rule_that_removed_a_credential_is_named():
    strip: Data = {
        "id": "no",
        "match": {"header": {"name": "x-api-key"}},
        "action": "strip",
    }

    for items, rule in [((strip,), "no"), ((), DEFAULT_DENY)]:
        (removed,) = (
            plan_of(*items).apply(((b"x-api-key", API_KEY),)).credential.removed
        )
        assert removed.rule == rule


def test_names_of_any_bytes_are_decided():
    fields = ((b"x-\xff", b"1"),)

    assert plan_of(ALL).apply(fields).sends == fields
    grant: Data = {"id": "g", "action": {"allow_request": "unclassified"}}
    assert plan_of(grant).apply(((b"x-pass-x-\xff", b"1"),)).sends == fields


def test_a_grant_is_for_the_fields_its_match_admits():
    grant: Data = {
        "id": "g",
        "match": {"credential": "client.oauth"},
        "action": {"allow_request": "unclassified"},
    }

    assert plan_of(grant).apply(((b"x-pass-x-a", b"1"),)).sends == ()


def test_how_a_field_is_recorded_is_for_the_rule_that_matches_it():
    plan = plan_of(
        {"id": "l", "match": {"header": {"name": "x-a"}}, "action": {"log": "full"}},
        {
            "id": "k",
            "match": {"header": {"name": "x-api-key"}},
            "action": {"log": "full"},
        },
        {"id": "d", "match": {"header": {"name": "x-d"}}, "action": {"log": "drop"}},
    )

    for name, value, level in [
        (b"x-a", b"1", LogLevel.FULL),
        (b"x-b", b"1", LogLevel.CLASS),
        (b"x-d", b"1", LogLevel.DROP),
        (b"x-\xff", b"1", LogLevel.CLASS),
        (b"x-api-key", API_KEY, LogLevel.HASH),
        (b"authorization", b"Bearer " + API_KEY, LogLevel.HASH),
        (b"x-d", API_KEY, LogLevel.DROP),
    ]:
        assert plan.log_level(name, classify(name, value), "none") is level


def test_a_question_for_one_field_is_not_answered_by_another():
    deny: Data = {
        "id": "d",
        "match": {"header": {"name": "x-a", "present": True}},
        "action": {"deny": {}},
    }

    assert plan_of(deny).apply(((b"x-\xff", b"1"), (b"x-b", b"1"))).denied is None
    assert plan_of(deny).apply(((b"x-b", b"1"), (b"x-a", b"1"))).denied is not None


def test_what_shadow_rules_would_put_in_is_told_where_it_is_not_put_in_already():
    put: Data = {"id": "a", "action": {"inject": {"name": "x-a", "value": "1"}}}
    also: Data = {"id": "b", "action": {"inject": {"name": "x-b", "value": "1"}}}
    other: Data = {"id": "c", "action": {"inject": {"name": "x-a", "value": "2"}}}
    narrow = read(Tier.KEY, {**other, "mode": "shadow"})

    both = plan_of(put, {**also, "mode": "shadow"}).apply(())
    replaced = Plan(
        rulesets.PLAIN, (*read(Tier.SETTINGS, put), *narrow), CredentialPolicy()
    ).apply(())

    assert [(each.slot, each.index) for each in both.shadow] == [("out:x-b", -1)]
    assert [(each.slot, each.would) for each in replaced.shadow] == [
        ("out:x-a", "inject")
    ]


def test_a_difference_says_which_field_it_is_about():
    shadow: Data = {
        "id": "s",
        "match": {"header": {"name": "x-b"}},
        "action": "strip",
        "mode": "shadow",
    }

    outcome = plan_of(ALL, shadow).apply(((b"x-a", b"1"), (b"x-b", b"1")))

    assert [each.index for each in outcome.shadow] == [1]
