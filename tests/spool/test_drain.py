"""What is spooled gets to its sink, in order, whoever wrote it and whatever fails."""

import os
import shutil
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from byok.spool import places
from byok.spool.drain import Backlog, Drain
from byok.spool.frames import HEAD_BYTES, framed
from byok.spool.source import Source
from byok.spool.spool import Spool
from tests.spool.sinks import Sink

DEAD = "00000000deadbeef"


class DrainTests(TestCase):
    """A spool and its drain, with a clock of their own."""

    def setUp(self):
        self.clock = Clock()
        self.directory = Path(self.mktemp())
        self.sink = Sink()
        self.spool = self.opened()
        self.drain = self.drained(self.spool, self.sink)
        self.drain.start()

    async def tearDown(self):
        self.sink.is_away = False
        await self.drain.stop()

    def opened(self, **options):
        spool = Spool(self.directory, now=self.clock.seconds, **options)
        self.addCleanup(spool.close)
        return spool

    def drained(self, spool, sink, **options):
        return Drain(spool, sink, self.clock, now=self.clock.seconds, **options)

    def files(self):
        return sorted(each.name for each in self.directory.glob("*.frames"))

    def left_by_a_dead_writer(self, *pieces, number=1, writer=DEAD):
        path = places.segment(self.directory, writer, number)
        path.write_bytes(b"".join(pieces))
        return path

    def test_what_is_appended_is_handed_over_at_the_next_interval(self):
        self.spool.append(b"one")
        self.spool.append(b"two")
        self.assertEqual(self.sink.kept, [])

        self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one", b"two"])
        self.assertEqual(self.drain.drained, 2)
        self.spool.append(b"three")
        self.clock.advance(0.25)
        self.assertEqual(self.sink.kept, [b"one", b"two", b"three"])
        self.assertEqual(len(set(self.sink.positions)), 3)

    def test_a_file_is_removed_when_it_is_done_with(self):
        self.spool.append(b"one")
        self.clock.advance(0.25)
        self.assertEqual(len(self.files()), 1)

        for _ in range(50):
            self.clock.advance(0.25)

        self.assertEqual(self.files(), [])
        self.spool.append(b"two")
        self.clock.advance(0.25)
        self.assertEqual(self.sink.kept, [b"one", b"two"])

    async def test_it_stops_with_nothing_left(self):
        self.spool.append(b"one")

        await self.drain.stop()
        self.spool.close()

        self.assertEqual(self.sink.kept, [b"one"])
        self.assertEqual(list(self.directory.iterdir()), [])

    async def test_it_stops_though_the_sink_is_away_and_leaves_the_rest(self):
        self.sink.is_away = True
        self.spool.append(b"one")

        await self.drain.stop()
        self.spool.close()

        self.assertEqual(len(self.files()), 1)
        later = Sink()
        again = self.drained(self.opened(), later)
        again.start()
        await again.stop()
        self.assertEqual(later.kept, [b"one"])
        self.assertEqual(self.files(), [])

    async def test_it_stops_after_the_batch_that_is_under_way(self):
        self.sink.slow = Deferred()
        self.spool.append(b"one")
        self.clock.advance(0.25)

        stopped = Deferred.fromCoroutine(self.drain.stop())
        self.assertNoResult(stopped)
        self.sink.slow.callback(None)
        self.sink.slow = None
        await stopped

        self.assertEqual(self.sink.kept, [b"one"])

    def test_batches_have_a_size(self):
        drain = self.drained(self.spool, self.sink, batch=3)
        self.drain._is_stopping = True  # no longer the one who drains
        for source in self.drain._sources.values():
            source.close()
        self.drain._sources.clear()
        for at in range(8):
            self.spool.append(b"%d" % at)

        drain.start()

        self.assertEqual(self.sink.sizes, [3, 3, 2])
        self.successResultOf(Deferred.fromCoroutine(drain.stop()))

    def test_who_writes_much_does_not_keep_others_waiting(self):
        other = self.opened()
        for at in range(4100):
            self.spool.append(b"%d" % at)
            if at % 1000 == 0:
                other.append(b"other")

        self.clock.advance(0.25)

        self.assertEqual(len(self.sink.kept), 4105)
        last_of_other = 4104 - self.sink.kept[::-1].index(b"other")
        self.assertLess(last_of_other, self.sink.kept.index(b"4000"))

    def test_a_sink_that_is_away_is_asked_more_and_more_rarely(self):
        self.sink.is_away = True
        self.spool.append(b"one")

        with capturedLogs() as events:
            for _ in range(600):
                self.clock.advance(0.5)

        self.assertLess(self.sink.asked, 20)
        self.assertGreater(self.sink.asked, 10)
        self.assertTrue(self.drain.is_away)
        self.assertIn("waits for the store", self.drain.trouble or "")
        said = [each for each in events if each["log_level"].name == "warn"]
        self.assertEqual(len(said), 1)

        self.sink.is_away = False
        for _ in range(60):
            self.clock.advance(0.5)
        self.assertEqual(self.sink.kept, [b"one"])
        self.assertIsNone(self.drain.trouble)
        self.spool.append(b"two")
        self.clock.advance(0.25)
        self.assertEqual(self.sink.kept, [b"one", b"two"])

    def test_a_full_spool_is_said_though_the_sink_is_asked_rarely(self):
        self.sink.is_away = True
        spool = self.opened(ceiling_bytes=100)
        drain = self.drained(spool, self.sink)
        drain.start()
        for _ in range(200):
            self.clock.advance(0.5)
        asked = self.sink.asked

        for _ in range(10):
            self.spool.append(b"1234567890")
        self.clock.advance(1.0)
        self.clock.advance(1.0)

        self.assertTrue(spool.is_full)
        self.assertLessEqual(self.sink.asked - asked, 2)
        self.sink.is_away = False
        self.successResultOf(Deferred.fromCoroutine(drain.stop()))

    def test_it_tells_how_far_behind_it_is(self):
        self.assertEqual(
            self.drain.backlog(), Backlog(records=0, bytes=0, oldest_s=0.0)
        )
        self.sink.is_away = True
        self.left_by_a_dead_writer(framed(bytes(10), -5.0))
        self.clock.advance(0.25)
        for _ in range(3):
            self.spool.append(bytes(10))
        self.clock.advance(5)

        behind = self.drain.backlog()

        self.assertEqual(behind.records, 4)
        self.assertEqual(behind.bytes, 4 * (HEAD_BYTES + 10))
        self.assertAlmostEqual(behind.oldest_s, 10.25)
        self.sink.is_away = False
        self.clock.advance(30)
        self.assertEqual(self.drain.backlog().bytes, 0)

    def test_what_a_dead_writer_left_is_adopted(self):
        self.left_by_a_dead_writer(framed(b"one", 1.0), framed(b"two", 1.0))
        self.left_by_a_dead_writer(framed(b"three", 1.0), number=2)

        self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one", b"two", b"three"])
        self.assertEqual(self.files(), [])
        self.assertEqual([n for n in self.directory.iterdir() if DEAD in n.name], [])

    def test_two_drains_share_what_there_is(self):
        other_sink = Sink()
        other = self.drained(self.opened(), other_sink)
        for at in range(20):
            self.left_by_a_dead_writer(
                framed(b"%d" % at, 1.0), writer=f"{at:016x}", number=1
            )

        other.start()
        self.clock.advance(0.25)
        self.clock.advance(0.25)

        every = self.sink.kept + other_sink.kept
        self.assertEqual(sorted(every), sorted(b"%d" % at for at in range(20)))
        self.successResultOf(Deferred.fromCoroutine(other.stop()))

    def test_a_live_writer_s_own_drain_is_left_alone(self):
        other_sink = Sink()
        other = self.drained(self.opened(), other_sink)
        other.start()
        self.spool.append(b"one")

        self.clock.advance(0.25)

        self.assertEqual((self.sink.kept, other_sink.kept), ([b"one"], []))
        self.successResultOf(Deferred.fromCoroutine(other.stop()))

    def test_a_torn_tail_of_a_dead_writer_is_dropped_and_said(self):
        torn = framed(b"two", 1.0)[:-1]
        self.left_by_a_dead_writer(framed(b"one", 1.0), torn)

        with capturedLogs() as events:
            self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one"])
        self.assertEqual(self.files(), [])
        self.assertEqual(self.drain.lost_bytes, len(torn))
        self.assertEqual([each["count"] for each in events], [len(torn)])

    def test_a_torn_tail_of_a_live_writer_is_waited_for(self):
        self.spool.append(b"one")
        self.clock.advance(0.25)
        record = framed(b"two", 1.0)
        path = self.directory / self.files()[0]
        with path.open("ab") as file:
            file.write(record[:15])
            file.flush()
            self.clock.advance(0.25)
            self.assertEqual(self.sink.kept, [b"one"])
            file.write(record[15:])

        self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one", b"two"])
        self.assertEqual(self.drain.lost_bytes, 0)

    def test_garbage_in_the_middle_costs_nothing_else(self):
        self.left_by_a_dead_writer(
            framed(b"one", 1.0), b"\0" * 5000, framed(b"two", 1.0)
        )

        self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one", b"two"])
        self.assertEqual(self.drain.lost_bytes, 5000)

    def test_a_file_of_nothing_but_garbage_is_passed_over(self):
        self.left_by_a_dead_writer(b"\xff" * 3_000_000)
        self.left_by_a_dead_writer(framed(b"one", 1.0), number=2)

        self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one"])
        self.assertEqual(self.drain.lost_bytes, 3_000_000)

    def test_an_empty_file_is_removed(self):
        self.left_by_a_dead_writer()

        self.clock.advance(0.25)

        self.assertEqual(self.files(), [])

    def test_a_file_that_was_cut_is_read_from_its_beginning_again(self):
        self.spool.append(b"one")
        self.spool.append(b"two")
        self.clock.advance(0.25)
        path = self.directory / self.files()[0]
        with path.open("r+b") as file:
            file.truncate(3)
        self.spool.append(b"three")

        self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one", b"two", b"three"])
        self.assertEqual(self.drain.lost_bytes, 3)

    def test_files_of_others_are_left_alone_and_said_once(self):
        stranger = self.directory / "notes.txt"
        stranger.write_text("not ours")

        with capturedLogs() as events:
            self.clock.advance(0.25)
            self.clock.advance(0.25)

        self.assertEqual(len(events), 1)
        self.assertEqual(stranger.read_text(), "not ours")

    def test_a_directory_that_was_removed_costs_only_what_was_not_in_the_open_file(
        self,
    ):
        self.clock.advance(0.25)
        self.spool.append(b"one")
        shutil.rmtree(self.directory)
        self.spool.append(b"two")

        self.clock.advance(0.25)
        self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one", b"two"])
        self.spool.append(b"three")
        self.clock.advance(0.25)
        self.assertEqual(self.sink.kept, [b"one", b"two", b"three"])

    def test_a_file_that_cannot_be_read_keeps_no_other_waiting(self):
        self.left_by_a_dead_writer(framed(b"lost", 1.0))
        self.spool.append(b"one")
        locked = places.drain_lock(self.directory, DEAD)
        locked.symlink_to(self.directory / "elsewhere")

        with capturedLogs() as events:
            self.clock.advance(0.25)
            self.clock.advance(0.25)

        self.assertEqual(self.sink.kept, [b"one"])
        self.assertIn("cannot be used", self.drain.trouble or "")
        said = [each for each in events if each["log_level"].name == "critical"]
        self.assertEqual(len(said), 1)
        locked.unlink()
        self.clock.advance(0.25)
        self.assertEqual(self.sink.kept, [b"one", b"lost"])
        self.assertIsNone(self.drain.trouble)

    def test_a_directory_that_is_none_any_more_is_waited_for(self):
        self.clock.advance(0.25)
        self.spool.append(b"one")
        shutil.rmtree(self.directory)
        self.directory.write_text("in the way")

        with capturedLogs() as events:
            for _ in range(4):
                self.clock.advance(0.25)
        self.assertIn("its files are gone", self.spool.trouble or "")
        said = [each for each in events if each["log_level"].name == "critical"]
        self.assertEqual(len(said), 1)
        self.assertEqual(self.drain.backlog().records, 0)

        self.directory.unlink()
        for _ in range(4):
            self.clock.advance(0.25)
        self.assertEqual(self.sink.kept, [b"one"])
        self.assertIsNone(self.spool.trouble)

    def test_a_fault_of_the_drain_ends_a_round_and_not_the_drain(self):
        self.spool.append(b"one")
        self.patch(self.spool, "look", lambda found: dict[str, str]()["x"])
        self.clock.advance(0.25)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.sink.kept, [])

        self.patch(self.spool, "look", lambda found: None)
        self.clock.advance(0.5)

        self.assertEqual(self.sink.kept, [b"one"])

    def test_a_writer_that_is_only_beginning_keeps_its_lock(self):
        """It made the file, and was looked at before it could lock it."""
        path = places.writer_lock(self.directory, DEAD)
        path.touch()
        held = places.lock(places.drain_lock(self.directory, DEAD))
        assert held is not None
        source = Source(self.directory, DEAD, held)
        self.assertEqual(source.next_batch(10, 1000), ())
        self.assertTrue(source.is_over)
        writer = places.lock(path)
        assert writer is not None
        self.addCleanup(os.close, writer)

        source.close()

        self.assertTrue(places.is_at(writer, path))

    def test_the_backlog_of_what_was_never_read_has_an_age(self):
        self.left_by_a_dead_writer(framed(b"one", -5.0))
        held = places.lock(places.drain_lock(self.directory, DEAD))
        assert held is not None
        source = Source(self.directory, DEAD, held)
        self.addCleanup(source.close)

        self.assertEqual(source.oldest_at(), -5.0)
        self.assertEqual(source.oldest_at(), -5.0)

    def test_a_record_that_the_sink_cannot_take_is_put_aside(self):
        self.sink.poison = {b"poison"}
        for each in (b"one", b"poison", b"two"):
            self.spool.append(each)

        with capturedLogs():
            for _ in range(40):
                self.clock.advance(0.5)
        self.flushLoggedErrors(ValueError)

        self.assertEqual(self.sink.kept, [b"one", b"two"])
        self.assertEqual((self.drain.drained, self.drain.rejected), (2, 1))
        aside = self.directory / places.REJECTED
        self.assertIn(b"poison", aside.read_bytes())
        self.assertEqual(aside.stat().st_mode & 0o777, 0o600)
        # It can be handed in again, under the name of a dead writer.
        self.sink.poison = set()
        aside.rename(places.segment(self.directory, DEAD, 1))
        self.clock.advance(0.25)
        self.assertEqual(self.sink.kept, [b"one", b"two", b"poison"])
