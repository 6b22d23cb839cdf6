"""
The engine beside a second, naive reading of the same rules.

The model keeps every event and looks at all of them each time. Random requests are
let in, settled, abandoned and forgotten, time goes by, and the process dies and
comes back with what the ledger knows.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from byok.core.limits.demand import Actual, Demand, Denied, saved_total
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import REQUEST_UNITS, Limit, Metric, Scope, limits_of

PART_S = 6
PARTS = 10
EXPIRY_S = 500.0
START = 1_764_028_710.0  # a minute and a half before midnight, and an hour
MOST = 50
"""What a request of the model costs at most, and what it is reckoned at least."""

LIMITS = (
    *limits_of(Scope.KEY, "a", rpm=4, tpm=90, parallel=3),
    *limits_of(Scope.KEY, "a", max_budget=2e-7, budget_duration="day"),
    *limits_of(Scope.KEY, "b", rpm=3, parallel=4, max_budget=1e-7),
    *limits_of(Scope.TEAM, "t", max_budget=3e-7, budget_duration="1h"),
    *limits_of(Scope.TEAM, "t", tpm=150, parallel=4),
    *limits_of(
        Scope.USER,
        "u",
        max_budget=1e-7,
        budget_duration="day",
        payers=frozenset({"user-key", "org"}),
    ),
)


@dataclass(kw_only=True)
class Event:
    """Something that counts on a rate."""

    key: str
    part: int
    units: int


@dataclass(kw_only=True)
class Asked:
    """A request that was let in."""

    at: float
    counted: list[Event] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    leases: set[str] = field(default_factory=set)


@dataclass(kw_only=True)
class Spent:
    """A row of the ledger."""

    at: float
    key: str
    nano: int


class Limits(RuleBasedStateMachine):
    """Both readings, and what has to be true of them."""

    requests = Bundle("requests")
    settled = Bundle("settled")

    def made(self) -> Limiter:
        """Return an engine that has counted nothing."""
        return Limiter(expiry_s=EXPIRY_S)

    @initialize()
    def begin(self) -> None:
        self.limiter = self.made()
        self.now = START
        self.number = 0
        self.events: list[Event] = []
        self.open: dict[str, Asked] = {}
        self.ledger: list[Spent] = []
        # Of each moment a request was let in, for a reading without parts.
        self.let_in: list[tuple[float, str, str]] = []

    # -- The model -----------------------------------------------------------------

    def part(self) -> int:
        return int(self.now // PART_S)

    def counted(self, key: str) -> int:
        oldest = self.part() - PARTS
        return sum(
            event.units
            for event in self.events
            if event.key == key and event.part >= oldest
        )

    def spent(self, limit: Limit) -> int:
        start = limit.period.span(self.now).start
        return sum(
            row.nano for row in self.ledger if row.key == limit.key and row.at >= start
        )

    def held(self, limit: Limit) -> int:
        start = limit.period.span(self.now).start
        return sum(
            asked.held.get(limit.key, 0)
            for asked in self.open.values()
            if asked.at >= start
        )

    def left(self, limit: Limit) -> int:
        match limit.metric:
            case Metric.REQUESTS:
                return limit.amount * REQUEST_UNITS - self.counted(limit.key)
            case Metric.TOKENS:
                return limit.amount - self.counted(limit.key)
            case Metric.PARALLEL:
                under_way = sum(limit.key in a.leases for a in self.open.values())
                return limit.amount - under_way
            case Metric.COST:
                return limit.amount - self.spent(limit) - self.held(limit)

    def applies(self, limit: Limit, demand: Demand) -> bool:
        if demand.counting:
            return limit.metric is Metric.REQUESTS
        return limit.metric is not Metric.COST or demand.payer in limit.payers

    def fits(self, limit: Limit, demand: Demand, asked: Asked) -> bool:
        """Note in *asked* what it takes of *limit*; does that fit in?"""
        left = self.left(limit)
        match limit.metric:
            case Metric.REQUESTS:
                units = 1 if demand.counting else REQUEST_UNITS
                asked.counted.append(self.event(limit, units))
                return units <= left
            case Metric.TOKENS:
                asked.counted.append(self.event(limit, min(demand.tokens, left)))
                return left > 0 or demand.tokens <= left
            case Metric.PARALLEL:
                asked.leases.add(limit.key)
            case Metric.COST:
                asked.held[limit.key] = min(demand.cost_nano, left)
        return left > 0

    def event(self, limit: Limit, units: int) -> Event:
        return Event(key=limit.key, part=self.part(), units=units)

    def expire(self) -> None:
        for name, asked in list(self.open.items()):
            if asked.at + EXPIRY_S <= self.now:
                self.close(name, None, None)

    def close(self, name: str, tokens: int | None, nano: int | None) -> None:
        asked = self.open.pop(name)
        for event in asked.counted:
            if tokens is None or event.key.split(":")[1] != "tokens":
                continue
            more = tokens - event.units
            if more < 0:
                event.units = tokens
            elif more:
                later = Event(key=event.key, part=self.part(), units=more)
                self.events.append(later)
        for key, held in asked.held.items():
            cost = held if nano is None else nano
            self.ledger.append(Spent(at=asked.at, key=key, nano=cost))

    # -- What happens --------------------------------------------------------------

    @rule(
        target=requests,
        limits=st.just(set(LIMITS)) | st.sets(st.sampled_from(LIMITS), max_size=6),
        tokens=st.integers(0, 60),
        reckoned=st.integers(MOST, 2 * MOST),
        payer=st.sampled_from(["org", "org", "user-key"]),
        counting=st.sampled_from([False, False, False, True]),
    )
    def ask(self, limits, tokens, reckoned, payer, counting):
        self.number += 1
        name = f"r{self.number}"
        ordered = tuple(sorted(limits, key=lambda limit: limit.key))
        demand = Demand(
            id=name,
            limits=ordered,
            tokens=tokens,
            cost_nano=reckoned,
            payer=payer,
            counting=counting,
        )
        self.expire()
        asked = Asked(at=self.now)
        refusing = [
            limit
            for limit in ordered
            if self.applies(limit, demand) and not self.fits(limit, demand, asked)
        ]

        got = self.limiter.reserve(self.now, demand)

        if refusing:
            assert isinstance(got, Denied)
            assert got.limit in refusing
            # A budget of which the rest is held will not stay full.
            spent = [
                each.metric is Metric.COST and self.spent(each) >= each.amount
                for each in refusing
            ]
            assert got.is_budget == any(spent)
            assert got.retry_after_s is None or got.retry_after_s >= 1
            return multiple()
        assert not isinstance(got, Denied), got
        self.open[name] = asked
        self.events += asked.counted
        if not counting:
            for limit in ordered:
                if limit.metric is Metric.REQUESTS:
                    self.let_in.append((self.now, limit.key, name))
        return name

    @rule(
        target=settled,
        name=consumes(requests),
        tokens=st.integers(0, 100),
        nano=st.integers(0, MOST),
    )
    def settle(self, name, tokens, nano):
        was_open = name in self.open
        if was_open:
            self.close(name, tokens, nano)

        actual = Actual(tokens=tokens, cost_nano=nano)
        assert self.limiter.settle(name, actual, self.now) == was_open
        return name

    @rule(name=settled, tokens=st.integers(0, 100), nano=st.integers(0, MOST))
    def settle_again(self, name, tokens, nano):
        actual = Actual(tokens=tokens, cost_nano=nano)
        assert not self.limiter.settle(name, actual, self.now)

    @rule(target=settled, name=consumes(requests))
    def abandon(self, name):
        asked = self.open.pop(name, None)
        for event in asked.counted if asked else ():
            event.units = 0
        self.let_in = [each for each in self.let_in if each[2] != name]

        assert self.limiter.abandon(name, self.now) == (asked is not None)
        return name

    @rule(seconds=st.sampled_from([0.5, 3, 6, 6, 20, 20, 60, 400]))
    def wait(self, seconds):
        self.now += seconds

    @rule(rarely=st.integers(0, 7), from_ledger=st.booleans())
    def die(self, rarely, from_ledger):
        """
        Whatever was in memory is gone; the ledger is not.

        What was snapshot is as good as the ledger.
        """
        if rarely:
            return
        saved = [
            saved_total(limit, self.spent(limit), now=self.now)
            for limit in LIMITS
            if limit.metric is Metric.COST
        ]
        if not from_ledger:
            saved = list(self.limiter.snapshot(self.now))
        self.open.clear()
        self.events.clear()
        self.let_in.clear()
        self.limiter = self.made()
        self.limiter.restore(saved)

    # -- What is true --------------------------------------------------------------

    @invariant()
    def no_budget_is_overspent_by_more_than_one_request(self):
        for limit in LIMITS:
            if limit.metric is Metric.COST:
                assert self.spent(limit) + self.held(limit) < limit.amount + MOST

    @invariant()
    def no_lease_is_lost_and_none_is_made_up(self):
        leases = {
            (each.id, hold.limit.key, hold.amount)
            for each in self.limiter.leases()
            for hold in each.holds
        }

        assert leases == {
            (name, key, amount)
            for name, asked in self.open.items()
            for key, amount in (
                *((key, 1) for key in asked.leases),
                *asked.held.items(),
            )
        }

    @invariant()
    def both_say_the_same_of_every_budget(self):
        for payer in ("org", "user-key"):
            for full in self.limiter.fullness(LIMITS, payer, self.now):
                both = self.spent(full.limit) + self.held(full.limit)
                assert full.used_nano == both

    @invariant()
    def no_minute_has_more_requests_than_the_rate(self):
        for limit in LIMITS:
            if limit.metric is Metric.REQUESTS:
                recent = [
                    at
                    for at, key, _ in self.let_in
                    if key == limit.key and at > self.now - 60
                ]
                assert len(recent) <= limit.amount


Limits.TestCase.settings = settings(
    max_examples=200, stateful_step_count=60, deadline=None
)
TestLimits = Limits.TestCase
