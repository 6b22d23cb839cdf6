"""The price list of the corpus, and overrides as a test writes them."""

import json
from fractions import Fraction
from functools import cache
from pathlib import Path

from byok.core.price import ATTO, MILLION, Rate, Rates
from byok.core.prices import HIGHEST, Overrides
from byok.prices.shipped import price_list

CORPUS = Path(__file__).parents[1] / "corpus" / "cost" / "cases.json"

NOW = 1_795_500_000.0
"""A day in November 2026."""


@cache
def corpus():
    return json.loads(CORPUS.read_text("utf-8"))


@cache
def listed():
    return price_list(corpus()["list"])


def overrides(*, multiplier="1", fallback=HIGHEST, **more):
    return Overrides(multiplier=Fraction(multiplier), fallback=fallback, **more)


def rate(dollars, *tiers, source="here"):
    """Return the rate of so many dollars a million."""

    def atto(amount):
        return int(Fraction(str(amount)) * ATTO / MILLION)

    return Rate(
        each=atto(dollars),
        tiers=tuple((start, atto(each)) for start, each in tiers),
        source=source,
    )


def rates(**dollars):
    return Rates(**{kind: rate(each) for kind, each in dollars.items()})
