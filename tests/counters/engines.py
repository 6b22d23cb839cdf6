"""The limiter in the server behind the face of the one in memory."""

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from byok.core.limits.demand import (
    Actual,
    Demand,
    Denied,
    Fullness,
    Hold,
    Lease,
    Reservation,
    Saved,
)
from byok.core.limits.engine import EXPIRY_S
from byok.core.limits.limit import Limit
from byok.counters.limiter import SharedLimiter
from tests.support.valkey import Asking

T = TypeVar("T")


def at_once(doing: Coroutine[Any, Any, T]) -> T:
    """Return what *doing* returns, which waits for nothing."""
    results: list[T] = []
    failures: list[Any] = []
    done = Deferred.fromCoroutine(doing)
    done.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    return results[0]


class Shared:
    """A limiter whose counts are in an emptied server, and whose time is given."""

    def __init__(self, asking: Asking, *, expiry_s: float = EXPIRY_S) -> None:
        asking.ask("FLUSHALL")
        self._asking = asking
        self._limiter = SharedLimiter(asking.run, lease_s=expiry_s)
        self._expiry_s = expiry_s
        self._limits: dict[str, Limit] = {}

    def reserve(self, now: float, demand: Demand) -> Reservation | Denied:
        self._limits |= {limit.key: limit for limit in demand.limits}
        found = at_once(self._limiter.reserve(demand, now=now))
        if isinstance(found, Denied):
            return found
        return found.reservation

    def settle(self, reservation_id: str, actual: Actual, now: float) -> bool:
        return self._close(reservation_id, actual, now)

    def abandon(self, reservation_id: str, now: float) -> bool:
        return self._close(reservation_id, None, now)

    def _close(self, reservation_id: str, actual: Actual | None, now: float) -> bool:
        closing = self._limiter.close(reservation_id, actual, late=False, now=now)
        return at_once(closing) is not None

    def renew(self, reservation_id: str, now: float) -> bool:
        records = {reservation_id: b""}
        return at_once(self._limiter.renew(records, now=now))[0]

    def expire(self, now: float) -> None:
        # Whoever asks for anything sees to it.
        self.reserve(now, Demand(id="expiring", limits=()))
        self.abandon("expiring", now)

    def open_ids(self) -> tuple[str, ...]:
        found = at_once(self._limiter.leases())
        by_end = sorted(found, key=lambda held: held.expires_at)
        return tuple(held.id for held in by_end)

    def leases(self) -> tuple[Lease, ...]:
        return tuple(
            Lease(
                id=held.id,
                owner=held.owner,
                since=held.since,
                expires_at=held.expires_at,
                holds=tuple(
                    Hold(limit=self._limits[key], amount=amount)
                    for key, amount in held.amounts.items()
                ),
            )
            for held in at_once(self._limiter.leases())
        )

    def fullness(
        self, limits: Iterable[Limit], payer: str, now: float
    ) -> tuple[Fullness, ...]:
        limits = tuple(limits)
        self._limits |= {limit.key: limit for limit in limits}
        return at_once(self._limiter.fullness(limits, payer, now))

    def restore(self, saved: Iterable[Saved]) -> None:
        at_once(self._limiter.restore(saved, now=1.0))

    def snapshot(self, now: float) -> tuple[Saved, ...]:
        found = []
        for name in self._asking.names("{byok}:w:*"):
            if self._asking.ask("TYPE", name) != "hash":
                continue
            fields = self._asking.ask("HMGET", name, "start", "end", "spent")
            assert isinstance(fields, list)
            if fields[0] is None:
                continue
            start, end, spent = fields
            saved = Saved(
                key=name.removeprefix(b"{byok}:w:").decode(),
                start=float(start),
                end=None if end == b"never" else float(end),
                spent_nano=int(spent),
            )
            if saved.spent_nano and (saved.end is None or now < saved.end):
                found.append(saved)
        # In memory they stand in the order of their first use.
        order = list(self._limits)
        return tuple(sorted(found, key=lambda saved: order.index(saved.key)))
