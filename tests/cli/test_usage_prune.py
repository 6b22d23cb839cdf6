"""`byok usage prune`, as whoever runs out of disk meets it."""

import json
import time

import pytest

from tests.cli.ledgers import STORE, LedgerDesk
from tests.store.test_usage import DAY_S, FULL, usage_record


@pytest.fixture
def desk(tmp_path):
    desk = LedgerDesk(tmp_path, STORE)
    now = time.time()
    desk.fill(
        *(
            usage_record(days, at=now - days * DAY_S, **FULL)
            for days in (0, 1, 5, 100, 101)
        )
    )
    return desk


def requests(desk: LedgerDesk, *words: str) -> int:
    found = desk.run("usage", "--since", "all", *words, "--json").stdout
    count: int = json.loads(found)["total"]["requests"]
    return count


def test_what_is_old_goes_and_its_days_stay(desk):
    would = desk.run("usage", "prune", "--before", "90d", "--dry-run", "--json")
    assert json.loads(would.stdout)["records"] == 2
    assert requests(desk, "--by", "session") == 5

    done = desk.run("usage", "prune", "--before", "90d")

    assert done.stderr.startswith("2 records of before 20")
    assert done.stderr.endswith("are gone; their days stay added up.\n")
    assert requests(desk, "--by", "session") == 3
    assert requests(desk, "--by", "user") == 5
    again = desk.run("usage", "prune", "--before", "90d", "--json")
    assert json.loads(again.stdout)["records"] == 0


def test_what_may_come_again_from_a_spool_does_not_go(desk):
    result = desk.run("usage", "prune", "--before", "1d", code=1)

    assert "at least 2 days have to stay" in result.stderr
    assert requests(desk, "--by", "session") == 5


def test_wrong_words_and_stores_that_are_not_there_are_told(desk):
    wrong = desk.run("usage", "prune", "--before", "spring", code=2)
    assert "--before: a span such as 7d" in wrong.stderr
    desk.store.unlink()
    gone = desk.run("usage", "prune", "--before", "90d", code=2)
    assert "nothing was used yet" in gone.stderr
    assert not desk.store.exists()
