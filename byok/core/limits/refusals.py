"""What a caller is told when a limit does not let a request in."""

from datetime import UTC, datetime

from byok.core.errors import Refusal
from byok.core.limits.demand import Denied
from byok.core.limits.limit import NANO, Limit, Metric, Scope
from byok.core.limits.standing import rejected

BUDGET_STATUS = 429


def refusal_of(denied: Denied, *, budget_status: int = BUDGET_STATUS) -> Refusal:
    """
    Return the answer to a request that was not let in.

    A rate passes, so the client is told when to ask again. A budget does not: the
    client is told to stop, and when the next period begins.
    """
    retry = denied.retry_after_s
    waiting = () if retry is None else (("retry-after", str(retry)),)
    if denied.is_budget:
        return Refusal(
            status=budget_status,
            kind="billing_error",
            code="limit.budget",
            message=_of_a_budget(denied),
            headers=(*waiting, ("x-should-retry", "false"), *rejected(denied)),
        )
    match denied.limit.metric:
        case Metric.REQUESTS:
            return _refusal("limit.requests", _of_a_rate(denied), waiting)
        case Metric.TOKENS:
            return _refusal("limit.tokens", _of_a_rate(denied), waiting)
        case Metric.PARALLEL:
            return _refusal("limit.parallel", _of_slots(denied), waiting)
    return _refusal("limit.cost", _of_what_is_held(denied), waiting)


def _refusal(code: str, message: str, waiting: tuple[tuple[str, str], ...]) -> Refusal:
    return Refusal(
        status=429,
        kind="rate_limit_error",
        code=code,
        message=message,
        headers=waiting,
    )


def _of_a_budget(denied: Denied) -> str:
    limit = denied.limit
    resets = ""
    if denied.reset_at is not None:
        resets = f"; resets {utc(denied.reset_at)}"
    return (
        f"Spend limit reached ({limit.period.word}{resets}): the budget of "
        f"{whose(limit)}, {dollars(limit.amount)}, is used up."
    )


def _of_what_is_held(denied: Denied) -> str:
    return (
        f"The rest of the budget of {whose(denied.limit)} is held for its requests "
        "under way. Ask again when one of them has ended."
    )


def _of_slots(denied: Denied) -> str:
    limit = denied.limit
    return (
        f"Too many requests at once: {whose(limit)} may have {limit.amount:,} "
        "under way. Ask again when one of them has ended."
    )


def _of_a_rate(denied: Denied) -> str:
    limit = denied.limit
    return (
        f"Rate limit reached: {whose(limit)} may use {limit.amount:,} "
        f"{limit.metric.value} {_over(limit.window_s)}. "
        f"Ask again in {denied.retry_after_s} s."
    )


def whose(limit: Limit) -> str:
    """Name what is limited; a session's id is nobody's business but the client's."""
    if limit.scope in {Scope.SESSION, Scope.AGENT}:
        return f"this {limit.scope.value}"
    return f"{limit.scope.value} {limit.label or limit.scope_id}"


def utc(at: float) -> str:
    """Write a moment to the minute it is over by: nobody shall come too early."""
    return datetime.fromtimestamp(-(-at // 60) * 60, tz=UTC).strftime(
        "%Y-%m-%d %H:%M UTC"
    )


def dollars(nano: int) -> str:
    """Write nanodollars as dollars: to the cent, and further where that is needed."""
    whole, rest = divmod(nano, NANO)
    digits = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"${whole:,}.{digits}"


def _over(window_s: int) -> str:
    return "a minute" if window_s == 60 else f"in {window_s:,} s"  # noqa: PLR2004
