"""
What a gateway counts together with others, and what becomes of it without them.

What was let in by the server is settled there, and what this gateway let in alone is
settled here. When the server comes back it is told what is still under way and what
has ended meanwhile; so nothing is lost, whether it forgot all or nothing.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from secrets import token_hex
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from byok.core.counters import CountersAddress
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
from byok.counters.limiter import LEASE_S, SharedLimiter, counting, fullness_of
from byok.counters.link import Link

_PATIENCE_S = 1.0
_AT_ONCE = 100
_MOST_KNOWN = 20_000

T = TypeVar("T")

_log = Logger(namespace="byok.limits")


class SharedCounts:
    """
    Lets requests in by what all gateways have counted.

    While the server is away it raises CountersUnavailable, and *local* is to be asked
    instead: it knows what this gateway knew of budgets. What requests cost that ended
    meanwhile the server hears from the ledger, if it *is_recorded*, and else from here.
    """

    def __init__(
        self,
        address: CountersAddress,
        local: Limiter,
        *,
        reactor: Any,
        is_recorded: bool = True,
        lease_s: float = LEASE_S,
    ) -> None:
        self._is_recorded = is_recorded
        self._local = local
        self._clock = IReactorTime(reactor)
        self._link = Link(address, reactor=reactor, made=self._made, lost=self._lost)
        self._limiter = SharedLimiter(self._link.run, lease_s=lease_s)
        self._shown = address.shown
        # What is under way, as the server wrote it; nothing where it was just asked.
        self._open: dict[str, bytes] = {}
        # What has ended and is not known to have been heard: None gives all back.
        self._ended: dict[str, Actual | None] = {}
        # What is known of budgets, those used last at the end.
        self._known: OrderedDict[str, Saved] = OrderedDict()
        # The name of what the server remembers; another one if it forgot.
        self._memory = ""
        self._is_told = False
        self._first: Deferred[None] | None = None
        self._renewing = LoopingCall(self._renew)
        self._renewing.clock = self._clock
        self._every_s = lease_s / 3
        self.is_shared = False

    async def start(self) -> None:
        """Connect; return when that is done, or did not happen soon."""
        self._first = Deferred()
        self._first.addTimeout(
            _PATIENCE_S, self._clock, onTimeoutCancel=lambda *_: None
        )
        self._link.start()
        self._renewing.start(self._every_s, now=False)
        await self._first
        self._first = None
        if not self.is_shared:
            self._tell(self._link.trouble or "it could not be reached")

    async def stop(self) -> None:
        """Have what has ended heard of, if the server is there; then disconnect."""
        if self._renewing.running:
            self._renewing.stop()
        if self.is_shared:
            await gatherResults([self._send(each) for each in tuple(self._ended)])
        self.is_shared, self._is_told = False, True
        await self._link.stop()

    async def reserve(self, demand: Demand) -> Reservation | Denied:
        """Take what *demand* asks of all its limits; raises CountersUnavailable."""
        if not self.is_shared:
            raise CountersUnavailable("it is away")
        # From now on the server may hold it, whatever we hear of that.
        self._open[demand.id] = b""
        try:
            found = await self._limiter.reserve(demand, self._known)
        except CountersUnavailable:
            if self._open.pop(demand.id, None) is not None:
                self._ended[demand.id] = None
            raise
        if isinstance(found, Denied):
            self._open.pop(demand.id, None)
            return found
        if demand.id in self._open:
            self._open[demand.id] = found.record
        for each in found.budgets:
            self._learn(each)
        return found.reservation

    def settle(self, reservation_id: str, actual: Actual) -> bool:
        """Put what was used in the place of what was held; False if not from here."""
        return self._end(reservation_id, actual)

    def abandon(self, reservation_id: str) -> bool:
        """Give all back, as if nobody had asked; False if it was not from here."""
        return self._end(reservation_id, None)

    def restore(self, saved: Iterable[Saved]) -> None:
        """Take up what the ledger says was spent."""
        saved = tuple(saved)
        for each in saved:
            self._learn(each)
        if self.is_shared:
            self._ignoring(self._limiter.restore(saved))

    def fullness(
        self, limits: Iterable[Limit], payer: str, now: float
    ) -> tuple[Fullness, ...]:
        """Return what this gateway last heard of how full budgets are, sans holds."""
        return tuple(
            fullness_of(limit, self._known.get(limit.key), 0, now)
            for limit in counting(limits, payer)
        )

    @property
    def under_way(self) -> int:
        """How many reservations this gateway has in the server."""
        return len(self._open)

    def _end(self, reservation_id: str, actual: Actual | None) -> bool:
        if self._open.pop(reservation_id, None) is None:
            return False
        self._ended[reservation_id] = actual
        if self.is_shared:
            self._send(reservation_id)
        return True

    def _send(self, reservation_id: str) -> Deferred[None]:
        return self._ignoring(self._closed(reservation_id))

    async def _closed(self, reservation_id: str) -> None:
        actual = self._ended[reservation_id]
        budgets = await self._limiter.close(reservation_id, actual)
        self._ended.pop(reservation_id, None)
        for each in budgets or ():
            self._learn(each)

    def _learn(self, saved: Saved) -> None:
        known = self._known.get(saved.key)
        if known is not None and (known.start, known.spent_nano) > (
            saved.start,
            saved.spent_nano,
        ):
            return
        self._known[saved.key] = saved
        self._known.move_to_end(saved.key)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    # When it comes and goes.

    def _made(self) -> None:
        self._ignoring(self._recover())

    async def _recover(self) -> None:
        """Tell the server what it should know of us; then count in it."""
        await self._link.load()
        await self._remind()
        self._link.failures = 0
        self.is_shared = True
        for each, actual in tuple(self._ended.items()):
            if actual is not None and self._is_recorded:
                # Another gateway may have told the server of it, from the ledger.
                self._ended[each] = Actual(tokens=actual.tokens, cost_nano=0)
            self._send(each)
        if self._is_told:
            _log.info(
                "limits are shared again, by {server}",
                event="limits-shared",
                server=self._shown,
            )
        self._is_told = False
        if self._first is not None and not self._first.called:
            self._first.callback(None)

    def _lost(self, why: str) -> None:
        if not self.is_shared:
            return
        self.is_shared = False
        self._local.restore(self._known.values())
        self._tell(why)

    def _tell(self, why: str) -> None:
        if not self._is_told:
            self._is_told = True
            _log.warn(
                "limits are not shared: each gateway counts by itself until {server} is"
                " back ({why})",
                event="limits-degraded",
                server=self._shown,
                why=why,
            )

    def _renew(self) -> Deferred[None] | None:
        return self._ignoring(self._remind()) if self.is_shared else None

    async def _remind(self) -> None:
        """Let what is under way last, and tell a server that forgot what we know."""
        memory = await self._limiter.meet(token_hex(8))
        if memory != self._memory:
            for known in batched(tuple(self._known.values()), _AT_ONCE):
                await self._limiter.restore(known)
            self._memory = memory
        for records in self._under_way():
            await self._limiter.renew(records, revives=True)

    def _under_way(self) -> Iterator[Mapping[str, bytes]]:
        """Yield what the server let in and has not ended, some at a time."""
        for some in batched(tuple(self._open), _AT_ONCE):
            # Others may have ended while the ones before were told.
            records = {
                each: record for each in some if (record := self._open.get(each))
            }
            if records:
                yield records

    def _ignoring(self, doing: Any) -> Deferred[None]:
        """Do it; that the server is away is told elsewhere."""
        done: Deferred[None] = Deferred.fromCoroutine(doing)

        def forgive(failure: Failure) -> None:
            if failure.check(CountersUnavailable) is None:
                _log.failure("the server of counters gave no sense", failure)
                self._link.drop("it gave no sense")

        return done.addErrback(forgive)


def batched(given: tuple[T, ...], most: int) -> Iterator[tuple[T, ...]]:
    """Yield *given* in parts of no more than *most*."""
    for at in range(0, len(given), most):
        yield given[at : at + most]
