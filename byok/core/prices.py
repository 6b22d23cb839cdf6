"""Finds what a request costs: by what is listed, and what an operator says over it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction

from byok.core.price import NO_RATES, ONE, Price, Rate, Rates
from byok.core.price_list import Listed, PriceList
from byok.policy.match import Glob

DAY_S = 86_400

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
