"""
What is counted for one limit, each kind in a fixed number of figures.

A window is asked first (`grant`) and takes after all of a request's limits have said
yes (`take`). It returns a mark, by which what was taken is found again at the end.
"""

from functools import lru_cache
from math import inf
from typing import Protocol

from byok.core.limits.limit import Limit, Metric

PARTS = 10
"""A rate's window is counted in so many parts."""

REFUSED = -1


@lru_cache(maxsize=64)
def _part_s(window_s: int) -> float:
    return window_s / PARTS


class Window(Protocol):
    """The counts of one limit."""

    def grant(self, limit: Limit, want: int, now: float) -> int:
        """Return how much of *want* there is, or REFUSED; nothing is taken yet."""

    def take(self, grant: int) -> float:
        """Take what was just granted, and return where it stands."""

    def settle(self, grant: int, actual: int, mark: float, now: float) -> None:
        """Put *actual* in the place of the *grant* taken at *mark*."""

    def wait_s(self, limit: Limit, want: int, now: float) -> float:
        """Return the seconds until there may be something for *want*."""

    def is_idle(self, now: float) -> bool:
        """Is it the same as a new one?"""


class RateWindow:
    """
    Counts what came in a window that slides along, in ten parts and the newest.

    A count is remembered for the whole window and up to a tenth longer. So there is
    no span of the window's length with more than the limit in it; and nobody waits
    more than a tenth of it longer than if each count had its own time.
    """

    __slots__ = ("_count", "_older", "_part", "_part_s", "_total")

    def __init__(self, limit: Limit, now: float) -> None:
        # One number for all windows of a length: there may be 100,000 of them.
        self._part_s = _part_s(limit.window_s)
        self._part = int(now // self._part_s)
        self._count = 0
        self._older: tuple[tuple[int, int], ...] = ()
        self._total = 0

    def grant(self, limit: Limit, want: int, now: float) -> int:
        """Grant requests whole; of tokens what is left, as nobody knows how many."""
        part = int(now // self._part_s)
        if part > self._part:
            self._advance(part)
        left = limit.units - self._total
        if want <= left:
            return want
        if limit.metric is Metric.TOKENS and left > 0:
            return left
        return REFUSED

    def take(self, grant: int) -> float:
        """Count *grant* in the newest part."""
        self._count += grant
        self._total += grant
        return self._part

    def settle(self, grant: int, actual: int, mark: float, now: float) -> None:
        """Count what was more now, and give back what was less where it was taken."""
        more = actual - grant
        if not more:
            return
        part = int(now // self._part_s)
        if part > self._part:
            self._advance(part)
        if more > 0 or mark == self._part:
            self._count += more
            self._total += more
            return
        for at, (older, count) in enumerate(self._older):
            if older == mark:
                changed = ((older, count + more),)
                self._older = (*self._older[:at], *changed, *self._older[at + 1 :])
                self._total += more

    def wait_s(self, limit: Limit, want: int, now: float) -> float:
        """Return when enough of the oldest parts will have been forgotten."""
        need = 1 if limit.metric is Metric.TOKENS else want
        total = self._total
        for part, count in (*self._older, (self._part, self._count)):
            total -= count
            if limit.units - total >= need:
                return max(0.0, (part + PARTS + 1) * self._part_s - now)
        # Not even an empty window has room for it.
        return float(limit.window_s)

    def is_idle(self, now: float) -> bool:
        """Is all of it forgotten?"""
        return not self._total or now // self._part_s - self._part > PARTS

    def _advance(self, part: int) -> None:
        older = self._older
        if self._count:
            older = (*older, (self._part, self._count))
        if older:
            oldest = part - PARTS
            older = tuple([each for each in older if each[0] >= oldest])
        self._older = older
        self._total = sum([count for _, count in older])
        self._count = 0
        self._part = part


class LeaseWindow:
    """Counts the requests that are under way."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0

    def grant(self, limit: Limit, want: int, now: float) -> int:  # noqa: ARG002
        """Grant a lease while there is one."""
        return want if self.held + want <= limit.units else REFUSED

    def take(self, grant: int) -> float:
        """Hand the lease out."""
        self.held += grant
        return 0.0

    def settle(self, grant: int, actual: int, mark: float, now: float) -> None:  # noqa: ARG002
        """Take the lease back."""
        self.held -= grant

    def wait_s(self, limit: Limit, want: int, now: float) -> float:  # noqa: ARG002
        """Nobody knows when a request ends: a second, as good as any."""
        return 1.0

    def is_idle(self, now: float) -> bool:  # noqa: ARG002
        """Is none handed out?"""
        return not self.held


class BudgetWindow:
    """
    Counts what was spent in a period, and what is held for requests under way.

    A request is let in while anything is left, and holds its estimate, or what is
    left where that is less. So with estimates that are no lower than the cost, a
    budget is overspent by less than the cost of one request: the last one let in.
    """

    __slots__ = ("end", "held", "spent", "start")

    def __init__(self, start: float = -inf, end: float = -inf, spent: int = 0) -> None:
        self.start = start
        self.end = end
        self.spent = spent
        self.held = 0

    @property
    def used(self) -> int:
        """What is spent or held."""
        return self.spent + self.held

    def grant(self, limit: Limit, want: int, now: float) -> int:
        """Grant *want* or what is left of it, as long as anything is left."""
        if now >= self.end:
            self.roll(limit, now)
        if not limit.hard:
            return want
        left = limit.units - self.spent - self.held
        if left <= 0:
            return REFUSED
        return want if want <= left else left  # noqa: FURB136 - it is asked often

    def take(self, grant: int) -> float:
        """Hold *grant*."""
        self.held += grant
        return self.start

    def settle(self, grant: int, actual: int, mark: float, now: float) -> None:  # noqa: ARG002
        """Book *actual* where it was held; a period that is over has its own books."""
        if mark == self.start:
            self.held -= grant
            self.spent += actual

    def wait_s(self, limit: Limit, want: int, now: float) -> float:  # noqa: ARG002
        """Return when the period ends."""
        return max(0.0, self.end - now)

    def is_idle(self, now: float) -> bool:
        """Is the period over, or was nothing of it used?"""
        return now >= self.end or not (self.spent or self.held)

    def roll(self, limit: Limit, now: float) -> None:
        """Begin the period that *now* is in."""
        self.start, self.end = limit.period.span(now)
        self.spent = 0
        self.held = 0
