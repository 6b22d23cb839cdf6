"""
From exchanges that are over to the ledger: what is counted, spooled and handed on.

Records are on disk when an exchange is closed, and in the store a moment later. What
was spooled by a process that is gone, its successor or a neighbour hands on.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread

from byok.core.usage_record import decode
from byok.counters.shared import SharedCounts
from byok.spool.drain import Drain
from byok.spool.source import Spooled
from byok.spool.spool import Spool
from byok.spool.syncing import Syncing
from byok.store.usage import UsageStore
from byok.web.budgets import Budgets
from byok.web.counts import Counts
from byok.web.meters import Reading

_RENEWED_EVERY_S = 600.0
_FLUSHED_EVERY_S = 1.0
_SYNCED_EVERY_S = 1.0


class Ledger:
    """What one process has of it: its counts, its spool, and the way into the store."""

    def __init__(
        self,
        usage: UsageStore,
        directory: Path | None,
        *,
        clock: IReactorTime,
        wall: Callable[[], float],
        clean: Callable[[str], str],
        is_synced: bool = False,
    ) -> None:
        self._clock = clock
        self._usage = usage
        self.spool = (
            None if directory is None else Spool(directory, is_synced=is_synced)
        )
        self.counts = Counts(self.spool, clock=clock, wall=wall, clean=clean)
        self.budgets = Budgets(usage, self.counts)
        self.drain = (
            None if self.spool is None else Drain(self.spool, self._keep, clock)
        )
        self._syncing: Syncing | None = None
        if self.spool is not None and is_synced:
            self._syncing = Syncing(
                self.spool,
                interval_s=_SYNCED_EVERY_S,
                in_thread=deferToThread,
                clock=clock,
            )
        self._renewing = LoopingCall(self.counts.renew)
        self._flushing = LoopingCall(self.counts.flush)
        self._renewing.clock = self._flushing.clock = clock

    @property
    def trouble(self) -> str | None:
        """What keeps usage from being recorded, in words; or None."""
        for each in (self.spool, self.drain):
            if each is not None and each.trouble is not None:
                return each.trouble
        return None

    def readings(self) -> Iterator[Reading]:
        """Yield what there is to tell of it at a scrape."""
        yield "byok_leases_open", (), self.counts.under_way
        yield "byok_usage_records", ("lost",), self.counts.lost
        if self.spool is None or self.drain is None:
            return
        yield "byok_usage_records", ("spooled",), self.spool.appended
        yield "byok_usage_records", ("stored",), self.drain.drained
        yield "byok_usage_records", ("rejected",), self.drain.rejected
        try:
            backlog = self.drain.backlog()
        except OSError:
            # Readiness says that, and a scrape tells the rest.
            return
        yield "byok_spool_records", (), backlog.records + self.counts.waiting
        yield "byok_spool_bytes", (), backlog.bytes
        yield "byok_spool_lag_seconds", (), backlog.oldest_s

    async def share(self, shared: SharedCounts) -> None:
        """Count limits together with others, from the start on."""
        self.counts.shared = shared
        await shared.start()

    def start(self) -> None:
        """Begin to hand on what is spooled."""
        self.budgets.start(self._clock)
        self._renewing.start(_RENEWED_EVERY_S, now=False)
        self._flushing.start(_FLUSHED_EVERY_S, now=False)
        if self.drain is not None:
            self.drain.start()
        if self._syncing is not None:
            self._syncing.start()

    async def stop(self) -> None:
        """Hand on what the store still takes; call it when no exchange is left."""
        await self.budgets.stop()
        for each in (self._renewing, self._flushing):
            if each.running:
                each.stop()
        self.counts.give_up()
        if self.counts.shared is not None:
            await self.counts.shared.stop()
        if self._syncing is not None:
            await self._syncing.stop()
        if self.drain is not None:
            await self.drain.stop()
        if self.spool is not None:
            self.spool.close()

    async def _keep(self, batch: Sequence[Spooled]) -> None:
        await self._usage.append([decode(each.payload) for each in batch])
