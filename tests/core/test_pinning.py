"""A provider key is judged by what was learned of it, and learned from answers."""

from dataclasses import replace

import pytest

from byok.core.pinning import (
    NO_PINNING,
    UNKNOWN,
    KnownKey,
    Pinning,
    Reaction,
    digest_begins_with,
    judge,
    learned,
    merged,
    owner_of,
    pin_name,
    refusal_in,
)
from tests.core.asking import DEVELOPER

OURS = "0e2f4a6c-ours"
THEIRS = "9d7b5a3c-theirs"
ORGS = Pinning(allow_orgs=frozenset({OURS}))
BOUND = Pinning(bind_keys=Reaction.REFUSE)
ANNE = replace(DEVELOPER, user="anne")

PIN = "pin_0123456789abcdef"


def told(pinning: Pinning, known: KnownKey, caller=DEVELOPER):
    return judge(pinning, known, caller, header="x-api-key", pin=PIN)


def answer(pinning: Pinning, known: KnownKey = UNKNOWN, *, status=200, org=None):
    return learned(pinning, known, ANNE, status=status, organization=org)


def test_nothing_is_asked_where_nothing_is_said():
    assert not NO_PINNING.is_on
    assert ORGS.is_on
    assert BOUND.is_on
    assert told(NO_PINNING, KnownKey(organization=THEIRS, owner="user:bob")) == ()
    assert answer(NO_PINNING) == UNKNOWN


@pytest.mark.parametrize("known", [UNKNOWN, KnownKey(organization=OURS)])
def test_a_key_of_an_allowed_or_of_no_known_organization_passes(known):
    assert told(ORGS, known) == ()


@pytest.mark.parametrize("reaction", [Reaction.REPORT, Reaction.REFUSE])
def test_a_key_of_another_organization_is_reported_or_refused(reaction):
    pinning = replace(ORGS, on_unknown_org=reaction)

    (remark,) = told(pinning, KnownKey(organization=THEIRS))

    assert remark.event == "key-of-unknown-organization"
    refusal = refusal_in([remark])
    assert (refusal is not None) is (reaction is Reaction.REFUSE)
    assert remark.refusal.status == 403
    assert "API key header" in remark.refusal.message
    assert "allow_orgs" in remark.refusal.message


def test_a_key_that_somebody_else_used_first_is_refused_without_a_name():
    (remark,) = told(BOUND, KnownKey(owner="user:bob"), ANNE)

    assert remark.event == "key-of-another-owner"
    assert refusal_in([remark]) is remark.refusal
    assert remark.refusal is not None
    assert "bob" not in remark.refusal.message
    assert told(BOUND, KnownKey(owner="user:anne"), ANNE) == ()
    assert told(BOUND, UNKNOWN, ANNE) == ()


def test_the_first_remark_that_refuses_decides():
    both = replace(ORGS, bind_keys=Reaction.REFUSE)

    remarks = told(both, KnownKey(organization=THEIRS, owner="user:bob"))

    assert len(remarks) == 2
    refusal = refusal_in(remarks)
    assert refusal is not None
    assert refusal.code == "policy.key-owner"
    assert refusal_in([]) is None


def test_an_owner_is_a_person_or_else_a_key():
    assert owner_of(ANNE) == "user:anne"
    assert owner_of(DEVELOPER) == "key:key_1"


def test_the_organization_is_learned_from_any_answer_that_names_it():
    assert answer(ORGS, org=OURS.encode()) == KnownKey(organization=OURS)
    assert answer(ORGS, status=429, org=OURS.encode()).organization == OURS
    moved = answer(ORGS, KnownKey(organization=THEIRS), org=OURS.encode())
    assert moved.organization == OURS


@pytest.mark.parametrize("org", [b"", b"two words", b"x" * 65, b"\xff", b"a\nb"])
def test_what_is_no_id_is_not_learned(org):
    assert answer(ORGS, org=org) == UNKNOWN


def test_a_key_is_bound_by_its_first_use_that_the_provider_accepts():
    assert answer(BOUND) == KnownKey(owner="user:anne")
    assert answer(BOUND, status=429, org=OURS.encode()).owner == "user:anne"
    assert answer(BOUND, status=401) == UNKNOWN
    assert answer(BOUND, KnownKey(owner="user:bob")).owner == "user:bob"
    assert answer(ORGS).owner is None


def test_who_owned_a_key_before_still_does():
    before = KnownKey(organization=THEIRS, owner="user:bob")

    found = merged(before, KnownKey(organization=OURS, owner="user:anne"))

    assert found == KnownKey(organization=OURS, owner="user:bob")
    assert merged(before, UNKNOWN) == before


# Release


def test_the_refusal_names_the_command_that_lets_go_of_the_key():
    refuses = Pinning(bind_keys=Reaction.REFUSE)

    (remark,) = told(refuses, KnownKey(owner="user:somebody"))

    assert remark.refusal.message.endswith(f"`byok pins release {PIN}`.")


def test_a_key_is_called_by_the_beginning_of_its_digest():
    name = pin_name(bytes(range(32)))

    assert name == "pin_0001020304050607"
    assert digest_begins_with(name) == bytes(range(8))


@pytest.mark.parametrize(
    "name", ["", "pin_", "pin_00", "key_0001020304050607", "x" * 20]
)
def test_what_is_no_pin_leads_to_no_digest(name):
    assert digest_begins_with(name) is None


def test_whoever_uses_a_released_key_next_owns_it():
    binds = Pinning(bind_keys=Reaction.REFUSE)
    released = KnownKey(organization="ours", released_by="cli:root")

    assert told(binds, released) == ()
    found = answer(binds, released)
    assert found.owner is not None
    assert found.released_by is None


def test_a_release_is_remembered_until_there_is_an_owner():
    released = KnownKey(organization="ours", released_by="cli:root")

    assert merged(released, KnownKey(organization="other")) == KnownKey(
        organization="other", released_by="cli:root"
    )
    assert merged(released, KnownKey(owner="user:bob")).released_by is None
