"""A price is found by whatever name a model goes by, and says where it is from."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.price import Kind, Rate, Rates
from byok.core.price_list import Names, PriceList
from byok.core.prices import FREE, Override, Overrides, PriceTable
from tests.core.pricing import NOW, listed, overrides, rate, rates

OPUS = "claude-opus-5-5"


def table(**said):
    return PriceTable(listed(), overrides(**said))


def found(name, model=OPUS, **said):
    price = table(**said).find("anthropic", model, deployment=name, at=NOW)
    assert price is not None
    return price


@pytest.mark.parametrize(
    "name",
    [
        OPUS,
        "Claude-Opus-5-5",
        f"{OPUS}-20260901",
        f"{OPUS}@20260901",
        f"{OPUS}-2026-09-01",
        f"{OPUS}-latest",
        f"{OPUS}[1m]",
        f"{OPUS}-20260901[1m]",
    ],
)
def test_a_model_is_found_by_every_spelling(name):
    assert found("", name).model == OPUS
    assert table().is_listed("anthropic", name)


@pytest.mark.parametrize("name", ["claude-opus-5-50", "opus", "", "claude-opus-5-5x"])
def test_a_model_that_is_only_like_one_is_none(name):
    assert found("", name).is_fallback
    assert not table().is_listed("anthropic", name)


def test_a_name_belongs_to_one_provider():
    assert not table().is_listed("openai", OPUS)


def test_a_price_holds_from_its_day_on():
    def price(day):
        at = (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400.0
        found = table().find("openai", "gpt-5.6-luna", at=at)
        assert found is not None
        assert found.rates.input is not None
        return found.rates.input.each, len(found.variants)

    before, after = price("2026-07-29"), price("2026-07-30")
    assert before == (rate(1).each, 0)
    assert after == (rate("0.2").each, 0)
    assert price("2026-10-12") == (rate("0.2").each, 1)


def test_what_an_operator_says_of_a_model_comes_before_the_list():
    said = Override(rates=rates(input=3, web_search=5000))

    price = found("", models=((f"anthropic/{OPUS}", said),))

    assert price.rates.input == rate(3)
    assert price.rates.output == rate(20)
    assert price.rates.web_search == rate(5000)
    assert not price.is_fallback


def test_of_what_is_said_the_narrowest_comes_first():
    models = (
        ("anthropic/*", Override(rates=rates(input=1, cache_read=1, output=1))),
        ("anthropic/claude-*", Override(rates=rates(input=2))),
        ("anthropic/claude-*-5", Override(rates=rates(input=3))),
        (f"anthropic/{OPUS}", Override(rates=rates(input=4))),
    )
    deployments = (("mine", Override(rates=rates(output=9))),)

    def priced(name, model):
        rates = found(name, model, models=models, deployments=deployments).rates
        return rates.input, rates.output

    assert priced("", OPUS) == (rate(4), rate(20))
    assert priced("mine", OPUS) == (rate(4), rate(9))
    assert priced("", "claude-x-5") == (rate(3), rate(75))
    assert priced("", "claude-x") == (rate(2), rate(75))
    assert priced("", "x") == (rate(1), rate(1))


def test_a_model_may_cost_what_another_does():
    like = Override(like="openai/gpt-5.6-luna", rates=rates(output=7))

    price = found("", "our-own", models=(("anthropic/our-own", like),))

    assert price.model == "gpt-5.6-luna"
    assert (price.rates.input, price.rates.output) == (
        rate("0.2", (272_000, "0.4")),
        rate(7),
    )
    assert not price.is_fallback


def test_the_multiplier_of_a_model_stands_in_the_place_of_the_general_one():
    half = Override(multiplier=Fraction(1, 2))
    said = {"multiplier": "0.9", "models": ((f"anthropic/{OPUS}", half),)}

    assert found("", **said).multiplier == Fraction(1, 2)
    assert found("", "claude-sonnet-4-5", **said).multiplier == Fraction(9, 10)


def test_a_model_whose_input_and_output_are_said_needs_no_fallback():
    own = (("mine", Override(rates=rates(input=1, output=2))),)

    price = found("mine", "our-own", deployments=own, fallback=FREE)

    assert not price.is_fallback
    assert price.model == "our-own"
    assert price.rates == rates(input=1, output=2)


def test_what_is_said_of_half_a_model_is_filled_up_by_the_fallback():
    half = (("mine", Override(rates=rates(input=1))),)

    price = found("mine", "our-own", deployments=half)
    assert price.is_fallback
    assert (price.rates.input, price.rates.output) == (rate(1), rate(75))

    free = found("mine", "our-own", deployments=half, fallback=FREE)
    assert free.is_fallback
    assert free.rates == rates(input=1)


def test_where_a_provider_lists_nothing_the_dearest_of_all_stands_in():
    price = table().find("nobody", "x", at=NOW)

    assert price is not None
    assert price.model == "claude-3-opus"


def test_an_empty_list_has_no_dearest():
    empty = PriceTable(PriceList(version="none", providers={}))

    assert empty.find("anthropic", OPUS, at=NOW) is None
    assert empty.fallback_of("anthropic", 0) is None


def test_a_client_that_asks_for_many_names_fills_no_memory():
    asked = table()
    for number in range(5000):
        asked.find("anthropic", f"claude-{number}", at=NOW)

    assert len(asked._found) <= 4096
    price = asked.find("anthropic", OPUS, at=NOW)
    assert price is asked.find("anthropic", OPUS, at=NOW)


def test_an_answer_that_says_many_words_fills_no_memory():
    price = found("")
    for number in range(500):
        price.charges(speed=f"{number}", service_tier=None, region=None)

    assert len(price._ways) <= 64


def test_the_version_tells_what_is_listed_and_what_is_said():
    plain, other = table(), table(multiplier="0.9")

    assert plain.version == "corpus-1"
    assert other.version.startswith("corpus-1+")
    assert len(other.version) == len("corpus-1+") + 8
    assert table(multiplier="0.90").version == other.version
    said = [
        Override(rates=rates(input=3)),
        Override(rates=rates(input=4)),
        Override(rates=rates(output=3)),
        Override(rates=Rates(input=rate(3, (5, 4)))),
        Override(like="openai/gpt-5.6-luna"),
        Override(multiplier=Fraction(3)),
    ]
    versions = {table(models=(("anthropic/x", each),)).version for each in said}
    versions |= {table(deployments=(("anthropic/x", each),)).version for each in said}
    assert len(versions) == 12


def test_where_something_is_said_is_no_part_of_the_version():
    def version(place):
        said = Override(rates=Rates(input=rate(3, source=place)), source=place)
        return table(models=(("anthropic/x", said),)).version

    assert version("a.yaml:3") == version("b.yaml:7")


def test_a_kind_without_a_rate_takes_that_of_the_next():
    said = Override(rates=rates(input=3, output=5))
    price = PriceTable(
        PriceList(version="none", providers={}),
        Overrides(models=(("anthropic/x", said),)),
    ).find("anthropic", "x", at=NOW)
    assert price is not None

    charges = price.charges(speed=None, service_tier=None, region=None)

    told = {each.kind: (each.rate and each.rate.each, each.note) for each in charges}
    three = rate(3).each
    assert told == {
        Kind.INPUT: (three, ""),
        Kind.CACHE_READ: (three, "priced as input"),
        Kind.CACHE_WRITE_5M: (three, "priced as input"),
        Kind.CACHE_WRITE_1H: (three, "priced as input"),
        Kind.OUTPUT: (rate(5).each, ""),
        Kind.THINKING: (None, "no price is known"),
        Kind.WEB_SEARCH: (None, "no price is known"),
    }
    free = price.charges(speed=None, service_tier=None, region="us")
    assert free == charges


def test_a_way_of_serving_is_named_where_it_changes_a_rate():
    price = found("")
    charges = price.charges(speed="fast", service_tier=None, region="us")

    told = {each.kind: each.note for each in charges}
    assert charges is price.charges(speed="fast", service_tier=None, region="us")
    assert told[Kind.INPUT] == "fast, bound to us: x 1.1"
    assert told[Kind.WEB_SEARCH] == ""


def test_names_are_exact_beginnings_or_patterns():
    assert Names(exact=frozenset({"a"})).has("a")
    assert not Names(exact=frozenset({"a"})).has("ab")
    assert Names(beginnings=("a",)).has("ab")
    assert not Names().has("a")


def test_rates_say_whether_there_are_any():
    assert not Rates()
    assert Rates(thinking=rate(1))


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**6), unique=True, max_size=4))
def test_a_tier_counts_above_its_start(prompt, starts):
    starts = sorted(starts)
    tiers = tuple((start, at) for at, start in enumerate(starts, 1))

    each, start = Rate(each=0, tiers=tiers).at(prompt)

    passed = [one for one in starts if prompt > one]
    assert (each, start) == (len(passed), passed[-1] if passed else 0)
