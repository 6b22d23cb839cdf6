"""What every ledger does, run on each of them."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from byok.core.usage_record import UsageRecord
from byok.store.memory_usage import MemoryUsageStore
from byok.store.sqlusage import SqlUsageStore
from byok.store.tables import usage
from byok.store.usage import (
    By,
    DaysWanted,
    Figures,
    Total,
    UsageStore,
    UsageWanted,
    cleaned,
    day_of,
)
from tests.store.databases import OnPostgres, OnSqlite

if TYPE_CHECKING:
    Base = TestCase
else:
    Base = object

NOON = 1_800_014_400.0  # 2027-01-15T12:00:00Z
DAY_S = 86_400.0
TODAY, TOMORROW = "2027-01-15", "2027-01-16"

FULL: dict[str, Any] = {
    "user": "anne",
    "team": "growth",
    "end_user": "ü☂",
    "session": "s-1",
    "agent": "a-1",
    "model": "claude-opus-5-5",
    "upstream_model": "claude-opus-5-5-20260101",
    "deployment": "main",
    "provider": "anthropic",
    "payer": "org",
    "credential": "anthropic.api_key",
    "status": 200,
    "ending": "complete",
    "error": None,
    "stop_reason": "end_turn",
    "attempts": 2,
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_read_tokens": 30,
    "cache_write_5m_tokens": 40,
    "cache_write_1h_tokens": 50,
    "thinking_tokens": 5,
    "web_searches": 1,
    "service_tier": "standard",
    "speed": "fast",
    "inference_geo": "us",
    "estimated": True,
    "raw_usage": '{"input_tokens": 10}',
    "price_version": "2026-11-24",
    "cost_nano": 123_456_789,
    "notional_nano": 123_456_790,
    "first_byte_ms": 0.1,
}


def usage_record(number: int = 0, **more: Any) -> UsageRecord:
    """Make the *number*-th record, a second after the one before."""
    plain: dict[str, Any] = {
        "id": f"req_{number:04}",
        "at": NOON + number,
        "key_id": "key_1",
        "key": "annes-laptop",
        "method": "POST",
        "route": "/v1/messages",
        "duration_ms": 12.5,
        "generation": "1-abc",
    }
    return UsageRecord(**(plain | more))


class UsageStoreContract(Base):
    """The sentences that are true of every UsageStore."""

    store: UsageStore

    async def listed(self, **wanted: Any) -> list[str]:
        page = await self.store.page(UsageWanted(**wanted))
        return [each.id[-1] for each in page.records]

    async def figures(self, **wanted: Any) -> Figures:
        totals = await self.store.totals(DaysWanted(**wanted))
        return totals[0].figures if totals else Figures()

    async def grouped(self, *by: By, **wanted: Any) -> list[tuple[Any, int]]:
        totals = await self.store.totals(DaysWanted(**wanted), by)
        return [(each.group, each.figures.requests) for each in totals]

    async def test_a_record_comes_back_as_it_was_put_in(self):
        full, bare = usage_record(1, **FULL), usage_record(2)

        assert await self.store.append([full, bare]) == 2

        assert await self.store.maybe(full.id) == full
        assert await self.store.maybe(bare.id) == bare
        assert await self.store.maybe("req_none") is None

    async def test_nothing_is_added_by_nothing(self):
        assert await self.store.append([]) == 0
        assert await self.store.totals(DaysWanted()) == ()
        assert (await self.store.page(UsageWanted())).records == ()

    async def test_what_comes_again_counts_once(self):
        one, two = usage_record(1, **FULL), usage_record(2, **FULL)
        assert await self.store.append([one, one]) == 1

        assert await self.store.append([one, two, two]) == 1
        assert await self.store.append([two, one]) == 0

        found = await self.figures()
        assert (found.requests, found.cost_nano) == (2, 2 * 123_456_789)
        assert await self.listed() == ["2", "1"]

    async def test_records_add_up_by_what_days_are_not_kept_by(self):
        midnight = NOON + DAY_S / 2
        await self.store.append(
            [
                usage_record(1, **FULL),
                usage_record(2, session="s-1", status=429),
                usage_record(3, session="s-2", agent="a-9", error="gone"),
                usage_record(4, at=midnight - 0.001, provider="openai"),
                usage_record(5, at=midnight, upstream_model="m"),
            ]
        )

        async def sums(*by: By, **wanted: Any) -> list[tuple[Any, int]]:
            found = await self.store.sums(UsageWanted(**wanted), by)
            return [(each.group, each.figures.requests) for each in found]

        assert await sums(By.DAY) == [((TODAY,), 4), ((TOMORROW,), 1)]
        assert await sums(By.SESSION) == [((None,), 2), (("s-1",), 2), (("s-2",), 1)]
        assert await sums(By.AGENT, session="s-2") == [(("a-9",), 1)]
        assert await sums(By.END_USER, By.PROVIDER, since=NOON + 4) == [
            ((None, None), 1),
            ((None, "openai"), 1),
        ]
        assert await sums(By.UPSTREAM_MODEL, since=midnight) == [(("m",), 1)]
        assert await sums(By.KEY, until=NOON) == []
        assert await sums(since=NOON + 2) == [((), 4)]

    async def test_days_and_records_add_up_to_the_same(self):
        await self.store.append(
            [
                usage_record(1, **FULL),
                usage_record(2, status=429, notional_nano=None),
                usage_record(3, at=NOON + DAY_S, error="gone", user="bob"),
            ]
        )

        by = (By.DAY, By.USER, By.PAYER)
        days = await self.store.totals(DaysWanted(), by)

        assert days == await self.store.sums(UsageWanted(), by)
        assert [each.figures.failures for each in days] == [1, 0, 1]

    async def test_several_keys_are_added_up_at_once(self):
        await self.store.append(
            [usage_record(each, key_id=f"key_{each}") for each in range(4)]
        )

        assert await self.grouped(By.KEY, key_ids=("key_1", "key_3", "key_9")) == [
            (("key_1",), 1),
            (("key_3",), 1),
        ]
        assert await self.grouped(By.KEY, key_ids=()) == []

    async def test_a_few_of_what_is_old_can_go_at_a_time(self):
        await self.store.append([usage_record(each) for each in range(4)])

        assert await self.store.prune_some(NOON + 3) == 3
        assert await self.store.prune_some(NOON + 3) == 0

        assert await self.listed() == ["3"]
        assert (await self.figures()).requests == 4

    async def test_all_figures_add_up(self):
        await self.store.append([usage_record(1, **FULL), usage_record(2)])
        await self.store.append([usage_record(3, **FULL), usage_record(4, status=429)])
        await self.store.append([usage_record(5, error="provider.timeout")])

        (total,) = await self.store.totals(DaysWanted())

        assert total == Total(
            group=(),
            figures=Figures(
                requests=5,
                failures=2,
                estimated=2,
                input_tokens=20,
                output_tokens=40,
                cache_read_tokens=60,
                cache_write_5m_tokens=80,
                cache_write_1h_tokens=100,
                thinking_tokens=10,
                web_searches=2,
                cost_nano=2 * 123_456_789,
                notional_nano=2 * 123_456_790,
            ),
        )

    async def test_records_are_added_up_by_anything(self):
        await self.store.append(
            [
                usage_record(1, user="anne", team="red", model="m", payer="org"),
                usage_record(2, user="anne", team="red", model="n", payer="org"),
                usage_record(3, user="bob", key_id="key_2", deployment="d"),
                usage_record(4, at=NOON + DAY_S, user="bob", model="m"),
            ]
        )

        assert await self.grouped(By.DAY) == [((TODAY,), 3), ((TOMORROW,), 1)]
        assert await self.grouped(By.USER) == [(("anne",), 2), (("bob",), 2)]
        assert await self.grouped(By.TEAM) == [((None,), 2), (("red",), 2)]
        assert await self.grouped(By.KEY) == [(("key_1",), 3), (("key_2",), 1)]
        assert await self.grouped(By.DEPLOYMENT) == [((None,), 3), (("d",), 1)]
        assert await self.grouped(By.MODEL, By.PAYER) == [
            ((None, None), 1),
            (("m", None), 1),
            (("m", "org"), 1),
            (("n", "org"), 1),
        ]
        for bound in ({"first": TOMORROW}, {"last": TODAY}):
            assert await self.grouped(By.USER, user="bob", **bound) == [(("bob",), 1)]
        assert (await self.figures(model="m", payer="org")).requests == 1
        assert (await self.figures(team="red", key_id="key_1")).requests == 2
        assert (await self.figures(deployment="' OR 1=1 --")).requests == 0

    async def test_a_group_is_its_names_and_not_their_letters(self):
        await self.store.append(
            [
                usage_record(1, user="a", team="bc"),
                usage_record(2, user="ab", team="c"),
                usage_record(3, user="1:a", team=""),
                usage_record(4, user=None, team="-"),
                usage_record(5, user="-", team=None),
            ]
        )

        assert len(await self.grouped(By.USER, By.TEAM)) == 5

    async def test_records_are_found_by_what_is_asked_for(self):
        await self.store.append(
            [
                usage_record(1, **FULL),
                usage_record(2, key_id="key_2", session="s-1"),
                usage_record(3, end_user="x"),
            ]
        )

        assert await self.listed(since=NOON + 2) == ["3", "2"]
        assert await self.listed(until=NOON + 2) == ["1"]
        assert await self.listed(key_id="key_1") == ["3", "1"]
        assert await self.listed(session="s-1") == ["2", "1"]
        assert await self.listed(end_user="x") == ["3"]
        assert await self.listed(user="anne", team="growth", payer="org") == ["1"]
        assert await self.listed(model="claude-opus-5-5", deployment="main") == ["1"]
        assert await self.listed(model="claude-opus%") == []

    async def test_a_list_goes_on_where_the_page_before_ended(self):
        # Several at one time, and the times not in the order of coming.
        await self.store.append(
            [usage_record(number, at=NOON + number % 3) for number in range(9)]
        )
        everything = await self.store.page(UsageWanted())
        assert everything.next is None

        found: list[UsageRecord] = []
        after = None
        while True:
            page = await self.store.page(UsageWanted(), limit=2, after=after)
            found += page.records
            after = page.next
            if after is None:
                break

        assert tuple(found) == everything.records
        assert [each.at for each in found] == sorted(
            (each.at for each in found), reverse=True
        )

    async def test_old_records_go_and_their_days_stay(self):
        await self.store.append([usage_record(number) for number in range(7)])

        assert await self.store.prune(NOON + 5) == 5
        assert await self.store.prune(NOON + 5) == 0

        assert await self.listed() == ["6", "5"]
        assert (await self.figures()).requests == 7

    async def test_what_no_database_would_take_is_kept_as_far_as_it_goes(self):
        odd = usage_record(
            1,
            at=float("inf"),
            duration_ms=float("nan"),
            user="a\0b\ud800",
            model="ü" * 5000,
            session="s" * 5000,
            raw_usage="r" * 20_000,
            input_tokens=2**70,
            cost_nano=-5,
            status=10**30,
        )

        assert await self.store.append([odd]) == 1
        assert await self.store.append([odd, usage_record(2)]) == 1

        found = await self.store.maybe(odd.id)
        assert found is not None
        assert found.user == "a\N{REPLACEMENT CHARACTER}b?"
        assert found.duration_ms == 0.0
        assert found.model == "ü" * 1000
        assert len(found.raw_usage or "") == 16_000
        assert (found.input_tokens, found.cost_nano) == (10**15, 0)
        assert (await self.grouped(By.DAY))[1][0] == ("9999-12-31",)

    async def test_many_at_once_are_counted_right(self):
        batches = [
            [usage_record(number, **FULL) for number in range(at, at + 40)]
            for at in range(0, 200, 20)
        ]

        added = await gatherResults(
            [Deferred.fromCoroutine(self.store.append(batch)) for batch in batches]
        )

        assert sum(added) == 220
        found = await self.figures()
        assert (found.requests, found.cost_nano) == (220, 220 * 123_456_789)


class MemoryTests(UsageStoreContract, TestCase):
    """A ledger in a list."""

    def setUp(self):
        self.store = MemoryUsageStore()


class SqliteTests(OnSqlite, UsageStoreContract, TestCase):
    """A ledger in a SQLite file, asked from threads."""

    async def setUp(self):
        self.store = self.sql = (await self.open()).usage

    async def test_old_records_go_a_few_at_a_time(self):
        sql = self.sql
        assert isinstance(sql, SqlUsageStore)
        await sql.append([usage_record(number) for number in range(7)])

        assert await sql.prune(NOON + 6, at_once=2) == 6
        assert await self.listed() == ["6"]

    async def test_more_than_a_statement_takes_is_added_in_one_go(self):
        records = [usage_record(number) for number in range(1200)]

        assert await self.store.append(records[:700]) == 700
        assert await self.store.append(records) == 500


class PostgresTests(OnPostgres, SqliteTests):
    """A ledger in a database of a server."""


def test_every_field_of_a_record_has_a_column():
    renamed = {"user": "user_id", "team": "team_id"}

    for name in UsageRecord.__struct_fields__:
        assert renamed.get(name, name) in usage.c


def test_a_full_record_leaves_no_field_out():
    made = msgspec.structs.asdict(usage_record(**FULL))

    assert [name for name, value in made.items() if value is None] == ["error"]
    assert len(asdict(Figures())) == len(fields(Figures))


@given(st.text(max_size=50) | st.integers() | st.floats() | st.booleans() | st.none())
def test_what_was_cleaned_is_clean(value):
    once = cleaned(value, "model")

    assert cleaned(once, "model") == once
    if isinstance(once, float):
        assert len(day_of(once)) == 10
