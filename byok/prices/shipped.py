"""Reads the price list that ships with byok."""

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from byok.core.price import ATTO, MILLION, Kind, Rate, Rates, Variant
from byok.core.price_list import Listed, Names, PriceList

FILE = Path(__file__).with_name("prices.json")

_EPOCH = date(1970, 1, 1).toordinal()
_THOUSAND = 1000

Json = dict[str, Any]


@cache
def shipped_prices() -> PriceList:
    """Return the shipped list; it is read once."""
    return price_list(json.loads(FILE.read_text("utf-8")))


def price_list(data: Json) -> PriceList:
    """Return a list as `refresh` wrote it."""
    version: str = data["version"]
    return PriceList(
        version=version,
        providers={
            name: tuple(_listed(each, version) for each in models)
            for name, models in data["providers"].items()
        },
        regions={
            name: tuple((region, Fraction(each)) for region, each in regions.items())
            for name, regions in data["regions"].items()
        },
    )


def _listed(data: Json, version: str) -> Listed:
    return Listed(
        model=data["model"],
        names=Names(
            exact=frozenset(data.get("is", ())),
            beginnings=tuple(data.get("begins", ())),
            patterns=tuple(re.compile(each) for each in data.get("matches", ())),
        ),
        periods=tuple((_day(each), _rates(each, version)) for each in data["prices"]),
        variants=tuple(_variants(data, version)),
    )


def _variants(data: Json, version: str) -> Iterator[Variant]:
    for each in data.get("variants", ()):
        for key, value in each["when"].items():
            yield Variant(
                key=key, value=value, rates=_rates(each, version), from_day=_day(each)
            )


def _day(data: Json) -> int:
    start = data.get("from")
    return 0 if start is None else date.fromisoformat(start).toordinal() - _EPOCH


def _rates(data: Json, source: str) -> Rates:
    return Rates(
        **{each: _rate(data[each], each, source) for each in Kind if each.value in data}
    )


def _rate(data: Any, kind: Kind, source: str) -> Rate:
    per = _THOUSAND if kind is Kind.WEB_SEARCH else MILLION
    base, *tiers = data if isinstance(data, list) else [data]
    return Rate(
        each=_atto(base, per),
        tiers=tuple((start, _atto(each, per)) for start, each in tiers),
        source=source,
    )


def _atto(dollars: str, per: int) -> int:
    return int(Decimal(dollars) * (ATTO // per))
