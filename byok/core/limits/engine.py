"""
Lets requests in, all limits of one at once or none, and settles what they used.

What is open is held by its id, and a hold runs out: what nobody settled by then is
taken as used in full, which is the safe side. So a lease is never lost, a second
settling changes nothing, and one that comes too late does not either.
"""

from collections.abc import Iterable, Iterator
from math import inf

import msgspec

from byok.core.limits.demand import (
    Actual,
    Demand,
    Denied,
    Fullness,
    Hold,
    Lease,
    Reservation,
    Saved,
    ended,
)
from byok.core.limits.denials import denial, final
from byok.core.limits.limit import COST_INDEX, Limit, Metric
from byok.core.limits.windows import (
    REFUSED,
    BudgetWindow,
    LeaseWindow,
    RateWindow,
    Window,
)

EXPIRY_S = 2 * 3600.0
"""How long a reservation lasts that nobody settles or renews."""

_UNKNOWN = (None, None, None, None)
_UNUSED = (0, 0, 0, 0)
_SWEPT = 2


class _Held(msgspec.Struct, gc=False):
    """What an open reservation has taken: of which limit, how much, and where."""

    since: float
    expires_at: float
    owner: str
    taken: tuple[tuple[Limit, int, float], ...]


class Limiter:
    """
    The counts of all limits in one process.

    Memory is bounded by what was used lately: for every window that is made, two
    are looked at, and those that count nothing any more go.
    """

    __slots__ = ("_expiry_s", "_made", "_open", "_sweep", "_windows")

    def __init__(self, *, expiry_s: float = EXPIRY_S) -> None:
        self._expiry_s = expiry_s
        # In the order in which they run out.
        self._open: dict[str, _Held] = {}
        self._windows: dict[str, Window] = {}
        # Windows made since the last look at old ones, and those still to look at.
        self._made = 0
        self._sweep: Iterator[str] = iter(())

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def under_way(self) -> int:
        """How many reservations are open."""
        return len(self._open)

    def reserve(self, now: float, demand: Demand) -> Reservation | Denied:
        """Take what *demand* asks of all its limits, or nothing of any."""
        if self._made:
            self._tidy(now)
        if self._open:
            self.expire(now)
            if demand.id in self._open:
                raise ValueError("this reservation is open already")
        wants = demand.wants()
        granted = []
        soft: tuple[Limit, ...] = ()
        denied: Denied | None = None
        for limit in demand.limits:
            want = wants[limit.index]
            is_budget = limit.index == COST_INDEX
            if want is None or (is_budget and demand.payer not in limit.payers):
                continue
            window = self._windows.get(limit.key) or self._opened(limit, now)
            grant = window.grant(limit, want, now)
            if grant == REFUSED:
                wait_s = window.wait_s(limit, want, now)
                # The rest is held, and most of that will come back before long.
                held = isinstance(window, BudgetWindow) and window.spent < limit.units
                denied = final(denied, denial(limit, wait_s, now, is_held=held))
            else:
                granted.append((window, limit, grant))
        if denied is not None:
            return denied
        taken = []
        for window, limit, grant in granted:
            taken.append((limit, grant, window.take(grant)))
            if limit.soft is not None and _used(window) >= limit.soft:
                soft = (*soft, limit)
        self._open[demand.id] = _Held(
            now, now + self._expiry_s, demand.owner, tuple(taken)
        )
        return Reservation(id=demand.id, past_soft=soft)

    def settle(self, reservation_id: str, actual: Actual, now: float) -> bool:
        """Put what was used in the place of what was held; False if nothing was."""
        used = (None, actual.tokens, None, actual.cost_nano)
        return self._close(reservation_id, used, now)

    def abandon(self, reservation_id: str, now: float) -> bool:
        """Give all back, as if nobody had asked; False if nothing was held."""
        return self._close(reservation_id, _UNUSED, now)

    def renew(self, reservation_id: str, now: float) -> bool:
        """Let a reservation last, since its request is still under way."""
        held = self._open.pop(reservation_id, None)
        if held is None:
            return False
        held.expires_at = now + self._expiry_s
        self._open[reservation_id] = held
        return True

    def expire(self, now: float) -> None:
        """Take as used what nobody settled in time."""
        while self._open:
            reservation_id, held = next(iter(self._open.items()))
            if held.expires_at > now:
                return
            self._close(reservation_id, _UNKNOWN, now)

    def open_ids(self) -> tuple[str, ...]:
        """Return what is reserved and not settled, the longest first."""
        return tuple(self._open)

    def leases(self) -> tuple[Lease, ...]:
        """Return what is under way, the longest first."""
        found = [
            Lease(
                id=reservation_id,
                owner=held.owner,
                since=held.since,
                expires_at=held.expires_at,
                holds=tuple(
                    Hold(limit=limit, amount=grant)
                    for limit, grant, _ in held.taken
                    if limit.metric in {Metric.PARALLEL, Metric.COST}
                ),
            )
            for reservation_id, held in self._open.items()
        ]
        return tuple(sorted(found, key=lambda lease: lease.since))

    def fullness(
        self, limits: Iterable[Limit], payer: str, now: float
    ) -> tuple[Fullness, ...]:
        """Return how full those budgets of *limits* are that count this *payer*."""
        found = []
        for limit in limits:
            if limit.metric is not Metric.COST or payer not in limit.payers:
                continue
            window = self._windows.get(limit.key)
            if isinstance(window, BudgetWindow) and now < window.end:
                spent, used, end = window.spent, window.used, window.end
            else:
                spent, used, end = 0, 0, limit.period.span(now).end
            found.append(
                Fullness(
                    limit=limit,
                    spent_nano=spent,
                    used_nano=used,
                    fraction=used / limit.units if limit.units else 1.0,
                    reset_at=ended(end),
                    past_soft=limit.soft is not None and used >= limit.soft,
                )
            )
        return tuple(found)

    def snapshot(self, now: float) -> tuple[Saved, ...]:
        """
        Return what was spent of each budget that is not over.

        What is held is not in it: a process that begins anew has no requests under
        way. Nor are rates, so that after a crash there may be one window's worth
        of a rate a second time.
        """
        return tuple(
            Saved(
                key=key,
                start=window.start,
                end=ended(window.end),
                spent_nano=window.spent,
            )
            for key, window in self._windows.items()
            if isinstance(window, BudgetWindow) and window.spent and now < window.end
        )

    def restore(self, saved: Iterable[Saved]) -> None:
        """
        Go on from what a snapshot or the ledger says was spent.

        It may come while requests are under way: what is held for the same period
        stays held.
        """
        for each in saved:
            end = inf if each.end is None else each.end
            window = self._windows.get(each.key)
            if isinstance(window, BudgetWindow) and window.start == each.start:
                # The ledger is written later: what it does not know yet stays counted.
                window.spent = max(window.spent, each.spent_nano)
            elif not isinstance(window, BudgetWindow) or window.start < each.start:
                self._windows[each.key] = BudgetWindow(each.start, end, each.spent_nano)

    def _close(
        self, reservation_id: str, used: tuple[int | None, ...], now: float
    ) -> bool:
        held = self._open.pop(reservation_id, None)
        if held is None:
            return False
        for limit, grant, mark in held.taken:
            actual = used[limit.index]
            window = self._windows.get(limit.key)
            if window is None:
                # It was forgotten while the request went on.
                window = self._opened(limit, now)
            window.settle(grant, grant if actual is None else actual, mark, now)
        return True

    def _tidy(self, now: float) -> None:
        # Between requests, since a window that was just made counts nothing yet.
        for _ in range(self._made * _SWEPT):
            key = next(self._sweep, None)
            if key is None:
                self._sweep = iter(tuple(self._windows))
                break
            window = self._windows.get(key)
            if window is not None and window.is_idle(now):
                del self._windows[key]
        self._made = 0

    def _opened(self, limit: Limit, now: float) -> Window:
        made: Window
        if limit.metric is Metric.COST:
            made = BudgetWindow()
        elif limit.metric is Metric.PARALLEL:
            made = LeaseWindow()
        else:
            made = RateWindow(limit, now)
        self._windows[limit.key] = made
        self._made += 1
        return made


def _used(window: Window) -> int:
    return window.used if isinstance(window, BudgetWindow) else 0
