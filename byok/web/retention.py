"""
Old records of the ledger, let go a few at a time; what their days add up to stays.

Every pause is as long as the work before it, so that who writes has the store for at
least half of the time, and never waits for more than one small batch.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from byok.core.errors import StoreUnavailable
from byok.core.usage_periods import DAY_S
from byok.store.pruning import pause_after
from byok.store.usage import UsageStore, day_of

INTERVAL_S = 3600.0
"""How often it is looked: the first time after midnight there is something to do."""

_log = Logger(namespace="byok.retention")


class Retention:
    """
    Keeps the records of as many days as *keep_days* says at the time; None keeps all.

    Today counts as one of them. One process of a gateway does this; where several
    gateways share a store each looks, and finds what the others have left.
    """

    def __init__(
        self,
        usage: UsageStore,
        *,
        keep_days: Callable[[], int | None],
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self._usage = usage
        self._keep_days = keep_days
        self._clock = clock
        self._wall = wall
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock
        self._is_stopping = False
        self._round: Deferred[None] | None = None
        self._pause: Deferred[None] | None = None

    def start(self) -> None:
        """Begin to look, at every interval."""
        self._loop.start(INTERVAL_S, now=False)

    async def stop(self) -> None:
        """Look no more; return when nothing is under way."""
        self._is_stopping = True
        if self._loop.running:
            self._loop.stop()
        if self._pause is not None:
            self._pause.cancel()
        if self._round is not None:
            await self._round

    def _look(self) -> Deferred[None]:
        self._round = Deferred.fromCoroutine(self._prune())
        return self._round

    async def _prune(self) -> None:
        keep = self._keep_days()
        if keep is None:
            return
        today = self._wall() // DAY_S
        before = (today - keep + 1) * DAY_S
        gone = 0
        try:
            while not self._is_stopping:
                began = self._clock.seconds()
                count = await self._usage.prune_some(before)
                if not count:
                    break
                gone += count
                await self._wait(pause_after(self._clock.seconds() - began))
        except StoreUnavailable as error:
            _log.warn("old records stay for now: {why}", why=str(error))
        except Exception:  # noqa: BLE001 - the next round has to come
            _log.failure("old records could not be let go")
        if gone:
            _log.info(
                "let {count} records go of before {day}; their days stay added up",
                count=gone,
                day=day_of(before),
            )

    async def _wait(self, seconds: float) -> None:
        self._pause = deferLater(self._clock, seconds)
        # Whoever cancels it wants to be gone, which the loop sees by itself.
        self._pause.addErrback(lambda _: None)
        await self._pause
        self._pause = None
