"""Has the disk keep what was spooled, at an interval, for machines that lose power."""

import os
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from byok.spool.spool import Spool

InThread = Callable[[Callable[[], None]], Deferred[None]]
"""Runs something in a thread of its own: a disk may take its time."""

_log = Logger(namespace="byok.spool")


class Syncing:
    """
    Syncs a spool at each interval: a power cut then loses no more than that.

    Each record by itself is never synced; a disk takes milliseconds for it. The spool
    has to be made with `is_synced`.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        interval_s: float,
        in_thread: InThread,
        clock: IReactorTime,
    ) -> None:
        self._spool = spool
        self._interval_s = interval_s
        self._in_thread = in_thread
        self._loop = LoopingCall(self._sync)
        self._loop.clock = clock
        self._stopped: Deferred[LoopingCall] | None = None
        self._is_failing = False

    def start(self) -> None:
        """Begin to sync."""
        self._stopped = self._loop.start(self._interval_s, now=False)

    async def stop(self) -> None:
        """Sync once more."""
        if self._stopped is not None:
            if self._loop.running:
                self._loop.stop()
            await self._stopped
            self._stopped = None
        await self._synced()

    def _sync(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._synced())

    async def _synced(self) -> None:
        directory = self._spool.directory
        try:
            taken = self._spool.take_unsynced()
            if taken:
                await self._in_thread(lambda: _sync_all(taken, directory))
        except OSError as error:
            if not self._is_failing:
                _log.critical("the spool is not synced: {why}", why=error.strerror)
            self._is_failing = True
        else:
            self._is_failing = False


def _sync_all(taken: tuple[int, ...], directory: Path) -> None:
    try:
        for descriptor in taken:
            os.fsync(descriptor)
        # Their names too: a new file is in the directory only after this.
        entry = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)
    finally:
        for descriptor in taken:
            os.close(descriptor)
