"""Each change is written down with the change itself, on every database."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from byok.core.errors import StoreUnavailable
from byok.core.keys import new_key, rotated
from byok.core.people import Role
from byok.core.pinning import KnownKey
from byok.store.engine import make_engine, writing
from byok.store.faults import AliasTaken
from byok.store.location import Place
from byok.store.opening import open_audit
from byok.store.schema import upgrade
from byok.store.sqlaudit import AuditWanted, SqlAudit
from byok.store.sqlkeys import SqlKeys
from byok.store.sqlpeople import SqlPeople
from byok.store.sqlpins import SqlPins
from byok.store.tables import audit
from tests.store.records import NOW, PEPPERS, record, records
from tests.store.test_people import member, team, user
from tests.support.keys import VIRTUAL_KEY_2
from tests.support.postgres import Cluster


class Books:
    """A store, and what was written down in it."""

    def __init__(self, place: Place) -> None:
        self.engine = make_engine(place, connections=2)
        upgrade(self.engine)
        self.keys = SqlKeys(self.engine, seconds=lambda: NOW + 5)
        self.people = SqlPeople(self.engine, seconds=lambda: NOW + 5)
        self.audit = SqlAudit(self.engine)

    def told(self) -> list[tuple[str, str, str]]:
        """Return actor, action and subject of each entry, the oldest first."""
        return [
            (each.actor, each.action, each.subject)
            for each in reversed(self.audit.newest(AuditWanted()))
        ]

    def run(self, statement: str) -> None:
        """Tamper."""
        with writing(self.engine) as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def books(request, tmp_path):
    place: Place = tmp_path / "byok.db"
    if request.param == "postgres":
        cluster: Cluster = request.getfixturevalue("postgres")
        place = cluster.database()
    made = Books(place)
    yield made
    made.engine.dispose()


def test_a_key_s_whole_life_is_written_down(books):
    key = record(created_by="cli:root", key_alias="anne")
    here = f"key:{key.token_id}"
    books.keys.insert(key)
    for change in (
        {"models": ("a",)},
        {"blocked": True},
        {"blocked": False},
        {},
    ):
        books.keys.update(
            key.token_id,
            lambda found, change=change: replace(
                found, updated_by="master-key", updated_at=NOW + 1, **change
            ),
        )
    new = new_key(bytes(32))
    books.keys.update(
        key.token_id,
        lambda found: replace(
            rotated(found, new, PEPPERS, now=NOW + 2), updated_by="cli:root"
        ),
    )
    books.keys.update(
        key.token_id, lambda found: replace(found, digest=b"x" * 32, pepper_id="p")
    )
    assert books.keys.delete([key.token_id], by="cli:bob")

    assert books.told() == [
        ("cli:root", "key.create", here),
        ("master-key", "key.update", here),
        ("master-key", "key.block", here),
        ("master-key", "key.unblock", here),
        ("cli:root", "key.regenerate", here),
        ("byok", "key.redigest", here),
        ("cli:bob", "key.delete", here),
    ]
    found = books.audit.verify()
    assert (found.count, found.broken) == (7, None)
    changed = books.audit.newest(AuditWanted(action="key.update"))[0]
    assert (changed.before, changed.after) == ('{"models": []}', '{"models": ["a"]}')
    assert changed.at == NOW + 5
    gone = books.audit.newest(AuditWanted(actor="cli:bob"))[0]
    assert gone.after is None
    assert json.loads(gone.before or "")["key_alias"] == "anne"


def test_no_digest_of_a_key_is_written_down(books):
    books.keys.insert(record())

    with books.engine.connect() as connection:
        text = repr(connection.execute(sa.select(audit)).all())

    assert record().digest.hex() not in text
    assert repr(record().digest)[2:-1] not in text
    assert record().token_id in text


def test_people_and_pins_are_written_down(books):
    books.people.insert_team(team(created_by="a"))
    books.people.insert_user(user(created_by="b"))
    books.people.put_member(member(added_by="c"))
    books.people.put_member(member(role=Role.TEAM_ADMIN, added_by="d"))
    books.people.update_team(
        "red", lambda found: replace(found, rpm_limit=1, updated_by="e")
    )
    books.people.update_user(
        "anne", lambda found: replace(found, role=Role.ADMIN, updated_by="f")
    )
    books.people.update_user("anne", lambda found: found)
    books.keys.insert(record(team_id="red"))
    books.people.delete_team("red", by="g", with_keys=True)
    books.people.delete_user("anne", by="h")
    pins = SqlPins(books.engine)
    pins.learn(b"1" * 32, KnownKey(owner="user:anne"), now=NOW)
    pins.release(b"1" * 8, by="i", now=NOW)

    key = f"key:{record().token_id}"
    assert books.told() == [
        ("a", "team.create", "team:red"),
        ("b", "user.create", "user:anne"),
        ("c", "member.create", "member:red/anne"),
        ("d", "member.update", "member:red/anne"),
        ("e", "team.update", "team:red"),
        ("f", "user.update", "user:anne"),
        ("unknown", "key.create", key),
        ("g", "key.delete", key),
        ("g", "member.delete", "member:red/anne"),
        ("g", "team.delete", "team:red"),
        ("h", "user.delete", "user:anne"),
        ("i", "pin.release", "pin:pin_3131313131313131"),
    ]
    assert books.audit.verify().broken is None


def test_what_failed_is_not_written_down(books):
    books.keys.insert(record(key_alias="anne"))

    with pytest.raises(AliasTaken):
        books.keys.insert(record(VIRTUAL_KEY_2, 1, key_alias="anne"))
    with pytest.raises(ZeroDivisionError):
        books.keys.update(
            record().token_id, lambda found: replace(found, rpm_limit=1 // 0)
        )
    assert books.keys.delete(["key_none"]) is False

    assert len(books.told()) == 1
    assert books.audit.verify().count == 1


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE seq = 2", "entry 2 was altered"),
        ("DELETE FROM audit WHERE seq = 2", "entry 2 is missing"),
        ("DELETE FROM audit WHERE seq = 4", "entries 4 to 4 are missing"),
        ("DELETE FROM audit", "entries 1 to 4 are missing"),
    ],
)
def test_what_was_tampered_with_is_said(books, statement, said):
    for key in records(4):
        books.keys.insert(key)

    books.run(statement)

    assert said in (books.audit.verify().broken or "")


def test_an_end_that_was_cut_off_stays_missing(books):
    made = records(4)
    for key in made[:3]:
        books.keys.insert(key)
    books.run("DELETE FROM audit WHERE seq = 3")

    books.keys.insert(made[3])

    assert "entry 3 is missing" in (books.audit.verify().broken or "")


def test_a_chain_longer_than_is_read_at_once_is_walked_to_its_end(books, monkeypatch):
    monkeypatch.setattr("byok.store.sqlaudit._AT_ONCE", 2)
    for key in records(4):
        books.keys.insert(key)

    assert books.audit.verify().count == 4


def test_entries_are_found_by_what_is_asked_for(books):
    made = records(3)
    for key in made:
        books.keys.insert(key)

    def found(**wanted):
        return [each.seq for each in books.audit.newest(AuditWanted(**wanted))]

    assert found() == [3, 2, 1]
    assert found(limit=1) == [3]
    assert found(before=3) == [2, 1]
    assert found(subject=f"key:{made[1].token_id}") == [2]
    assert found(action="key.delete") == []
    assert found(actor="unknown", since=NOW + 5) == [3, 2, 1]
    assert found(since=NOW + 6) == []


def test_where_there_is_no_store_nothing_was_changed(tmp_path: Path):
    with (
        pytest.raises(StoreUnavailable, match="nothing was changed yet"),
        open_audit(tmp_path / "byok.db"),
    ):
        pass
