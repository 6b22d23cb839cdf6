"""Writes records of decisions behind the exchanges that made them, in batches."""

from collections import deque
from itertools import islice

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from byok.core.decision_queries import Wanted
from byok.core.errors import StoreUnavailable
from byok.store.decisions import DecisionStore, Entry

INTERVAL_S = 0.5
MOST_WAITING = 2000
_BATCH = 500

_log = Logger(namespace="byok.decisions")


class WriteBehind:
    """
    Takes records at once and writes them soon; nobody waits for the disk.

    What waits has a bound. Where the store cannot keep up, or is away, records are
    dropped and counted: an exchange is worth more than its record.
    """

    def __init__(
        self,
        store: DecisionStore,
        *,
        keep: int,
        clock: IReactorTime,
        interval_s: float = INTERVAL_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._store = store
        self._keep = keep
        self._interval_s = interval_s
        self._most_waiting = most_waiting
        self._waiting: deque[Entry] = deque()
        self._turn = DeferredLock()
        self._loop = LoopingCall(self._start_flush)
        self._loop.clock = clock
        self._stopped: Deferred[LoopingCall] | None = None
        self._away = False
        self.written = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many records are not written yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to write, at every interval."""
        self._stopped = self._loop.start(self._interval_s, now=False)

    async def stop(self) -> None:
        """Write what waits, if that is possible at all, and no more after it."""
        if self._stopped is not None:
            self._loop.stop()
            await self._stopped
            self._stopped = None
        await self.flush()
        if self._waiting:
            self.dropped += len(self._waiting)
            _log.warn(
                "{count} decisions were not recorded, since the store is away",
                count=len(self._waiting),
            )
            self._waiting.clear()

    def put(self, entry: Entry) -> None:
        """Have *entry* written; drop it where too many wait already."""
        if len(self._waiting) >= self._most_waiting:
            self.dropped += 1
            return
        self._waiting.append(entry)

    async def maybe(self, decision_id: str) -> str | None:
        """Return the text of one record, be it written or not."""
        for entry in reversed(self._waiting):
            if entry.id == decision_id:
                return entry.text
        return await self._store.maybe(decision_id)

    async def newest(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the newest records that are *wanted*, those of just now included."""
        await self.flush()
        return await self._store.newest(wanted)

    async def flush(self) -> None:
        """Write all that waits by now; what cannot be written waits on."""
        await self._turn.acquire()
        try:
            # What comes meanwhile is left for the next time: few to a batch cost each
            # ten times as much.
            left = len(self._waiting)
            while left > 0:
                batch = tuple(islice(self._waiting, min(left, _BATCH)))
                await self._store.append(batch, keep=self._keep)
                # Nobody else takes any away, so these are still the first.
                for _ in batch:
                    self._waiting.popleft()
                self.written += len(batch)
                left -= len(batch)
            self._away = False
        except StoreUnavailable as error:
            if not self._away:
                self._away = True
                _log.warn(
                    "decisions are not recorded for now: {error}", error=str(error)
                )
        finally:
            self._turn.release()

    def _start_flush(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.flush())
