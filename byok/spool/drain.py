"""The reading end: what was spooled goes to a sink, until the sink has it."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.core.errors import StoreUnavailable
from byok.spool import places
from byok.spool.faults import level_of
from byok.spool.frames import framed
from byok.spool.source import Source, Spooled
from byok.spool.spool import Spool

Sink = Callable[[Sequence[Spooled]], Awaitable[None]]
"""
Keeps records for good, all of a batch or none.

It may get a record again, and has to keep it once. It raises StoreUnavailable where
it could keep none for now; whatever else it raises is taken to be a record's fault.
"""

INTERVAL_S = 0.25
BATCH = 500
BATCH_BYTES = 1024 * 1024
LONGEST_WAIT_S = 30.0
_FIRST_WAIT_S = 0.5
_LOOK_S = 1.0
_TRIES = 3
_BATCHES_AT_ONCE = 8

_log = Logger(namespace="byok.spool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How far behind a drain is; *records* is reckoned from their mean length."""

    records: int
    bytes: int
    oldest_s: float


class Drain:
    """
    Hands to *sink* what this process spooled, and what writers left that are dead.

    Each record at least once, and those of one file in order. As long as the sink is
    away, it is asked more and more rarely, and everything waits where it is. A record
    that the sink cannot take for a reason of its own is tried some times, by itself,
    and then put aside, so that those behind it get on.
    """

    def __init__(
        self,
        spool: Spool,
        sink: Sink,
        clock: IReactorTime,
        *,
        interval_s: float = INTERVAL_S,
        batch: int = BATCH,
        batch_bytes: int = BATCH_BYTES,
        longest_wait_s: float = LONGEST_WAIT_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._directory = spool.directory
        self._sink = sink
        self._clock = clock
        self._interval_s = interval_s
        self._batch = self._most = batch
        self._batch_bytes = batch_bytes
        self._longest_wait_s = longest_wait_s
        self._now = now
        self._sources: dict[str, Source] = {}
        self._strangers: tuple[str, ...] = ()
        self._wait_s = _FIRST_WAIT_S
        self._failures = 0
        self._is_away = False
        self._has_more = False
        self._unreadable = ""
        self._is_stopping = False
        self._pause: Deferred[None] | None = None
        self._running: Deferred[None] | None = None
        self._lost_bytes = 0
        self.drained = 0
        self.rejected = 0

    @property
    def is_away(self) -> bool:
        """Did the sink fail when it was asked last?"""
        return self._is_away

    @property
    def trouble(self) -> str | None:
        """What keeps records from getting on, in words; or None."""
        if self._is_away:
            return "what is spooled waits for the store"
        if self._unreadable:
            return f"a file of the spool cannot be used: {self._unreadable}"
        return None

    @property
    def lost_bytes(self) -> int:
        """How much was found in the files that was no record."""
        return self._lost_bytes + sum(
            each.lost_bytes for each in self._sources.values()
        )

    def start(self) -> None:
        """Begin to drain."""
        self._running = Deferred.fromCoroutine(self._run())

    async def stop(self) -> None:
        """Hand over what the sink still takes; the rest stays in its files."""
        self._is_stopping = True
        if self._pause is not None:
            self._pause.cancel()
        if self._running is not None:
            await self._running
            self._running = None
        self._spool.seal()
        await self._safe_round()
        for source in self._sources.values():
            self._lost_bytes += source.lost_bytes
            source.close()
        self._sources.clear()

    def backlog(self) -> Backlog:
        """Return how much of this drain's waits, and how long the oldest has."""
        sizes = places.held(self._directory).sizes
        waiting = sum(
            size for (writer, _), size in sizes.items() if writer in self._sources
        ) - sum(each.drained_bytes for each in self._sources.values())
        oldest = [each.oldest_at() for each in self._sources.values()]
        ages = [self._now() - at for at in oldest if at is not None]
        return Backlog(
            records=round(max(0, waiting) / self._spool.mean_bytes),
            bytes=max(0, waiting),
            oldest_s=max(0.0, *ages) if ages else 0.0,
        )

    async def _run(self) -> None:
        while not self._is_stopping:
            if not await self._safe_round():
                wait_s = self._wait_s
                self._wait_s = min(2 * self._wait_s, self._longest_wait_s)
            else:
                wait_s = 0 if self._has_more else self._interval_s
            await self._wait(wait_s)

    async def _safe_round(self) -> bool:
        """Do a round; a fault in it ends that round alone."""
        try:
            return await self._round()
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001 - records wait for the next round
            _log.failure("the spool's drain failed")
            return False

    async def _round(self) -> bool:
        """Hand over what there is of each; False where the sink failed."""
        self._has_more = False
        unreadable = self._look()
        for source in tuple(self._sources.values()):
            try:
                if not await self._empty(source):
                    return False
            except OSError as error:
                unreadable = _reason(error)
        if unreadable and not self._unreadable:
            _log.emit(
                level_of(unreadable),
                "a file of the spool {directory} cannot be used: {reason}",
                directory=str(self._directory),
                reason=unreadable,
            )
        self._unreadable = unreadable
        self._spool.seal_idle()
        return True

    def _look(self) -> str:
        """See what there is, and take up what is nobody's; return what is amiss."""
        try:
            found = places.held(self._directory)
            self._spool.look(found)
        except OSError as error:
            return _reason(error)
        self._tell_of_strangers(found)
        amiss = ""
        for writer in sorted(found.writers - self._sources.keys()):
            try:
                held = places.lock(places.drain_lock(self._directory, writer))
            except OSError as error:
                amiss = _reason(error)
                continue
            if held is not None:
                self._sources[writer] = self._source(writer, held)
        return amiss

    def _source(self, writer: str, held: int) -> Source:
        if writer == self._spool.writer:
            return Source(self._directory, writer, held, self._spool.is_open)
        return Source(self._directory, writer, held)

    def _tell_of_strangers(self, found: places.Held) -> None:
        if set(found.strangers) - set(self._strangers):
            _log.warn(
                "{directory} holds {count} files that are none of a spool;"
                " they are left alone",
                directory=str(self._directory),
                count=len(found.strangers),
            )
        self._strangers = found.strangers

    async def _empty(self, source: Source) -> bool:
        lost = source.lost_bytes
        batches = 0
        while batch := source.next_batch(self._most, self._batch_bytes):
            if not await self._hand_over(batch):
                return False
            source.accept()
            batches += 1
            if batches == _BATCHES_AT_ONCE:
                # The other files get their turn. At the end the rest is safe where it
                # is, and whoever stops us does not wait for long.
                self._has_more = True
                break
        if source.lost_bytes > lost:
            _log.warn(
                "{count} bytes of the spool were no record: torn by a crash or damaged",
                count=source.lost_bytes - lost,
            )
        if source.is_over:
            del self._sources[source.writer]
            self._lost_bytes += source.lost_bytes
            source.close()
        return True

    async def _hand_over(self, batch: Sequence[Spooled]) -> bool:
        try:
            await self._sink(batch)
        except CancelledError:
            raise
        except StoreUnavailable as error:
            self._say_away(str(error))
            return False
        except Exception:  # noqa: BLE001 - whatever it is, those behind it get on
            return self._doubt(batch)
        self.drained += len(batch)
        self._failures = 0
        self._most = min(2 * self._most, self._batch)
        self._say_back()
        return True

    def _doubt(self, batch: Sequence[Spooled]) -> bool:
        """Try the records one by one; True where the one in *batch* is given up."""
        if len(batch) > 1:
            self._most = 1
            _log.failure("the store failed at {count} records", count=len(batch))
            return False
        self._failures += 1
        if self._failures < _TRIES:
            return False
        self._failures = 0
        self._wait_s = _FIRST_WAIT_S
        self._put_aside(batch[0])
        return True

    def _put_aside(self, record: Spooled) -> None:
        path = self._directory / places.REJECTED
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, places.FILE_MODE)
        try:
            os.write(descriptor, framed(record.payload, self._now()))
        finally:
            os.close(descriptor)
        self.rejected += 1
        _log.failure(
            "the store takes no record like the one of {length} bytes that is kept in"
            " {path}",
            length=len(record.payload),
            path=str(path),
        )

    def _say_away(self, reason: str) -> None:
        if not self._is_away:
            _log.warn("what is spooled waits for now: {reason}", reason=reason)
        self._is_away = True

    def _say_back(self) -> None:
        if self._is_away:
            _log.info("what is spooled is taken again")
        self._is_away = False
        self._wait_s = _FIRST_WAIT_S

    async def _wait(self, seconds: float) -> None:
        """Wait, and look now and then: the spool may be full, or gone."""
        end = self._clock.seconds() + seconds
        while not self._is_stopping:
            await self._rest(min(max(0.0, end - self._clock.seconds()), _LOOK_S))
            if self._clock.seconds() >= end:
                return
            self._look()

    async def _rest(self, seconds: float) -> None:
        self._pause = Deferred(lambda _: timer.cancel())
        timer = self._clock.callLater(seconds, self._pause.callback, None)
        try:
            await self._pause
        except CancelledError:
            pass
        finally:
            self._pause = None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
