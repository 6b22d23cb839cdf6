"""
What a model costs: rates by kind of token, and what changes them.

Money is whole attodollars here (1e-18 dollars), so that no price that anybody writes
has to be rounded and everything adds up. It is rounded once, at the end of a sum, in
`cost.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

ATTO = 10**18
"""Attodollars in a dollar."""

MILLION = 10**6

ONE = Fraction(1)


class Kind(StrEnum):
    """What is counted and has a price."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    OUTPUT = "output"
    THINKING = "thinking"
    WEB_SEARCH = "web_search"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """
    What one of a kind costs, in attodollars, and who says so.

    *tiers* are prompts of more than so many tokens, smallest first, with the rate
    of a request whose prompt is that long, from its first token on.
    """

    each: int
    tiers: tuple[tuple[int, int], ...] = ()
    source: str = field(default="", compare=False)

    def times(self, factor: Fraction) -> "Rate":
        """Return this rate times *factor*; what is less than an attodollar is cut."""
        top, bottom = factor.as_integer_ratio()
        return Rate(
            each=self.each * top // bottom,
            tiers=tuple((start, each * top // bottom) for start, each in self.tiers),
            source=self.source,
        )

    def at(self, prompt_tokens: int) -> tuple[int, int]:
        """Return the rate for a prompt of that length, and what it is longer than."""
        found = self.each, 0
        for start, each in self.tiers:
            if prompt_tokens > start:
                found = each, start
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The rates of a model, by kind; None is a kind that has none of its own."""

    input: Rate | None = None
    cache_read: Rate | None = None
    cache_write_5m: Rate | None = None
    cache_write_1h: Rate | None = None
    output: Rate | None = None
    thinking: Rate | None = None
    web_search: Rate | None = None

    def of(self, kind: Kind) -> Rate | None:
        """Return the rate of *kind*."""
        rate: Rate | None = getattr(self, kind.value)
        return rate

    def over(self, other: "Rates") -> "Rates":
        """Return these rates, and those of *other* for kinds that have none here."""
        return Rates(**{each: self.of(each) or other.of(each) for each in Kind})

    def __bool__(self) -> bool:
        return any(self.of(each) is not None for each in Kind)


NO_RATES = Rates()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Rates of requests that were served in a way of their own: fast, in a batch."""

    key: str
    value: str
    rates: Rates
    from_day: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """
    What one model costs.

    *rates* are the usual ones, *variants* what differs from them. *regions* are what
    tokens cost more where a request was bound to a region. *multiplier* applies to
    all, last. *is_fallback*: nothing is known of the model itself.
    """

    provider: str
    model: str
    rates: Rates
    variants: tuple[Variant, ...] = ()
    regions: tuple[tuple[str, Fraction], ...] = ()
    multiplier: Fraction = ONE
    is_fallback: bool = False
    _ways: dict[tuple[str | None, ...], tuple["Charge", ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def charges(
        self, *, speed: str | None, service_tier: str | None, region: str | None
    ) -> tuple["Charge", ...]:
        """Return what is charged, in that order, for a request served that way."""
        key = speed, service_tier, region
        found = self._ways.get(key)
        if found is None:
            # These are words of an answer, and it may say anything.
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            found = self._ways[key] = tuple(self._charges(*key))
        return found

    def _charges(
        self, speed: str | None, service_tier: str | None, region: str | None
    ) -> Iterator["Charge"]:
        served = {
            ("speed", speed),
            ("service_tier", service_tier),
            ("processing", service_tier),
        }
        special, way = NO_RATES, ""
        for each in self.variants:
            if (each.key, each.value) in served:
                special, way = special.over(each.rates), way or each.value
        rates = special.over(self.rates)
        factor = dict(self.regions).get(region or "", ONE)
        for kind in Kind:
            rate, note = _own_or_other(rates, kind)
            is_special = rate is not None and rate is _own_or_other(special, kind)[0]
            notes = [note, way if is_special else ""]
            if rate is not None and factor != ONE and kind is not Kind.WEB_SEARCH:
                rate = rate.times(factor)
                notes.append(f"bound to {region}: x {float(factor):g}")
            yield Charge(kind=kind, rate=rate, note=", ".join(filter(None, notes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """
    What counts for one kind, and why it is not simply its rate.

    None for thinking is thinking that is counted as output, like all that costs the
    same; for others it is that no price is known.
    """

    kind: Kind
    rate: Rate | None
    note: str = ""


_MOST_WAYS = 64

# What counts where a kind has no price of its own, in this order.
_INSTEAD = {
    Kind.CACHE_READ: (Kind.INPUT,),
    Kind.CACHE_WRITE_5M: (Kind.INPUT,),
    Kind.CACHE_WRITE_1H: (Kind.CACHE_WRITE_5M, Kind.INPUT),
}


def _own_or_other(rates: Rates, kind: Kind) -> tuple[Rate | None, str]:
    own = rates.of(kind)
    if own is not None:
        return own, ""
    for other in _INSTEAD.get(kind, ()):
        rate = rates.of(other)
        if rate is not None:
            return rate, f"priced as {other.value}"
    return None, "no price is known"
