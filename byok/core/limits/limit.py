"""A limit: of whom, of what, how much, and over which time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum

from byok.core.limits.periods import TOTAL, Kind, Period, parse_period

NANO = 1_000_000_000
"""Nanodollars in a dollar."""

REQUEST_UNITS = 10
"""What a request weighs on a rate; asking for a count of tokens weighs one."""

MINUTE_S = 60
_MOST_UNITS = 2**53
ORG_PAYS = frozenset({"org"})


class Scope(Enum):
    """Whose use is limited."""

    KEY = "key"
    USER = "user"
    TEAM = "team"
    MODEL = "model"
    DEPLOYMENT = "deployment"
    SESSION = "session"
    AGENT = "agent"


class Metric(Enum):
    """What is limited."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    PARALLEL = "parallel"
    COST = "cost"


# Where a metric stands in the tuples of what is wanted and what was used.
INDEX = {metric: at for at, metric in enumerate(Metric)}
COST_INDEX = INDEX[Metric.COST]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """
    One limit. A new *amount* under the same *key* goes on with what was counted.

    The *amount* is requests or tokens in any *window_s*, leases at once, or the
    nanodollars of a *period*. *label* is the name shown to people. A budget counts
    what the *payers* pay, which is the organisation alone unless it says otherwise.
    From *soft* on it warns; where it is not *hard*, it does no more than that.
    """

    scope: Scope
    scope_id: str
    metric: Metric
    amount: int
    window_s: int = MINUTE_S
    period: Period = TOTAL
    soft: int | None = None
    hard: bool = True
    payers: frozenset[str] = ORG_PAYS
    label: str | None = None
    key: str = field(init=False)
    index: int = field(init=False, repr=False, compare=False)
    units: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.amount < 0 or self.window_s < 1:
            raise ValueError("a limit is an amount from 0 on, over a second or more")
        is_cost = self.metric is Metric.COST
        passing = self.scope in {Scope.SESSION, Scope.AGENT}
        if is_cost and passing and self.period.kind is Kind.TOTAL:
            raise ValueError(
                "a budget of a session needs an end: nothing ends sessions"
            )
        over = self.period.key if is_cost else str(self.window_s)
        if self.payers != ORG_PAYS and is_cost:
            # What others paid before is no part of what these pay.
            over = f"{over}:{'+'.join(sorted(self.payers))}"
        key = f"{self.scope.value}:{self.metric.value}:{over}:{self.scope_id}"
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "index", INDEX[self.metric])
        weight = REQUEST_UNITS if self.metric is Metric.REQUESTS else 1
        # More than anybody counts, and what every counter can hold.
        units = min(self.amount * weight, _MOST_UNITS)
        object.__setattr__(self, "units", units)


def nano_of(dollars: float) -> int:
    """Return *dollars*, as they are written, in nanodollars."""
    nano = Decimal(str(dollars)) * NANO
    return int(nano.to_integral_value(rounding=ROUND_HALF_EVEN))


def distinct(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    """
    Return *limits* with one of each key, the one that allows least.

    A reservation counts each of its limits; two of the same key would count twice.
    """
    least: dict[str, Limit] = {}
    for limit in limits:
        other = least.get(limit.key)
        if other is None or (not limit.hard, limit.amount) < (
            not other.hard,
            other.amount,
        ):
            least[limit.key] = limit
    return tuple(least.values())


def limits_of(
    scope: Scope,
    scope_id: str,
    *,
    label: str | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
    parallel: int | None = None,
    max_budget: float | None = None,
    soft_budget: float | None = None,
    budget_duration: str | None = None,
    payers: frozenset[str] = ORG_PAYS,
    anchor: float = 0.0,
) -> tuple[Limit, ...]:
    """
    Return the limits of one key, user, team, model, deployment, session or agent.

    A *budget_duration* that cannot be read makes a budget without an end, which is
    the strictest reading; who lets people write one checks it.
    """
    rates = (
        (Metric.REQUESTS, rpm),
        (Metric.TOKENS, tpm),
        (Metric.PARALLEL, parallel),
    )
    found = [
        Limit(scope=scope, scope_id=scope_id, metric=metric, amount=amount, label=label)
        for metric, amount in rates
        if amount is not None
    ]
    soft = None if soft_budget is None else nano_of(soft_budget)
    hard = None if max_budget is None else nano_of(max_budget)
    amount = soft if hard is None else hard
    if amount is not None:
        passing = scope in {Scope.SESSION, Scope.AGENT}
        period = parse_period(budget_duration, anchor=anchor, from_first_use=passing)
        found.append(
            Limit(
                scope=scope,
                scope_id=scope_id,
                metric=Metric.COST,
                amount=amount,
                period=period or TOTAL,
                soft=soft,
                hard=hard is not None,
                payers=payers,
                label=label,
            )
        )
    return tuple(found)
