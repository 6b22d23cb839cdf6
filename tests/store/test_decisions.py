"""What every store of decisions does, run on each of them."""

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from twisted.trial.unittest import TestCase

from byok.core.decision_queries import Wanted
from byok.core.errors import StoreUnavailable
from byok.core.record_writer import RecordWriter
from byok.policy.rules import Tier
from byok.store.decisions import DecisionStore, Entry, read
from byok.store.engine import make_engine, reading
from byok.store.memory_decisions import MemoryDecisionStore
from byok.store.opening import open_keys
from byok.store.peek import peek_decisions
from byok.store.sqldecisions import SqlDecisions
from byok.store.tables import decision_patterns
from tests.core.asking import (
    API_KEY,
    DEVELOPER,
    GATEWAY_KEY,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.core.recording import NOW, deciding
from tests.store.databases import OnPostgres, OnSqlite
from tests.store.records import PEPPER

if TYPE_CHECKING:
    Base = TestCase
else:
    Base = object

ON = switches(litellm_settings=True)
SHADOW = rules_at(
    Tier.SETTINGS,
    {
        "id": "later_on",
        "mode": "shadow",
        "match": {"header": {"name": "x-api-key"}},
        "action": "strip",
    },
)


def entry(number: int = 0, *, refused: bool = False, shadow: bool = False) -> Entry:
    """Make the record of one decision."""
    at = gateway(auth={} if refused else ON, rules=SHADOW if shadow else ())
    asked = facts(GATEWAY_KEY, API_KEY)
    made = deciding(asked, at, caller=DEVELOPER, number=number)
    return Entry.of(made, RecordWriter().write(made))


def alike(count: int, *, shadow: bool = False) -> list[Entry]:
    """Make records of one shape: from the third on they share a pattern."""
    at, writer = gateway(auth=ON, rules=SHADOW if shadow else ()), RecordWriter()
    asked = facts(GATEWAY_KEY, API_KEY)
    made = [
        deciding(asked, at, caller=DEVELOPER, number=number)
        for number in range(1, count + 1)
    ]
    return [Entry.of(each, writer.write(each)) for each in made]


class DecisionStoreContract(Base):
    """The sentences that are true of every DecisionStore."""

    store: DecisionStore

    async def listed(self, **wanted) -> list[str]:
        found = await self.store.newest(Wanted(**wanted))
        return [str(read(each)["id"])[-1] for each in found]

    async def test_a_record_comes_back_as_it_was_put_in(self):
        await self.store.append([entry(1)], keep=9)

        assert await self.store.maybe(entry(1).id) == entry(1).text
        assert await self.store.maybe("req_none") is None
        assert entry(1).record["id"] == entry(1).id

    async def test_records_that_share_a_pattern_come_back_as_they_were_put_in(self):
        entries = alike(4)
        assert entries[3].written.pattern is entries[2].written.pattern is not None

        await self.store.append(entries, keep=9)

        assert await self.store.maybe(entries[3].id) == entries[3].text
        assert await self.store.newest(Wanted()) == tuple(
            each.text for each in reversed(entries)
        )
        for each in entries:
            assert each.record["id"] == each.id

    async def test_a_rule_that_only_the_pattern_names_is_found(self):
        await self.store.append([*alike(4, shadow=True)[2:], entry(9)], keep=9)

        assert await self.listed(rule="later_on") == ["4", "3"]
        assert await self.listed(rule="LATER_ON") == []

    async def test_the_newest_come_first_and_no_more_than_wanted(self):
        await self.store.append([entry(1), entry(2)], keep=9)
        await self.store.append([entry(3)], keep=9)

        assert await self.listed() == ["3", "2", "1"]
        assert await self.listed(limit=2) == ["3", "2"]

    async def test_the_oldest_go_when_there_are_too_many(self):
        await self.store.append([entry(1), entry(2), entry(3)], keep=2)
        assert await self.listed() == ["3", "2"]

        await self.store.append([entry(4)], keep=2)
        assert await self.listed() == ["4", "3"]

    async def test_records_are_found_by_what_is_asked_for(self):
        await self.store.append(
            [entry(1), entry(2, refused=True), entry(3, shadow=True)], keep=9
        )

        assert await self.listed(key="dev-laptop") == ["3", "2", "1"]
        assert await self.listed(key="key_1", limit=1) == ["3"]
        assert await self.listed(key="bob") == []
        assert await self.listed(deployment="anthropic-main", verdict="deny") == ["2"]
        assert await self.listed(deployment="other") == []
        assert await self.listed(payer="user-key") == ["3", "1"]
        assert await self.listed(shadow=True) == ["3"]
        assert await self.listed(since=NOW + 2) == ["3", "2"]

    async def test_records_are_found_by_a_rule_that_took_part(self):
        await self.store.append([entry(1), entry(2, shadow=True)], keep=9)
        switch = "litellm_settings.forward_llm_provider_auth_headers"

        assert await self.listed(rule="later_on") == ["2"]
        assert await self.listed(rule="LATER_ON") == []
        assert await self.listed(rule="later%") == []
        assert await self.listed(rule="laterXon") == []
        assert await self.listed(rule=switch, limit=1) == ["2"]

    async def test_nothing_wanted_is_nothing(self):
        assert await self.listed() == []


class MemoryTests(DecisionStoreContract, TestCase):
    """Records in a list."""

    def setUp(self):
        self.store = MemoryDecisionStore()


class SqliteTests(OnSqlite, DecisionStoreContract, TestCase):
    """Records in a SQLite file, asked from threads."""

    async def setUp(self):
        self.store = (await self.open()).decisions

    async def test_a_batch_is_written_whole_or_not_at_all(self):
        await self.store.append([entry(1)], keep=9)

        with self.assertRaises(StoreUnavailable):
            await self.store.append([entry(2), entry(1)], keep=9)

        assert await self.listed() == ["1"]


def test_patterns_go_with_the_last_record_that_needs_them(tmp_path):
    path = tmp_path / "byok.db"
    with open_keys(path, (PEPPER,)):
        pass
    engine = make_engine(path, connections=1)
    count = sa.select(sa.func.count()).select_from(decision_patterns)

    def patterns_after(entries) -> int:
        # A new one sweeps with its first batch; later ones do so now and then.
        SqlDecisions(engine).append(entries, keep=1)
        with reading(engine) as connection:
            return connection.scalar(count) or 0

    assert patterns_after(alike(3)[2:]) == 1
    assert patterns_after(alike(4, shadow=True)[3:]) == 1
    assert patterns_after([entry(9)]) == 0
    engine.dispose()


class PostgresTests(OnPostgres, SqliteTests):
    """Records in a database of a server."""


def test_records_are_read_without_a_gateway(tmp_path):
    path = tmp_path / "byok.db"
    with open_keys(path, (PEPPER,)):
        pass

    with peek_decisions(path) as found:
        assert found.newest(Wanted()) == ()
        assert found.maybe("req_none") is None
        with pytest.raises(StoreUnavailable):
            found.append([entry()], keep=9)


def test_looking_for_records_makes_no_store(tmp_path):
    with (
        pytest.raises(StoreUnavailable, match="nothing was recorded yet"),
        peek_decisions(tmp_path / "byok.db"),
    ):
        pass

    assert list(tmp_path.iterdir()) == []
