"""Prices as somebody publishes them: by provider, with every name of a model."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

from byok.core.price import Rate, Rates, Variant


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
