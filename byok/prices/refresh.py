"""
Writes the shipped price list anew, from the library genai-prices.

    python -m byok.prices.refresh > byok/prices/prices.json

`make prices` does that, in an environment of its own: the library wants pydantic and
an HTTP client, and a gateway that starts should not load either to know a price.
What is written is as the library has it: its models in its order, its prices as it
writes them, in dollars for a million. What byok cannot price by is left out.
"""

import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

LIBRARY = "genai-prices"

PROVIDERS = ("anthropic", "openai")
"""Whose prices are kept: those of the providers that byok knows."""

NOTICE = (
    "From genai-prices (https://github.com/pydantic/genai-prices),"
    " Copyright (c) Pydantic Services Inc. 2025 to present, MIT License."
)

# What tokens cost more where inference was bound to a region; the library has no
# word for it. https://platform.claude.com/docs/en/about-claude/pricing
REGIONS = {"anthropic": {"us": "1.1"}}

# Kinds of ours, and where the library has their prices: the first that is there.
_KINDS = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok",),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok"),
    "output": ("output_mtok",),
    "web_search": ("web_searches_kcount",),
}

Json = dict[str, Any]


class UnknownShapeError(Exception):
    """The library says something that byok has no word for."""


def main() -> None:
    """Write the list to standard output."""
    data = importlib.import_module("genai_prices.data")
    version = importlib.metadata.version(LIBRARY)
    today = datetime.now(tz=UTC).date().isoformat()
    sys.stdout.write(as_text(price_list(data.providers, version, today)))


def price_list(providers: Any, version: str, date: str) -> Json:
    """Return the list of those *providers* that are kept, as JSON data."""
    return {
        "version": f"{LIBRARY}-{version}",
        "written": date,
        "notice": NOTICE,
        "unit": "dollars for a million tokens, or a thousand web searches",
        "regions": REGIONS,
        "providers": {
            each.id: [found for model in each.models if (found := _model(model))]
            for each in providers
            if each.id in PROVIDERS
        },
    }


def as_text(listed: Json) -> str:
    """Return the list as JSON with a line for each model, so that changes show."""
    head = {key: value for key, value in listed.items() if key != "providers"}
    lines = json.dumps(head, indent=1)[:-2] + ',\n "providers": {\n'
    parts = [
        f'  "{name}": [\n'
        + ",\n".join(f"   {json.dumps(each)}" for each in models)
        + "\n  ]"
        for name, models in listed["providers"].items()
    ]
    return lines + ",\n".join(parts) + "\n }\n}\n"


def _model(model: Any) -> Json | None:
    periods = list(_periods(model.prices))
    if not all("input" in each for each in periods):
        return None  # priced by the second, the image or the page
    found: Json = {"model": model.id, **_names(model.match), "prices": periods}
    variants = list(_variants(model.price_variants or ()))
    if variants:
        found["variants"] = variants
    return found


def _names(clause: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in getattr(clause, "or_", None) or [clause]:
        key, value = _name(each)
        found.setdefault(key, []).append(value)
    return found


def _name(clause: Any) -> tuple[str, str]:
    for key, attribute in (
        ("is", "equals"),
        ("begins", "starts_with"),
        ("matches", "regex"),
        ("matches", "contains"),
    ):
        value = getattr(clause, attribute, None)
        if not isinstance(value, str):
            continue
        if attribute == "contains":
            return key, re.escape(value.lower())
        return key, value if key == "matches" else value.lower()
    raise UnknownShapeError(f"a model is matched by {type(clause).__name__}")


def _periods(prices: Any) -> Iterator[Json]:
    if not isinstance(prices, list):
        yield _rates(prices)
        return
    for each in prices:
        yield {**_start(each.constraint), **_rates(each.prices)}


def _variants(variants: Any) -> Iterator[Json]:
    for each in variants:
        rates = _rates(each.prices)
        if not rates:
            continue  # the usual prices under another name
        if len(each.when) != 1:
            raise UnknownShapeError(f"a price that depends on {sorted(each.when)}")
        yield {"when": dict(each.when), **_start(each.constraint), **rates}


def _start(constraint: Any) -> Json:
    if constraint is None:
        return {}
    start = getattr(constraint, "start_date", None)
    if start is None:
        raise UnknownShapeError(f"a price with a {type(constraint).__name__}")
    return {"from": start.isoformat()}


def _rates(prices: Any) -> Json:
    found: Json = {}
    for kind, names in _KINDS.items():
        for name in names:
            price = vars(prices).get(name)
            if price is not None:
                found[kind] = _rate(price)
                break
    return found


def _rate(price: Any) -> Any:
    if isinstance(price, Decimal):
        return _number(price)
    return [
        _number(price.base),
        *([each.start, _number(each.price)] for each in price.tiers),
    ]


def _number(price: Decimal) -> str:
    return f"{price.normalize():f}"


if __name__ == "__main__":
    main()
