"""
What a provider asks for a token: rates by kind, and the table that finds them.

Money is whole attodollars here (1e-18 dollars), so that no price that anybody writes
has to be rounded and everything adds up. It is rounded once, at the end of a sum, in
`cost.py`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fractions import Fraction
from itertools import chain

from byok.policy.match import Glob

ATTO = 10**18
"""Attodollars in a dollar."""

MILLION = 10**6

DAY_S = 86_400

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Which names a model goes by: whole, by how they begin, or by a pattern."""

    exact: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()

    def has(self, name: str) -> bool:
        """Is *name*, in lower case, one of them?"""
        return (
            name in self.exact
            or name.startswith(self.beginnings)
            or any(each.search(name) for each in self.patterns)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One model of a price list; its prices with the day from which each holds."""

    model: str
    names: Names
    periods: tuple[tuple[int, Rates], ...]
    variants: tuple[Variant, ...] = ()

    def rates(self, day: int) -> Rates:
        """Return the rates of that *day*; before all of them, the first."""
        found = self.periods[0][1]
        for start, rates in self.periods:
            if start <= day:
                found = rates
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices as somebody publishes them, by provider."""

    version: str
    providers: Mapping[str, tuple[Listed, ...]]
    regions: Mapping[str, tuple[tuple[str, Fraction], ...]] = field(
        default_factory=dict
    )

    def find(self, provider: str, model: str) -> Listed | None:
        """Return what is listed for *model*, by whichever of its names."""
        listed = self.providers.get(provider, ())
        for name in _spellings(model.lower()):
            for each in listed:
                if each.names.has(name):
                    return each
        return None

    def dearest(self, provider: str, day: int) -> Listed | None:
        """Return the one of *provider*'s models, or of all, whose output costs most."""
        listed = self.providers.get(provider) or tuple(
            chain.from_iterable(self.providers.values())
        )
        return max(listed, key=lambda each: _dearness(each.rates(day)), default=None)


# What a name may end in without being another model: a date, `latest`, and the
# mark that Claude Code has for a long context.
_SUFFIX = re.compile(r"(?:-latest|[-@]\d{8}|-\d{4}-\d\d-\d\d|\[1m\])\Z")


def _spellings(model: str) -> Iterator[str]:
    yield model
    while (shorter := _SUFFIX.sub("", model)) != model:
        model = shorter
        yield model


def _dearness(rates: Rates) -> tuple[int, int]:
    return _most(rates.output), _most(rates.input)


def _most(rate: Rate | None) -> int:
    return 0 if rate is None else max(rate.each, *(each for _, each in rate.tiers), 0)


HIGHEST = "highest"
FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What an operator says of a price, and where."""

    rates: Rates = NO_RATES
    like: str = ""
    multiplier: Fraction | None = None
    source: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """
    Everything an operator says of prices.

    *models* go by `provider/model`, with a star in it perhaps; *deployments* by name.
    *fallback* is what a model costs of which nothing is known: `highest`, `free`, or
    the `provider/model` that it is taken for.
    """

    models: tuple[tuple[str, Override], ...] = ()
    deployments: tuple[tuple[str, Override], ...] = ()
    multiplier: Fraction = ONE
    fallback: str = HIGHEST

    @property
    def digest(self) -> str:
        """Tells these from others that price otherwise; empty where nothing is said."""
        if self == Overrides():
            return ""
        return hashlib.sha256(_canonical(self).encode()).hexdigest()[:8]


def _canonical(value: object) -> str:
    """Return a text that is the same for equal values, sources left out."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, Overrides | Override | Rates | Rate):
        parts = [
            f"{each.name}={_canonical(getattr(value, each.name))}"
            for each in fields(value)
            if each.compare
        ]
        return f"({','.join(parts)})"
    return repr(value)


NOTHING_SAID = Overrides()


class PriceTable:
    """
    Finds what a request costs: what the operator says, then what is listed.

    Of what the operator says, a deployment's own word comes before that about a
    model, and the latter's exact name before a pattern. Each says what it says: kinds
    it leaves out keep the price below it.
    """

    def __init__(self, listed: PriceList, said: Overrides = NOTHING_SAID) -> None:
        self.listed = listed
        self.said = said
        digest = said.digest
        self.version = f"{listed.version}+{digest}" if digest else listed.version
        self._deployments = dict(said.deployments)
        self._exact = {name: each for name, each in said.models if "*" not in name}
        self._globs = sorted(
            (each for each in said.models if "*" in each[0]), key=_by_literals
        )
        self._found: dict[tuple[str, str, str, int], Price | None] = {}

    def find(
        self, provider: str, model: str, *, deployment: str = "", at: float
    ) -> Price | None:
        """
        Return the price of *model* at that time, or None where it counts nothing.

        It is None for models of which nothing is known, if the fallback is `free`.
        """
        day = int(at // DAY_S)
        key = provider, model, deployment, day
        try:
            return self._found[key]
        except KeyError:
            pass
        # A client may ask for any name, through a wildcard.
        if len(self._found) >= _MOST_FOUND:
            self._found.clear()
        price = self._found[key] = self._price(provider, model, deployment, day)
        return price

    def is_listed(self, provider: str, model: str, *, deployment: str = "") -> bool:
        """Is something known of *model* itself, whatever the fallback makes of it?"""
        price = self._price(provider, model, deployment, 0)
        return price is not None and not price.is_fallback

    def fallback_of(self, provider: str, day: int) -> Listed | None:
        """Return what stands in for models of *provider* that nobody lists."""
        if self.said.fallback == FREE:
            return None
        if self.said.fallback == HIGHEST:
            return self.listed.dearest(provider, day)
        other, _, model = self.said.fallback.partition("/")
        return self.listed.find(other, model)

    def _price(
        self, provider: str, model: str, deployment: str, day: int
    ) -> Price | None:
        said = tuple(
            each
            for each in (
                self._deployments.get(deployment),
                self._said_of(f"{provider}/{model}"),
            )
            if each is not None
        )
        listed = self._listed(provider, model, said)
        rates = NO_RATES
        multiplier = self.said.multiplier
        for each in reversed(said):
            rates = each.rates.over(rates)
            multiplier = multiplier if each.multiplier is None else each.multiplier
        is_fallback = listed is None and (rates.input is None or rates.output is None)
        if is_fallback:
            listed = self.fallback_of(provider, day)
        if listed is None and not rates:
            return None
        return Price(
            provider=provider,
            model=listed.model if listed is not None else model,
            rates=rates if listed is None else rates.over(listed.rates(day)),
            variants=()
            if listed is None
            else tuple(each for each in listed.variants if each.from_day <= day),
            regions=self.listed.regions.get(provider, ()),
            multiplier=multiplier,
            is_fallback=is_fallback,
        )

    def _listed(
        self, provider: str, model: str, said: Sequence[Override]
    ) -> Listed | None:
        for each in said:
            if each.like:
                other, _, name = each.like.partition("/")
                return self.listed.find(other, name)
        return self.listed.find(provider, model)

    def _said_of(self, name: str) -> Override | None:
        exact = self._exact.get(name)
        if exact is not None:
            return exact
        for pattern, each in self._globs:
            if Glob(pattern).matches(name):
                return each
        return None


_MOST_FOUND = 4096


def _by_literals(each: tuple[str, Override]) -> tuple[int, int]:
    head, _, tail = each[0].partition("*")
    return -len(head), -len(tail)
