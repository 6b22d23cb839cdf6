"""Old records go by themselves, a few at a time, and their days stay."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from byok.core.errors import StoreUnavailable
from byok.store.memory_usage import MemoryUsageStore
from byok.store.usage import DaysWanted
from byok.web.retention import INTERVAL_S, Retention
from tests.store.test_usage import DAY_S, NOON, usage_record


class Slow(MemoryUsageStore):
    """Lets one record go at a time, or says what is in the way."""

    trouble: Exception | None = None
    asked = 0

    async def prune_some(self, before: float) -> int:
        """Let the oldest record from *before* go."""
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        old = sorted(each.at for each in self.all() if each.at < before)
        return await super().prune_some(old[0] + 0.5) if old else 0


class RetentionTests(TestCase):
    """On a clock of the test's own."""

    async def setUp(self):
        self.clock: Any = Clock()
        self.now = NOON + 10 * DAY_S
        self.keep: int | None = 3
        self.store = Slow()
        await self.store.append(
            [usage_record(each, at=NOON + each * DAY_S) for each in range(11)]
        )
        self.retention = Retention(
            self.store,
            keep_days=lambda: self.keep,
            clock=self.clock,
            wall=lambda: self.now,
        )
        self.retention.start()

    def left(self) -> list[str]:
        return [each.id[-2:] for each in self.store.all()]

    async def test_as_many_days_stay_as_are_to_be_kept_today_included(self):
        self.assertEqual(len(self.left()), 11)

        self.clock.advance(INTERVAL_S)
        self.clock.pump([0.02] * 8)

        self.assertEqual(self.left(), ["08", "09", "10"])
        days = await self.store.totals(DaysWanted())
        self.assertEqual(days[0].figures.requests, 11)
        await self.retention.stop()

    async def test_between_batches_the_store_is_left_to_others(self):
        self.clock.advance(INTERVAL_S)
        self.assertEqual(len(self.left()), 10)
        self.clock.advance(0.01)
        self.assertEqual(len(self.left()), 10)
        self.clock.advance(0.01)
        self.assertEqual(len(self.left()), 9)
        await self.retention.stop()

    async def test_a_stop_waits_for_the_batch_and_for_no_more(self):
        self.clock.advance(INTERVAL_S)

        await self.retention.stop()
        self.clock.advance(10 * INTERVAL_S)

        self.assertEqual(len(self.left()), 10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_nothing_goes_where_all_is_to_be_kept_and_a_reload_changes_that(self):
        self.keep = None
        self.clock.advance(INTERVAL_S)
        self.assertEqual(self.store.asked, 0)

        self.keep = 11
        self.clock.advance(INTERVAL_S)
        self.assertEqual((self.store.asked, len(self.left())), (1, 11))
        await self.retention.stop()

    async def test_a_store_that_is_away_is_asked_again_later(self):
        for trouble in (StoreUnavailable("byok.db: locked"), ZeroDivisionError()):
            self.store.trouble = trouble
            with capturedLogs() as events:
                self.clock.advance(INTERVAL_S)
            self.assertIn("old records", str(formatEvent(events[-1])))
        self.flushLoggedErrors(ZeroDivisionError)
        self.store.trouble = None

        self.clock.advance(INTERVAL_S)
        with capturedLogs() as events:
            self.clock.pump([0.02] * 8)

        self.assertEqual(len(self.left()), 3)
        self.assertEqual(
            formatEvent(events[-1]),
            "let 8 records go of before 2027-01-23; their days stay added up",
        )
        await self.retention.stop()

    async def test_one_that_was_never_started_stops_too(self):
        retention = Retention(
            self.store, keep_days=lambda: 3, clock=self.clock, wall=lambda: self.now
        )

        await retention.stop()
        await self.retention.stop()

        self.assertEqual(len(self.left()), 11)
        self.assertIsNone(await Deferred.fromCoroutine(retention.stop()))
