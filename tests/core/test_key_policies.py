"""A virtual key's own rules, from `metadata.policies` to a verdict."""

from dataclasses import replace

import pytest

from byok.core.key_policies import (
    UNREADABLE,
    KeyPolicies,
    read_key_policies,
)
from byok.core.keys import VirtualKey
from byok.policy.plans import NO_OWN_RULES
from byok.policy.rules import Action, Tier

STRIP = {"id": "quiet", "match": {"header": {"name": "user-agent"}}, "action": "strip"}


def key(**parts) -> VirtualKey:
    given = {
        "token_id": "key_1",
        "digest": b"d",
        "pepper_id": "p",
        "key_name": "sk-...",
        "key_alias": "alice",
        "created_at": 1.0,
        "updated_at": 2.0,
        "metadata": {"policies": [STRIP]},
        **parts,
    }
    return VirtualKey(**given)


def test_the_rules_of_a_key_are_of_its_tier_and_named_after_it():
    (rule,), problems = read_key_policies([STRIP], name="alice")

    assert problems == ()
    assert (rule.id, rule.tier, rule.action) == (
        "key.alice.quiet",
        Tier.KEY,
        Action.STRIP,
    )
    assert str(rule.where) == "alice:metadata.policies[0]"


@pytest.mark.parametrize("record", [None, key(metadata={})])
def test_a_caller_without_rules_has_none(record):
    assert KeyPolicies().of(record) is NO_OWN_RULES


def test_rules_are_read_once_for_each_change():
    policies = KeyPolicies()

    first = policies.of(key())
    again = policies.of(key())
    changed = policies.of(key(updated_at=3.0))

    assert again is first
    assert changed.id != first.id
    assert [rule.id for rule in first.rules] == ["key.alice.quiet"]


def test_a_key_without_an_alias_is_named_by_its_id():
    (rule,) = KeyPolicies().of(key(key_alias=None)).rules

    assert rule.id == "key.key_1.quiet"


def test_rules_that_cannot_be_read_send_nothing():
    own = KeyPolicies().of(key(metadata={"policies": [{"id": "a"}]}))

    assert UNREADABLE in own.rules
    assert UNREADABLE.action is Action.DENY


def test_only_so_many_keys_are_remembered():
    policies = KeyPolicies(limit=2)
    first = policies.of(key())
    for token_id in ("key_2", "key_3"):
        policies.of(replace(key(), token_id=token_id))

    assert policies.of(key()) is not first
