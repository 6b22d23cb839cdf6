"""
How Claude Code is told where its user stands with a budget.

The client reads the headers that Anthropic's own API sends its subscribers, and shows
a notice past a threshold. Of its windows it is "overage" that is not bound to hours
or a week; so that is what a budget of ours is called there.
"""

from collections.abc import Iterable

from byok.core.limits.demand import Denied, Fullness
from byok.core.limits.limit import Scope
from byok.core.limits.periods import DAY, MONTH, WEEK

PREFIX = "anthropic-ratelimit-unified-"

THRESHOLDS = (0.95, 0.75)
"""From which fraction of a budget on its user is warned."""

_MOST = 0.99
_PERIODS = {DAY: "daily", WEEK: "weekly", MONTH: "monthly"}

Pairs = tuple[tuple[str, str], ...]


def standing(budgets: Iterable[Fullness]) -> Pairs:
    """
    Return the headers of an answer to somebody with *budgets*: nothing without one.

    They describe the fullest. What is held for requests under way is left out, since
    most of it will not be used.
    """
    fullest = max(budgets, key=_fraction, default=None)
    if fullest is None:
        return ()
    fraction = _fraction(fullest)
    passed = _passed(fullest, fraction)
    status = "allowed" if passed is None else "allowed_warning"
    return (
        (f"{PREFIX}status", status),
        (f"{PREFIX}representative-claim", "overage"),
        (f"{PREFIX}overage-status", status),
        (f"{PREFIX}overage-utilization", f"{min(fraction, _MOST):.2f}"),
        *_threshold(passed),
        *_resets(fullest.reset_at),
    )


def rejected(denied: Denied) -> Pairs:
    """
    Return the headers beside the refusal of a request that is over a budget.

    Without a claim: with one, the client words the refusal itself and drops ours,
    which says whose budget it is and when the next one begins.
    """
    limit = denied.limit
    period = _PERIODS.get(limit.period)
    return (
        (f"{PREFIX}status", "rejected"),
        *_resets(denied.reset_at),
        (f"{PREFIX}overage-utilization", "1"),
        *_threshold(1.0),
        *(() if period is None else ((f"{PREFIX}overage-period", period),)),
        (f"{PREFIX}overage-disabled-reason", "org_spend_cap_reached"),
        # The user's own budget is not what is in the way.
        *(
            ((f"{PREFIX}overage-scope", "group_pool"),)
            if limit.scope is Scope.TEAM
            else ()
        ),
    )


def _fraction(budget: Fullness) -> float:
    amount = budget.limit.amount
    return budget.spent_nano / amount if amount else 1.0


def _passed(budget: Fullness, fraction: float) -> float | None:
    for each in THRESHOLDS:
        if fraction >= each:
            return each
    soft, amount = budget.limit.soft, budget.limit.amount
    if soft is not None and budget.spent_nano >= soft:
        return soft / amount
    return None


def _threshold(passed: float | None) -> Pairs:
    if passed is None:
        return ()
    return ((f"{PREFIX}overage-surpassed-threshold", f"{passed:.2g}"),)


def _resets(at: float | None) -> Pairs:
    if at is None:
        return ()
    told = str(-int(-at // 1))
    return ((f"{PREFIX}reset", told), (f"{PREFIX}overage-reset", told))
