"""A store of an earlier release is brought up to date, with a copy from before."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from twisted.logger import capturedLogs, formatEvent

from byok.core.errors import StoreUnavailable
from byok.store import backup, postgresql, upkeep
from byok.store.engine import make_engine, reading, writing
from byok.store.faults import StoreTooNew
from byok.store.keystore import Selection
from byok.store.location import Place, Server
from byok.store.opening import open_keys
from byok.store.schema import HEAD, MIGRATIONS, State, look, upgrade
from byok.store.tables import metadata
from byok.store.upkeep import back_up, status_of, upgrade_store
from tests.store.records import PEPPER, record
from tests.support.postgres import Cluster

EARLIER = tuple(f"{number:04}" for number in range(1, int(HEAD)))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return a place for a store, on each kind of database."""
    if request.param == "sqlite":
        return tmp_path / "50% of byok.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database()


def migrated(place: Place, revision: str, *, back: bool = False) -> None:
    """Bring the store at *place* to *revision* by Alembic alone."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = make_engine(place, connections=1)
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        (command.downgrade if back else command.upgrade)(config, revision)
    engine.dispose()


def with_a_key(place: Place, revision: str) -> None:
    """Make a store of *revision* with one key in it."""
    with open_keys(place, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne"))
    migrated(place, revision, back=True)


@pytest.mark.parametrize("revision", EARLIER)
def test_a_store_of_any_earlier_release_keeps_its_keys(place, revision):
    with_a_key(place, revision)
    assert status_of(place).state is State.BEHIND

    done = upgrade_store(place)

    assert done is not None
    assert (done.before, done.after) == (revision, HEAD)
    assert status_of(place).state is State.CURRENT
    with open_keys(place, (PEPPER,)) as store:
        assert store.keys.page(Selection()).keys == (record(key_alias="anne"),)
    assert upgrade_store(place) is None


@pytest.mark.parametrize("how", ["step by step", "at once"])
def test_a_store_has_the_tables_that_the_code_describes(place, how):
    if how == "at once":
        upgrade_store(place)
    else:
        migrated(place, HEAD)
    engine = make_engine(place, connections=1)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)

    engine.dispose()
    assert differences == []
    assert status_of(place).state is State.CURRENT
    assert status_of(place).rows["revisions"] == 2


def test_migrations_can_be_taken_back(place):
    upgrade_store(place)

    migrated(place, "base", back=True)

    engine = make_engine(place, connections=1)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
        assert look(connection).state is State.EMPTY
    engine.dispose()


def test_a_store_of_a_later_release_is_said_to_be_one(place):
    upgrade_store(place)
    engine = make_engine(place, connections=1)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()

    assert status_of(place).state is State.NEWER
    with pytest.raises(StoreTooNew, match="'9999'"):
        upgrade_store(place)


def test_a_file_is_copied_before_it_is_upgraded_and_the_log_says_where(tmp_path):
    path = tmp_path / "byok.db"
    with_a_key(path, "0004")

    with capturedLogs() as events, open_keys(path, (PEPPER,)):
        pass

    (copy,) = tmp_path.glob("byok.db.backup-*")
    (told,) = [event for event in events if event.get("event") == "store-upgraded"]
    assert str(copy) in formatEvent(told)
    assert f"from revision 0004 to {HEAD}" in formatEvent(told)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as kept:
        assert kept.execute("SELECT version_num FROM alembic_version").fetchall() == [
            ("0004",)
        ]
        assert kept.execute("SELECT key_alias FROM virtual_keys").fetchall() == [
            ("anne",)
        ]


def test_a_new_store_needs_no_copy_and_no_word(tmp_path):
    with capturedLogs() as events, open_keys(tmp_path / "byok.db", (PEPPER,)):
        pass

    assert list(tmp_path.glob("*.backup-*")) == []
    assert [each for each in events if each.get("event") == "store-upgraded"] == []


def test_without_a_copy_nothing_is_upgraded(tmp_path, monkeypatch):
    path = tmp_path / "byok.db"
    with_a_key(path, "0004")
    monkeypatch.setattr(
        backup, "backup_path", lambda path, revision: tmp_path / "missing" / "copy"
    )

    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        upgrade_store(path)

    assert status_of(path).revision == "0004"
    assert upgrade_store(path, with_backup=False) is not None


def test_a_copy_that_fails_leaves_none(tmp_path):
    path, copy = tmp_path / "byok.db", tmp_path / "copy.db"
    path.write_text("no database at all\n" * 100)

    with pytest.raises(StoreUnavailable, match="the backup failed"):
        backup.copy_file(path, copy)

    assert not copy.exists()


def test_a_copy_replaces_no_file(tmp_path):
    path = tmp_path / "byok.db"
    with_a_key(path, "0004")
    there = tmp_path / "there"
    there.write_text("mine")

    with pytest.raises(StoreUnavailable, match="File exists"):
        back_up(path, there)

    assert there.read_text() == "mine"


def test_where_there_is_no_store_there_is_no_copy(place):
    with pytest.raises(StoreUnavailable, match="no store here"):
        back_up(place)


def test_a_copy_of_a_store_in_use_can_be_opened(tmp_path):
    path = tmp_path / "byok.db"
    with open_keys(path, (PEPPER,)) as store:
        store.keys.insert(record())
        copy = back_up(path)
        assert copy.parent == tmp_path

    with open_keys(copy, (PEPPER,)) as store:
        assert store.keys.page(Selection()).total == 1


@pytest.mark.postgres
def test_a_dump_of_a_database_can_be_put_back(postgres: Cluster, tmp_path):
    server = postgres.database()
    with open_keys(server, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne"))

    # By the socket nobody is asked for a password.
    socket = Server(url=postgres.by_socket(server))
    assert back_up(socket, tmp_path / "other.dump").stat().st_size > 0
    copy = back_up(server, tmp_path / "byok.dump")

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    other = postgres.database()
    postgres.restore(other, copy)
    with open_keys(other, (PEPPER,)) as store:
        assert store.keys.page(Selection()).keys == (record(key_alias="anne"),)


@pytest.mark.postgres
def test_a_dump_that_fails_says_why_and_leaves_nothing(
    postgres: Cluster, tmp_path, monkeypatch
):
    server = postgres.database()
    upgrade_store(server)
    with pytest.raises(StoreUnavailable, match="no backup can be made here"):
        back_up(server, tmp_path / "missing" / "byok.dump")
    wrong = tmp_path / "pg_dump"
    wrong.write_text("#!/bin/sh\necho 'server version mismatch' >&2\nexit 1\n")
    wrong.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StoreUnavailable, match="server version mismatch"):
        back_up(server, tmp_path / "byok.dump")

    assert not (tmp_path / "byok.dump").exists()
    wrong.unlink()
    with pytest.raises(StoreUnavailable, match="postgresql-client"):
        back_up(server, tmp_path / "byok.dump")


def test_a_look_changes_nothing(tmp_path):
    path = tmp_path / "byok.db"
    assert status_of(path).state is State.EMPTY
    assert not path.exists()
    with_a_key(path, "0004")
    before = path.read_bytes()

    found = status_of(path)

    assert found.rows["virtual_keys"] == 1
    assert "usage" not in found.rows
    assert found.size_bytes == len(before)
    assert path.read_bytes() == before


@pytest.mark.postgres
def test_rows_of_a_large_table_are_reckoned(postgres: Cluster, monkeypatch):
    server = postgres.database()
    with_a_key(server, HEAD)
    with postgres.connect(server) as connection:
        connection.execute("VACUUM ANALYZE virtual_keys")
        connection.execute("INSERT INTO revisions VALUES ('other', 0)")
    monkeypatch.setattr(upkeep, "_LARGE", 0)

    rows = status_of(server).rows

    assert (rows["virtual_keys"], rows["revisions"]) == (1, 3)


@pytest.mark.postgres
def test_an_upgrade_of_a_database_can_take_long(postgres: Cluster):
    engine = make_engine(postgres.database(), connections=1, patient=True)

    with reading(engine) as connection:
        timeout = connection.scalar(sa.text("SHOW statement_timeout"))
        waits = connection.scalar(sa.text("SHOW lock_timeout"))

    engine.dispose()
    assert (timeout, waits) == ("0", "5s")


@pytest.mark.postgres
def test_an_upgrade_takes_its_turn(postgres: Cluster, monkeypatch):
    monkeypatch.setattr(postgresql, "_SETTINGS", ("SET lock_timeout = 50",))
    server = postgres.database()
    first, second = (make_engine(server, connections=1) for _ in range(2))
    with (
        writing(first),
        pytest.raises(StoreUnavailable, match="lock timeout"),
    ):
        upgrade(second)
    first.dispose()
    second.dispose()
    assert isinstance(server, Server)
