"""What one process has counted, whatever its configuration says meanwhile."""

from collections import deque
from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.core import usage_record
from byok.core.errors import CountersUnavailable
from byok.core.limits.demand import (
    Actual,
    Demand,
    Denied,
    Fullness,
    Reservation,
    Saved,
)
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Limit
from byok.core.usage_record import UsageRecord
from byok.counters.shared import SharedCounts
from byok.spool.faults import RecordTooLong, SpoolUnavailable
from byok.spool.spool import Spool

# A record takes about a kilobyte.
_MOST_KEPT = 20_000

_log = Logger(namespace="byok.usage")


class Counts:
    """
    What one process has counted: outlives every configuration.

    *clean* takes out of a text what is a secret, as the log does. What is *shared*
    with other gateways is counted there; `limiter` counts what is not, and all while
    the others cannot be asked.
    """

    shared: SharedCounts | None = None

    def __init__(
        self,
        spool: Spool | None,
        *,
        clock: IReactorTime,
        wall: Callable[[], float],
        clean: Callable[[str], str],
    ) -> None:
        self.limiter = Limiter()
        self.spool = spool
        self.clock = clock
        self.wall = wall
        self.clean = clean
        self.lost = 0
        self._kept: deque[bytes] = deque()

    @property
    def waiting(self) -> int:
        """How many records are in memory alone."""
        return len(self._kept)

    def keep(self, record: UsageRecord) -> None:
        """
        Put *record* where it is not lost.

        Where that fails, for want of a file or of space, it is kept here until it can
        be done; beyond a bound the oldest go, and are counted.
        """
        if self.spool is None:
            return
        was_empty = not self._kept
        self._kept.append(usage_record.encode(record))
        if len(self._kept) > _MOST_KEPT:
            self._kept.popleft()
            self.lost += 1
        self.flush(says=was_empty)

    def flush(self, *, says: bool = False) -> None:
        """Spool what is kept; say what is in the way of that, if wanted."""
        if self.spool is None:
            return
        try:
            while self._kept:
                try:
                    self.spool.append(self._kept[0])
                except RecordTooLong:
                    # It never fits, and those behind it have to get on.
                    _log.critical("a record of usage is lost: it is too long")
                    self.lost += 1
                self._kept.popleft()
        except SpoolUnavailable as error:
            if says:
                _log.warn("usage is kept in memory alone: {reason}", reason=str(error))

    def give_up(self) -> None:
        """Spool what is kept if that is possible now, and say what is lost."""
        self.flush()
        if self._kept:
            self.lost += len(self._kept)
            _log.critical("{count} records of usage are lost", count=len(self._kept))
            self._kept.clear()

    @property
    def limits(self) -> str:
        """By whom limits are counted: `local`, `shared`, or `degraded`."""
        if self.shared is None:
            return "local"
        return "shared" if self.shared.is_shared else "degraded"

    @property
    def under_way(self) -> int:
        """How many reservations this process has, wherever they are counted."""
        here = self.limiter.under_way
        return here if self.shared is None else here + self.shared.under_way

    def fullness(self, budgets: Iterable[Limit], payer: str) -> tuple[Fullness, ...]:
        """Return how full *budgets* are, as far as this process knows."""
        now = self.wall()
        if self.shared is not None and self.shared.is_shared:
            return self.shared.fullness(budgets, payer, now)
        return self.limiter.fullness(budgets, payer, now)

    async def reserve(
        self, shared: SharedCounts, demand: Demand, *, fails_open: bool
    ) -> Reservation | Denied:
        """
        Take what *demand* asks of all its limits, of those that are *shared*.

        While they are away it is what this process counts that decides, or, unless
        that *fails_open*, nobody: then it raises CountersUnavailable.
        """
        try:
            return await shared.reserve(demand)
        except CountersUnavailable:
            if not fails_open:
                raise
            return self.limiter.reserve(self.wall(), demand)

    def settle(self, reservation_id: str, actual: Actual) -> None:
        """Put what was used in the place of what was held, wherever that is."""
        if self.shared is None or not self.shared.settle(reservation_id, actual):
            self.limiter.settle(reservation_id, actual, self.wall())

    def abandon(self, reservation_id: str) -> None:
        """Give back what is held, wherever that is."""
        if self.shared is None or not self.shared.abandon(reservation_id):
            self.limiter.abandon(reservation_id, self.wall())

    def restore(self, saved: Iterable[Saved]) -> None:
        """Take up what the ledger says was spent."""
        saved = tuple(saved)
        self.limiter.restore(saved)
        if self.shared is not None:
            self.shared.restore(saved)

    def renew(self) -> None:
        """Let what is reserved last, since its exchanges are still under way."""
        now = self.wall()
        for lease in self.limiter.open_ids():
            self.limiter.renew(lease, now)
