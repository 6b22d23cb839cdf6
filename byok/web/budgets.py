"""
What of each budget was spent before, by the ledger: read at its first use, and again.

Requests count in memory. What the ledger adds is the time before this process began,
and what other processes let in meanwhile; so it is asked once before a budget is
first relied on, and every few seconds for those in use.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from byok.core.errors import StoreUnavailable
from byok.core.limits.demand import saved_total
from byok.core.limits.limit import Limit, Metric, Scope
from byok.store.usage import By, DaysWanted, UsageStore, UsageWanted, day_of
from byok.web.counts import Counts

INTERVAL_S = 5.0
"""How often budgets in use are read again."""

AWAY_S = 1.0
"""How long nobody asks a ledger again that could not be read."""

_AT_ONCE = 200
_MOST_KNOWN = 20_000

# In which field of a record, and of a day, stands whose budget it is.
_FIELDS = {
    Scope.KEY: "key_id",
    Scope.USER: "user",
    Scope.TEAM: "team",
    Scope.MODEL: "model",
    Scope.DEPLOYMENT: "deployment",
}

_log = Logger(namespace="byok.budgets")


class Budgets:
    """Keeps what the limiter knows of budgets in step with the ledger."""

    def __init__(
        self, usage: UsageStore, counts: Counts, *, interval_s: float = INTERVAL_S
    ) -> None:
        self._usage = usage
        self._counts = counts
        self._interval_s = interval_s
        # Those read already, the ones used last at the end; and those used since.
        self._known: OrderedDict[str, Limit] = OrderedDict()
        self._used: dict[str, Limit] = {}
        # Those that somebody reads for the first time, and who waits for that.
        self._first: dict[str, list[Deferred[bool]]] = {}
        self._away_until = 0.0
        self._reading: Deferred[None] | None = None
        self._loop = LoopingCall(self._again)
        self._is_away = False

    def start(self, clock: IReactorTime) -> None:
        """Begin to read what is in use, at every interval."""
        self._loop.clock = clock
        self._loop.start(self._interval_s, now=False)

    async def stop(self) -> None:
        """Read no more."""
        if self._loop.running:
            self._loop.stop()
        if self._reading is not None:
            await self._reading

    def unread(self, limits: Iterable[Limit]) -> tuple[Limit, ...]:
        """Return the budgets among *limits* whose past is not known here yet."""
        found: tuple[Limit, ...] = ()
        for limit in limits:
            if limit.metric is not Metric.COST or limit.scope not in _FIELDS:
                continue
            if limit.key in self._known:
                self._used[limit.key] = limit
            else:
                found = (*found, limit)
        return found

    async def learn(self, limits: Sequence[Limit]) -> bool:
        """
        Let the limiter know what was spent of *limits*; tell whether it does.

        Each is read once, however many requests need it at the same time; and a ledger
        that is away is left alone for a while, so that nobody waits long for it.
        """
        if self._counts.clock.seconds() < self._away_until:
            return False
        for limit in limits:
            if not await self._learned(limit):
                return False
        return True

    async def _learned(self, limit: Limit) -> bool:
        waiting = self._first.get(limit.key)
        if waiting is not None:
            # Whoever reads it may be given up; then it is this one's turn.
            other: Deferred[bool] = Deferred()
            waiting.append(other)
            if await other or limit.key in self._known:
                return limit.key in self._known
            return await self._learned(limit)
        self._first[limit.key] = []
        was_tried = False
        try:
            await self.read((limit,))
            was_tried = True
        except StoreUnavailable as error:
            was_tried = True
            self._away(error)
        finally:
            for each in self._first.pop(limit.key):
                each.callback(was_tried)
        return limit.key in self._known

    def _away(self, error: StoreUnavailable) -> None:
        self._away_until = self._counts.clock.seconds() + AWAY_S
        if not self._is_away:
            _log.warn(
                "budgets count what this process sees alone: {why}", why=str(error)
            )
        self._is_away = True

    async def read(self, limits: Sequence[Limit]) -> None:
        """Let the limiter know what was spent of *limits*; raises StoreUnavailable."""
        now = self._counts.wall()
        for limit in limits:
            spent = await self._spent(limit, limit.period.span(now).start)
            self._counts.restore([saved_total(limit, spent, now=now)])
            self._known[limit.key] = limit
            self._known.move_to_end(limit.key)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        self._is_away = False

    def _again(self) -> Deferred[None] | None:
        # What does not fit into this round comes first in the next one.
        used = tuple(self._used.values())
        used, self._used = used[:_AT_ONCE], {each.key: each for each in used[_AT_ONCE:]}
        if not used:
            return None
        reading = Deferred.fromCoroutine(self._reread(used))
        self._reading = None if reading.called else reading
        return reading

    async def _reread(self, limits: Sequence[Limit]) -> None:
        try:
            await self.read(limits)
        except StoreUnavailable as error:
            self._away(error)
        except Exception:  # noqa: BLE001 - the next round has to come
            _log.failure("budgets could not be read again")
        finally:
            self._reading = None

    async def _spent(self, limit: Limit, start: float) -> int:
        """Return the nanodollars of *limit* that are in the ledger since *start*."""
        whose: dict[str, Any] = {_FIELDS[limit.scope]: limit.scope_id}
        first = datetime.fromtimestamp(start, tz=UTC)
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        spent = 0
        if first > midnight:
            midnight += timedelta(days=1)
            spent = await self._spent_within(
                limit, UsageWanted(since=start, until=midnight.timestamp(), **whose)
            )
        days = DaysWanted(first=day_of(midnight.timestamp()), **whose)
        for total in await self._usage.totals(days, by=(By.PAYER,)):
            if total.group[0] in limit.payers:
                spent += total.figures.notional_nano
        return spent

    async def _spent_within(self, limit: Limit, wanted: UsageWanted) -> int:
        return sum(
            total.figures.notional_nano
            for total in await self._usage.sums(wanted, (By.PAYER,))
            if total.group[0] in limit.payers
        )
