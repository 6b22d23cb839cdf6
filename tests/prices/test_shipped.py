"""The shipped price list is whole, and byok's models are in it."""

import json
import re

import pytest

from byok.core.cost import Tally, cost_of
from byok.core.price import Kind, Rate
from byok.core.prices import PriceTable
from byok.core.providers import PROVIDERS
from byok.prices import refresh
from byok.prices.shipped import FILE, price_list, shipped_prices
from tests.core.pricing import NOW
from tests.support.processes import ROOT


def test_every_provider_that_byok_knows_has_prices():
    assert shipped_prices().providers.keys() == PROVIDERS.keys()
    assert set(refresh.PROVIDERS) == PROVIDERS.keys()


def test_the_list_says_where_it_is_from_and_under_which_licence():
    data = json.loads(FILE.read_text("utf-8"))

    assert re.fullmatch(r"genai-prices-\d+(\.\d+)+", data["version"])
    assert shipped_prices().version == data["version"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", data["written"])
    assert "MIT License" in data["notice"]
    licence = (FILE.parent / "LICENSE.genai-prices").read_text("utf-8")
    assert "Permission is hereby granted" in licence


def test_a_model_costs_something_in_and_out():
    for models in shipped_prices().providers.values():
        for each in models:
            for _, rates in each.periods:
                assert rates.input is not None, each.model
    for each in shipped_prices().providers["anthropic"]:
        assert all(rates.output for _, rates in each.periods), each.model


def test_every_model_of_anthropic_is_found_by_its_own_name():
    for each in shipped_prices().providers["anthropic"]:
        assert shipped_prices().find("anthropic", each.model) is each


def models_of_the_pages():
    """Yield the models that the documentation and the examples name in full."""
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.yaml")]
    named = re.compile(r"model: anthropic/(claude-[a-z0-9.-]*\d)\b(?!-?\*)")
    found = {name for page in pages for name in named.findall(page.read_text("utf-8"))}
    return sorted(found)


@pytest.mark.parametrize("model", models_of_the_pages())
def test_models_that_the_pages_name_have_prices(model):
    assert PriceTable(shipped_prices()).is_listed("anthropic", model)


def test_prices_are_in_dollars_for_a_million():
    price = PriceTable(shipped_prices()).find("anthropic", "claude-opus-4-5", at=NOW)
    assert price is not None

    cost = cost_of(Tally(input=1_000_000, output=1_000_000, web_search=1000), price)

    assert [each.atto / 10**18 for each in cost.steps] == [5.0, 25.0, 10.0]


def listed(**model):
    return {
        "version": "v",
        "regions": {},
        "providers": {"p": [{"model": "m", "is": ["m"], **model}]},
    }


def test_a_list_is_read_as_refresh_writes_it():
    data = listed(
        prices=[
            {"input": ["3", [200000, "6"]], "web_search": "10"},
            {"from": "1970-01-11", "input": "0.125"},
        ],
        variants=[{"when": {"speed": "fast"}, "from": "1970-01-03", "output": "1"}],
    )

    (found,) = price_list(data).providers["p"]

    assert found.rates(9).of(Kind.INPUT) == Rate(
        each=3 * 10**12, tiers=((200000, 6 * 10**12),)
    )
    assert found.rates(9).of(Kind.WEB_SEARCH) == Rate(each=10**16)
    assert found.rates(10).of(Kind.INPUT) == Rate(each=125 * 10**9)
    (variant,) = found.variants
    assert (variant.key, variant.value, variant.from_day) == ("speed", "fast", 2)
