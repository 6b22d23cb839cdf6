"""What one request asks for, what it turns out to have used, and what it is told."""

import msgspec

from byok.core.limits.limit import REQUEST_UNITS, Limit

OUTPUT_CAP = 4096
"""The most of an answer that is reckoned with beforehand."""


def estimate_output(max_tokens: int | None) -> int:
    """
    Return how long the answer of a request will be, about.

    *max_tokens* counts up to a bound: clients ask for the most a model can write,
    128,000, and get a few hundred.
    """
    return OUTPUT_CAP if max_tokens is None else min(max_tokens, OUTPUT_CAP)


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the request *id* asks of its *limits*, which have keys that differ.

    *tokens* and *cost_nano* are estimates; the cost is by the prices, whoever pays.
    *counting* is asking for a count of tokens: it costs nothing, so no budget has a
    say in it, and it weighs a tenth of a request on rates. *owner* is shown beside
    the lease.
    """

    id: str
    limits: tuple[Limit, ...]
    tokens: int = 0
    cost_nano: int = 0
    payer: str = "org"
    counting: bool = False
    owner: str = ""

    def wants(self) -> tuple[int | None, ...]:
        """Return what is wanted of each metric, in their order; None is nothing."""
        if self.counting:
            return _COUNTING
        return (REQUEST_UNITS, self.tokens, 1, self.cost_nano)


_COUNTING = (1, None, None, None)


class Actual(msgspec.Struct, frozen=True, kw_only=True):
    """What a request used. None is not known: then the estimate stands."""

    tokens: int | None = None
    cost_nano: int | None = None


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A request was let in; *past_soft* are the budgets that it should be told of."""

    id: str
    past_soft: tuple[Limit, ...] = ()


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """
    A request was not let in by *limit*.

    *reset_at* is when that changes, None for a budget without an end. To ask again
    after *retry_after_s* is no use where it *is_budget*.
    """

    limit: Limit
    retry_after_s: int | None
    reset_at: float | None
    is_budget: bool


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that a request holds, or the nanodollars of a budget."""

    limit: Limit
    amount: int


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One request under way, and what others cannot have as long as it is."""

    id: str
    owner: str
    since: float
    expires_at: float
    holds: tuple[Hold, ...]


class Fullness(msgspec.Struct, frozen=True, kw_only=True):
    """
    How full one budget is.

    What is used is what was spent and what is held for requests under way.
    """

    limit: Limit
    spent_nano: int
    used_nano: int
    fraction: float
    reset_at: float | None
    past_soft: bool


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What a budget's window is made of again after a restart."""

    key: str
    start: float
    end: float | None
    spent_nano: int


def saved_total(
    limit: Limit, spent_nano: int, *, now: float, started_at: float | None = None
) -> Saved:
    """
    Return the window of a budget of which the ledger says what was spent.

    *started_at* is the first use, for a period that begins with it.
    """
    span = limit.period.span(now if started_at is None else started_at)
    return Saved(
        key=limit.key,
        start=span.start,
        end=ended(span.end),
        spent_nano=spent_nano,
    )


def ended(end: float) -> float | None:
    """Return *end*, None where there is none: JSON has no infinity."""
    return None if end == float("inf") else end
