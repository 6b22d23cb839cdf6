"""`byok audit`, as whoever has to answer for the gateway meets it."""

import json
import sqlite3
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from byok.cli import main
from byok.store.opening import open_keys
from tests.cli.test_db import Desk
from tests.store.records import PEPPER, record, records
from tests.store.test_upgrading import migrated


class AuditDesk(Desk):
    """A directory with a store in which something was changed."""

    def audit(self, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["audit", *words, "-c", str(self.config)])
        assert result.exit_code == code, result.output
        return result


@pytest.fixture
def desk(tmp_path):
    desk = AuditDesk(tmp_path, "sqlite:///byok.db")
    with open_keys(desk.store, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne", created_by="cli:root"))
        store.keys.update(
            record().token_id,
            lambda found: replace(found, models=("a" * 200,), updated_by="master-key"),
        )
        store.keys.insert(records(2)[1])
    return desk


def test_changes_are_listed_the_newest_first(desk):
    lines = desk.audit("show").stdout.splitlines()

    assert lines[0].split() == ["SEQ", "TIME", "BY", "ACTION", "SUBJECT", "WHAT"]
    assert [line.split()[0] for line in lines[1:]] == ["3", "2", "1"]
    assert "key.update" in lines[2]
    assert lines[2].endswith("...")
    assert lines[3].split()[2:] == [
        "cli:root",
        "key.create",
        f"key:{record().token_id}",
        "key_alias=anne",
    ]


def test_changes_are_read_by_programs_with_their_hashes(desk):
    result = desk.audit("show", "--actor", "master-key", "--since", "1h", "--json")

    (entry,) = json.loads(result.stdout)["entries"]
    assert (entry["seq"], entry["action"]) == (2, "key.update")
    assert (entry["before"], entry["after"]) == (
        {"models": []},
        {"models": ["a" * 200]},
    )
    assert len(entry["hash"]) == 64


def test_what_was_not_changed_is_said(desk):
    assert "Nothing" in desk.audit("show", "--subject", "key:none").stderr


def test_a_whole_chain_prints_its_end_which_can_be_expected_later(desk):
    result = desk.audit("verify")
    noted = result.stdout.strip()
    assert noted.startswith("3:")

    with open_keys(desk.store, (PEPPER,)) as store:
        store.keys.delete([record().token_id], by="cli:root")

    assert desk.audit("verify", "--expect", noted).stdout.startswith("4:")
    anew = f"3:{'0' * 64}"
    assert "made anew" in desk.audit("verify", "--expect", anew, code=1).stderr


def test_a_chain_that_was_touched_is_exit_code_1(desk):
    connection = sqlite3.connect(desk.store)
    connection.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    connection.commit()
    connection.close()

    said = desk.audit("verify", code=1)
    data = json.loads(desk.audit("verify", "--json", code=1).stdout)

    assert "entry 2 was altered" in said.stderr
    assert "Whole as far as entry 1" in said.stderr
    assert (data["whole"], data["entries"]) == (False, 1)


def test_a_store_of_a_former_release_has_to_be_upgraded_first(desk):
    migrated(desk.store, "0005", back=True)

    assert "byok db upgrade" in desk.audit("verify", code=2).stderr


def test_words_that_cannot_be_read_are_exit_code_2(desk):
    assert "64 hex" in desk.audit("verify", "--expect", "3", code=2).stderr
    assert "12h" in desk.audit("show", "--since", "yesterday", code=2).stderr
    desk.store.unlink()
    assert "no store here" in desk.audit("verify", code=2).stderr
