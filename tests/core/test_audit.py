"""A chain of changes: what is altered in it shows."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.audit import (
    GENESIS,
    WITHHELD,
    AuditEntry,
    Verified,
    chained,
    hash_of,
    told_changes,
    verify,
)
from byok.core.people import Role, Team, User
from tests.store.records import record
from tests.support.keys import (
    ANTHROPIC_API_KEY,
    ANTHROPIC_OAUTH,
    OPAQUE_TOKEN,
    OPENAI_API_KEY,
    VIRTUAL_KEY,
)


def chain(length: int) -> list[AuditEntry]:
    """Make a whole chain."""
    out: list[AuditEntry] = []
    for seq in range(1, length + 1):
        out.append(
            chained(
                seq=seq,
                at=1_800_000_000.25 + seq,
                actor="cli:root",
                action="key.update",
                subject=f"key:{seq}",
                before={"blocked": False},
                after={"blocked": True},
                previous=out[-1].hash if out else GENESIS,
            )
        )
    return out


def test_a_chain_that_nobody_touched_is_whole():
    made = chain(3)

    assert verify(made) == Verified(count=3, head=made[-1].hash)
    assert verify(made, count=3, expected=(2, made[1].hash)).broken is None
    assert verify([]) == Verified(count=0, head=GENESIS)


@pytest.mark.parametrize(
    ("touch", "said"),
    [
        (lambda c: [*c[:2], replace(c[2], actor="nobody"), *c[3:]], "3 was altered"),
        (lambda c: [*c[:2], replace(c[2], after=None), *c[3:]], "3 was altered"),
        (lambda c: [*c[:2], replace(c[2], at=0.0), *c[3:]], "3 was altered"),
        (lambda c: [c[0], *c[2:]], "entry 2 is missing"),
        (lambda c: [c[0], c[4]], "entries 2 to 4 are missing"),
        (lambda c: c[1:], "entry 1 is missing"),
        (lambda c: c[:3], "entries 4 to 5 are missing"),
        (lambda c: [*c[:2], c[1], *c[2:]], "entry 2 is there twice"),
        (lambda c: [c[0], *chain_from(c[1])], "3 does not follow"),
    ],
)
def test_what_was_done_to_a_chain_is_said(touch, said):
    found = verify(touch(chain(5)), count=5)

    assert said in (found.broken or "")


def chain_from(entry: AuditEntry) -> list[AuditEntry]:
    """Return *entry* made anew, hash and all, and the third of the former chain."""
    anew = replace(entry, actor="nobody")
    return [replace(anew, hash=hash_of(anew)), chain(3)[2]]


def test_a_chain_that_was_made_anew_shows_against_a_hash_that_was_noted():
    noted = (2, "0" * 63 + "1")

    assert "made anew" in (verify(chain(3), expected=noted).broken or "")
    assert "missing" in (verify(chain(1), expected=noted).broken or "")


@given(st.integers(0, 4), st.sampled_from(["seq", "at", "actor", "before", "previous"]))
def test_no_field_can_be_altered_unseen(at, name):
    made = chain(5)
    value = getattr(made[at], name)
    made[at] = replace(
        made[at], **{name: f"{value} " if isinstance(value, str) else value + 1}
    )

    assert verify(made, count=5).broken is not None


def test_of_a_change_only_what_differs_is_told():
    before = record(key_alias="anne", models=("a",))

    was, now = told_changes(
        before, replace(before, models=("b",), updated_at=5.0, updated_by="cli")
    )

    assert (was, now) == ({"models": ["a"]}, {"models": ["b"]})
    assert told_changes(before, before) == ({}, {})


def test_of_what_is_new_or_gone_all_is_told():
    user = User(user_id="anne", created_at=1.0, updated_at=1.0, role=Role.VIEWER)

    was, now = told_changes(None, user)
    assert was is None
    assert now is not None
    assert (now["user_id"], now["role"]) == ("anne", "viewer")
    assert told_changes(user, None) == (now, None)


def test_no_digest_and_no_secret_is_told():
    key = record(
        previous_digest=b"p" * 32,
        metadata={
            "note": f"the key is {ANTHROPIC_API_KEY}",
            "list": [{"deep": ANTHROPIC_OAUTH}, OPENAI_API_KEY],
            "api_key": OPAQUE_TOKEN,
            "password": OPAQUE_TOKEN,
            "keys": 3,
            VIRTUAL_KEY: 1,
            "monkey": "banana",
        },
    )

    _, now = told_changes(None, key)

    assert now is not None
    text = json.dumps(now)
    assert "CANARY" not in text
    assert not [name for name in now if "digest" in name]
    metadata = now["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["monkey"] == "banana"
    assert metadata["keys"] == 3
    assert metadata["api_key"] == WITHHELD
    assert now["token_id"] == key.token_id


def test_names_that_no_database_takes_are_written_another_way():
    team = Team(team_id="t", created_at=0.0, updated_at=0.0)
    _, now = told_changes(None, team)

    made = chained(
        seq=1,
        at=0.0,
        actor="a\0\ud800",
        action="team.create",
        subject="team:\0",
        before=None,
        after=now,
        previous=GENESIS,
    )

    assert (made.actor, made.subject) == ("a??", "team:?")
    assert verify([made]).broken is None
