"""`byok db`, as whoever runs the gateway meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from byok.cli import main
from byok.core.databases import without_password
from byok.store.opening import open_keys
from byok.store.schema import HEAD
from tests.config.files import SMALLEST
from tests.store.records import PEPPER, record
from tests.store.test_upgrading import migrated, with_a_key
from tests.support.keys import STORE_PASSWORD
from tests.support.postgres import Cluster
from tests.support.sweep import exempt


class Desk:
    """A directory with a configuration, whose store is somewhere."""

    def __init__(self, directory: Path, store: str) -> None:
        self.config = exempt(directory / "config.yaml")
        self.store = directory / "byok.db"
        self.write(store)

    def write(self, store: str, more: str = "") -> None:
        self.config.write_text(f"{SMALLEST}{more}store: {store}\n")

    def db(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["db", *words, "-c", str(self.config)])

    def data(self, *words: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.db(*words, "--json").stdout)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, "sqlite:///byok.db")


def test_a_store_that_is_not_there_is_said_and_not_made(desk):
    result = desk.db("status")

    assert result.exit_code == 1
    assert "empty" in result.stdout
    assert "byok db upgrade" in result.stderr
    assert not desk.store.exists()


def test_how_a_store_is_can_be_read_by_people_and_programs(desk):
    with open_keys(desk.store, (PEPPER,)) as store:
        store.keys.insert(record())

    result = desk.db("status")

    assert result.exit_code == 0
    assert "current" in result.stdout
    assert f"{HEAD} (this byok: {HEAD})" in result.stdout
    found = desk.data("status")
    assert found["state"] == "current"
    assert found["kind"] == "sqlite"
    assert found["rows"]["virtual_keys"] == 1
    assert found["size_bytes"] == desk.store.stat().st_size


def test_an_upgrade_says_what_was_done_and_where_the_copy_is(desk):
    with_a_key(desk.store, "0003")
    behind = desk.db("status")
    assert (behind.exit_code, "Run: byok db upgrade" in behind.stderr) == (1, True)

    result = desk.db("upgrade")

    (copy,) = desk.store.parent.glob("*.backup-0003-*")
    assert result.exit_code == 0
    assert f"from revision 0003 to {HEAD}" in result.stdout
    assert str(copy) in result.stdout
    assert "up to date" in desk.db("upgrade").stdout
    assert desk.data("upgrade") == {
        "store": str(desk.store),
        "upgraded": False,
        "before": HEAD,
        "after": HEAD,
        "backup": None,
    }


def test_an_upgrade_without_a_copy_is_asked_for_by_name(desk):
    with_a_key(desk.store, "0003")

    found = desk.data("upgrade", "--no-backup")

    assert (found["upgraded"], found["before"]) == (True, "0003")
    assert found["backup"] is None
    assert list(desk.store.parent.glob("*.backup-*")) == []


def test_what_is_not_whole_is_said_with_what_is_missing(desk):
    with open_keys(desk.store, (PEPPER,)):
        pass
    migrated(desk.store, "0002", back=True)
    desk.db("upgrade", "--no-backup")
    import sqlite3  # noqa: PLC0415

    connection = sqlite3.connect(desk.store)
    connection.execute("DROP TABLE members")
    connection.commit()
    connection.close()

    result = desk.db("status")

    assert result.exit_code == 1
    assert "half-migrated" in result.stdout
    assert "members" in result.stdout
    assert "Put back a backup" in result.stderr
    assert desk.db("upgrade").exit_code == 2


def test_a_backup_is_written_and_named_on_standard_output(desk, tmp_path):
    with open_keys(desk.store, (PEPPER,)):
        pass
    copy = tmp_path / "copy.db"

    result = desk.db("backup", str(copy))

    assert result.exit_code == 0
    assert result.stdout == f"{copy}\n"
    assert copy.stat().st_size == desk.store.stat().st_size
    again = desk.db("backup", str(copy))
    assert again.exit_code == 2
    assert "File exists" in again.stderr
    beside = desk.data("backup")
    assert Path(str(beside["backup"])).parent == tmp_path


def test_a_store_that_cannot_be_read_is_exit_code_2(desk):
    desk.store.write_text("no database at all\n" * 100)

    for words in (["status"], ["upgrade"], ["backup"]):
        result = desk.db(*words)
        assert result.exit_code == 2
        assert str(desk.store) in result.stderr


def test_a_config_that_cannot_be_used_is_exit_code_2(desk):
    desk.config.write_text("model_list: 3\n")

    assert desk.db("status").exit_code == 2


@pytest.mark.postgres
def test_a_database_is_made_looked_at_and_copied(
    desk, postgres: Cluster, tmp_path, monkeypatch
):
    url = postgres.database().url
    shown = without_password(url)
    pepper = "  key_pepper: os.environ/BYOK_TEST_PEPPER\n"
    desk.write(f"{{url: '{shown}', password: os.environ/BYOK_TEST_PW}}", pepper)
    unset = desk.db("status")
    assert unset.exit_code == 2
    assert "BYOK_TEST_PW is not set" in unset.stderr
    monkeypatch.setenv("BYOK_TEST_PW", STORE_PASSWORD)
    assert desk.data("status")["state"] == "empty"

    made = desk.data("upgrade")
    found = desk.data("status")
    copy = desk.data("backup", str(tmp_path / "byok.dump"))

    assert (made["before"], made["after"]) == (None, HEAD)
    assert (found["state"], found["kind"], found["store"]) == (
        "current",
        "postgresql",
        shown,
    )
    assert copy["size_bytes"] == (tmp_path / "byok.dump").stat().st_size
