"""A dry run may look at a key, and leaves the store as it is."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from byok.core.belonging import NOBODYS
from byok.core.errors import StoreUnavailable
from byok.core.secret import Secret
from byok.store.opening import open_keys
from byok.store.peek import peek_belonging, peek_digests, peek_key, peek_keys
from byok.store.peppers import pepper_path
from tests.store.records import PEPPER, record
from tests.store.test_people import team, user
from tests.support.keys import VIRTUAL_KEY, VIRTUAL_KEY_2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a place for a store."""
    return tmp_path / "50% of byok.db"


def test_a_key_is_found_by_alias_and_by_id(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne"))

    assert peek_key(path, "anne") == record(key_alias="anne")
    assert peek_key(path, record().token_id) == record(key_alias="anne")
    assert peek_key(path, "bob") is None


def test_the_user_and_the_team_of_a_key_are_found_by_their_ids(path):
    assert peek_belonging(path, user_id="anne", team_id="red") is NOBODYS
    with open_keys(path, (PEPPER,)) as store:
        store.people.insert_team(team(team_alias="crimson"))
        store.people.insert_user(user())

    found = peek_belonging(path, user_id="anne", team_id="red")
    assert (found.user, found.team) == (user(), team(team_alias="crimson"))
    assert peek_belonging(path, user_id="bob", team_id="crimson") == NOBODYS
    assert peek_belonging(path, user_id=None, team_id="red").user is None
    assert peek_belonging(path, user_id="anne", team_id=None).team is None
    assert peek_belonging(path, user_id=None, team_id=None) is NOBODYS


def test_a_file_that_is_no_store_has_no_users_to_tell_of(path):
    path.write_text("no database at all\n" * 100)

    with pytest.raises(StoreUnavailable, match="DatabaseError"):
        peek_belonging(path, user_id="anne", team_id=None)


def test_a_store_from_before_there_were_teams_has_none(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())
    with sqlite3.connect(path) as connection:
        for table in ("members", "teams", "users"):
            connection.execute(f"drop table {table}")

    assert peek_belonging(path, user_id="anne", team_id="red") is NOBODYS


def test_looking_at_a_store_that_is_open_elsewhere_sees_its_latest_keys(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne"))

        assert peek_key(path, "anne") is not None
        store.keys.delete([record().token_id])
        assert peek_key(path, "anne") is None


def test_looking_at_a_store_leaves_nothing_beside_it(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne"))
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}

    assert peek_key(path, "anne") is not None

    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


def test_what_a_crash_left_in_the_log_is_seen(path, tmp_path):
    crashed = tmp_path / "crashed" / path.name
    crashed.parent.mkdir()
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne"))
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{crashed}{suffix}")

    before = {each.name: each.read_bytes() for each in crashed.parent.iterdir()}

    assert peek_key(crashed, "anne") is not None

    after = {each.name: each.read_bytes() for each in crashed.parent.iterdir()}
    assert after == before


def test_looking_for_a_store_makes_none(path):
    assert peek_key(path, "anne") is None
    assert peek_digests(path, (PEPPER,)) is None
    assert not path.exists()


def test_the_keys_of_a_store_are_told_from_others(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}

    known = peek_digests(path, (PEPPER,))

    assert known is not None
    assert known.is_real(VIRTUAL_KEY.encode())
    assert not known.is_real(VIRTUAL_KEY_2.encode())
    assert not known.is_real(b"hunter2")
    assert not known.is_partial
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


def test_without_a_pepper_nothing_is_known_and_none_is_made(path):
    with open_keys(path, (PEPPER,)):
        pass

    assert peek_digests(path, ()) is None
    assert not pepper_path(path).exists()


def test_keys_of_another_pepper_are_said_to_be_there(path):
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())

    known = peek_digests(path, (Secret("p" * 32),))

    assert known is not None
    assert known.is_partial
    assert not known.is_real(VIRTUAL_KEY.encode())


@pytest.mark.parametrize("content", ["", "no database at all\n" * 100])
def test_what_cannot_be_read_is_said_and_stays_as_it_is(path, content):
    path.write_text(content)

    with pytest.raises(StoreUnavailable, match="by the user that byok runs as"):
        peek_key(path, "anne")
    assert path.read_text() == content
    assert peek_keys(path) is None
    assert peek_digests(path, (PEPPER,)) is None


def test_a_place_that_leads_nowhere_is_no_store_that_holds_no_key(path):
    path.symlink_to(path)

    with pytest.raises(StoreUnavailable, match="symbolic links"):
        peek_key(path, "anne")


def test_what_a_crash_left_and_cannot_be_read_is_said(path):
    path.with_name(f"{path.name}-wal").touch()
    path.mkdir()

    with pytest.raises(StoreUnavailable, match="by the user that byok runs as"):
        peek_key(path, "anne")
    assert peek_keys(path) is None


def test_a_directory_that_is_none_holds_no_store(path):
    path.touch()

    assert peek_key(path / "byok.db", "anne") is None
