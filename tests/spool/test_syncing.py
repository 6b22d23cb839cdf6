"""Where it is asked for, a power cut costs no more than an interval."""

import os
from pathlib import Path

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from byok.spool.spool import Spool
from byok.spool.syncing import Syncing


def at_once(work) -> Deferred[None]:
    return maybeDeferred(work)


def hanging(work) -> Deferred[None]:
    raise OSError(5, "Input/output error")


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


class SyncingTests(TestCase):
    """A spool that is synced each second, by a clock of its own."""

    def setUp(self):
        self.clock = Clock()
        self.spool = Spool(Path(self.mktemp()), is_synced=True, segment_bytes=1)
        self.addCleanup(self.spool.close)
        self.synced: list[int] = []
        self.patch(os, "fsync", self.synced.append)

    def syncing(self, in_thread=at_once):
        syncing = Syncing(
            self.spool, interval_s=1.0, in_thread=in_thread, clock=self.clock
        )
        syncing.start()
        return syncing

    def test_all_files_since_the_last_time_are_synced_and_their_directory(self):
        syncing = self.syncing()
        for _ in range(3):
            self.spool.append(b"one")
        self.assertEqual(self.synced, [])
        before = open_files()

        self.clock.advance(1)

        self.assertEqual(len(self.synced), 4)
        # Two files that are full, and closed by now.
        self.assertEqual(open_files(), before - 2)
        self.successResultOf(Deferred.fromCoroutine(syncing.stop()))
        self.assertEqual(len(self.synced), 6)

    def test_a_time_without_descriptors_passes(self):
        syncing = self.syncing()
        for _ in range(2):
            self.spool.append(b"one")

        def none_left(_: int) -> int:
            raise OSError(24, "Too many open files")

        with capturedLogs() as logs:
            dup = self.patch(os, "dup", none_left)
            self.clock.advance(1)
            dup.restore()
        self.assertEqual(self.synced, [])
        self.assertEqual([each["why"] for each in logs], ["Too many open files"])

        self.clock.advance(1)

        self.assertEqual(len(self.synced), 3)
        self.successResultOf(Deferred.fromCoroutine(syncing.stop()))

    def test_nothing_is_synced_where_nothing_was_appended(self):
        syncing = self.syncing()

        self.clock.advance(1)
        self.successResultOf(Deferred.fromCoroutine(syncing.stop()))

        self.assertEqual(self.synced, [])

    def test_a_disk_that_fails_is_said_once(self):
        syncing = self.syncing(hanging)
        self.spool.append(b"one")

        with capturedLogs() as events:
            self.clock.advance(1)
            self.clock.advance(1)

        self.assertEqual(len(events), 1)
        self.successResultOf(Deferred.fromCoroutine(syncing.stop()))

    def test_files_that_wait_to_be_synced_are_few(self):
        before = open_files()

        for _ in range(50):
            self.spool.append(b"one")

        self.assertLess(open_files(), before + 12)
