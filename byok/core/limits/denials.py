"""What a request is told that was not let in, and by which of its limits."""

from math import ceil, inf

from byok.core.limits.demand import Denied
from byok.core.limits.limit import Limit, Metric

_HELD_S = 1


def denial(limit: Limit, wait_s: float, now: float, *, is_held: bool = False) -> Denied:
    """
    Say that there is nothing of *limit* for the next *wait_s* seconds.

    Of a budget the rest may be held for requests under way, which is over sooner.
    """
    if is_held:
        return Denied(
            limit=limit, retry_after_s=_HELD_S, reset_at=now + _HELD_S, is_budget=False
        )
    if wait_s == inf:
        return Denied(limit=limit, retry_after_s=None, reset_at=None, is_budget=True)
    is_budget = limit.metric is Metric.COST
    seconds = max(1, ceil(wait_s))
    return Denied(
        limit=limit,
        # Who waits for a rate may ask a little early: clients wait for a minute,
        # and for more than that they do not wait at all.
        retry_after_s=seconds if is_budget else min(seconds, limit.window_s),
        reset_at=now + wait_s,
        is_budget=is_budget,
    )


def final(one: Denied | None, other: Denied) -> Denied:
    """Return the one that stays longer; a budget is said before a rate."""
    if one is None:
        return other
    return max(one, other, key=_finality)


def _finality(denied: Denied) -> tuple[bool, float]:
    reset_at = inf if denied.reset_at is None else denied.reset_at
    return (denied.is_budget, reset_at)
