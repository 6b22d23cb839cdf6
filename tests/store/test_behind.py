"""Records are written soon, in batches, and never in anybody's way."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from byok.core.decision_queries import Wanted
from byok.core.errors import StoreUnavailable
from byok.store.behind import WriteBehind
from byok.store.decisions import read
from byok.store.memory_decisions import MemoryDecisionStore
from tests.store.test_decisions import entry


class Balky(MemoryDecisionStore):
    """A store that can be away, and that can be slow."""

    def __init__(self):
        super().__init__()
        self.is_away = False
        self.slow: Deferred[None] | None = None
        self.sizes: list[int] = []

    async def append(self, entries, *, keep):
        if self.is_away:
            raise StoreUnavailable("byok.db: disk is full")
        if self.slow is not None:
            await self.slow
        self.sizes.append(len(entries))
        await super().append(entries, keep=keep)


class WriteBehindTests(TestCase):
    """A writer with a clock of its own."""

    def setUp(self):
        self.clock = Clock()
        self.store = Balky()
        self.behind = WriteBehind(
            self.store, keep=100, clock=self.clock, most_waiting=3, interval_s=1.0
        )
        self.behind.start()

    async def stored(self):
        found = await self.store.newest(Wanted())
        return [str(read(each)["id"])[-1] for each in reversed(found)]

    async def test_what_is_put_in_is_written_at_the_next_interval(self):
        self.behind.put(entry(1))
        self.behind.put(entry(2))
        assert await self.stored() == []

        self.clock.advance(1)

        assert await self.stored() == ["1", "2"]
        assert self.store.sizes == [2]
        assert (self.behind.written, self.behind.waiting) == (2, 0)
        await self.behind.stop()

    async def test_what_waits_is_found_before_it_is_written(self):
        self.behind.put(entry(1))
        self.behind.put(entry(2))

        assert await self.behind.maybe(entry(1).id) == entry(1).text
        assert await self.behind.maybe("req_none") is None
        assert len(await self.behind.newest(Wanted())) == 2
        assert await self.behind.maybe(entry(1).id) == entry(1).text
        await self.behind.stop()

    async def test_what_is_too_much_is_dropped_and_counted(self):
        for number in range(5):
            self.behind.put(entry(number))

        await self.behind.stop()

        assert await self.stored() == ["0", "1", "2"]
        assert self.behind.dropped == 2

    async def test_stopping_writes_what_waits(self):
        self.behind.put(entry(1))

        await self.behind.stop()

        assert await self.stored() == ["1"]
        assert self.clock.getDelayedCalls() == []

    async def test_a_writer_that_never_began_can_be_stopped(self):
        await self.behind.stop()
        idle = WriteBehind(self.store, keep=1, clock=self.clock)
        idle.put(entry(1))

        await idle.stop()

        assert await self.stored() == ["1"]

    async def test_records_that_come_while_others_are_written_wait_their_turn(self):
        self.store.slow = Deferred()
        self.behind.put(entry(1))
        self.clock.advance(1)
        self.behind.put(entry(2))
        reading = Deferred.fromCoroutine(self.behind.newest(Wanted()))
        self.assertNoResult(reading)

        slow, self.store.slow = self.store.slow, None
        slow.callback(None)

        assert len(await reading) == 2
        assert self.store.sizes == [1, 1]
        await self.behind.stop()

    async def test_a_store_that_is_away_is_told_once_and_asked_again(self):
        self.store.is_away = True
        self.behind.put(entry(1))
        with capturedLogs() as events:
            self.clock.advance(1)
            self.clock.advance(1)
        self.assertEqual(len(events), 1)
        self.assertIn("disk is full", events[0]["error"])

        self.store.is_away = False
        self.clock.advance(1)

        assert await self.stored() == ["1"]
        await self.behind.stop()

    async def test_what_cannot_be_written_at_the_end_is_told(self):
        self.store.is_away = True
        self.behind.put(entry(1))

        with capturedLogs() as events:
            await self.behind.stop()

        self.assertEqual(events[-1]["count"], 1)
        self.assertEqual((self.behind.dropped, self.behind.waiting), (1, 0))
