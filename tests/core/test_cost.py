"""The steps of a cost add up, and it is rounded once."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.cost import (
    Tally,
    cost_of,
    estimate_nano,
    real_nano,
    recorded_tally,
    rounded,
    tally_of,
)
from byok.core.price import Kind, Price, Rates
from byok.core.usage import Usage
from byok.core.usage_record import UsageRecord
from tests.core.pricing import rate, rates

COUNTS = st.integers(0, 10**7)
DOLLARS = st.decimals(0, 1000, places=6).map(str)
TALLIES = st.builds(
    Tally,
    input=COUNTS,
    cache_read=COUNTS,
    cache_write_5m=COUNTS,
    cache_write_1h=COUNTS,
    output=COUNTS,
    thinking=COUNTS,
    web_search=st.integers(0, 100),
)
RATES = st.dictionaries(st.sampled_from([*Kind]), DOLLARS).map(
    lambda chosen: rates(**chosen)
)
MULTIPLIERS = st.decimals(0, 10, places=4).map(Fraction)


def price(**dollars):
    return Price(provider="p", model="m", rates=rates(**dollars))


def record(**figures):
    return UsageRecord(
        id="r",
        at=0.0,
        key_id="k",
        key="n",
        method="POST",
        route="/v1/messages",
        duration_ms=1.0,
        generation="g",
        **figures,
    )


@given(COUNTS, COUNTS, RATES, MULTIPLIERS, st.booleans())
def test_an_estimate_is_what_the_same_tokens_cost(
    prompt, answer, chosen, multiplier, long
):
    tiers = ((1000, 9), (10**6, 11)) if long else ()
    at_length = Rates(input=rate(3, *tiers), output=rate(7, *tiers))
    asked = Price(
        provider="p",
        model="m",
        rates=at_length if long else chosen,
        multiplier=multiplier,
    )

    reckoned = estimate_nano(asked, prompt=prompt, answer=answer)

    assert reckoned == cost_of(Tally(input=prompt, output=answer), asked).nano


@given(TALLIES, RATES, MULTIPLIERS)
def test_the_steps_add_up_exactly(tally, chosen, multiplier):
    cost = cost_of(
        tally, Price(provider="p", model="m", rates=chosen, multiplier=multiplier)
    )

    assert cost.atto == sum(each.atto for each in cost.steps)
    exact = Fraction(cost.atto) * multiplier / 10**9
    assert cost.nano == round(exact)
    assert all(each.number for each in cost.steps)


@given(TALLIES, RATES)
def test_every_token_is_counted_once(tally, chosen):
    cost = cost_of(tally, Price(provider="p", model="m", rates=chosen))

    tokens = sum(each.number for each in cost.steps if each.kind != "web_search")
    assert tokens == tally.prompt + tally.output


@given(TALLIES, DOLLARS)
def test_thinking_that_costs_what_output_does_changes_nothing(tally, dollars):
    apart = price(output=dollars, thinking=dollars)

    assert cost_of(tally, apart).nano == cost_of(tally, price(output=dollars)).nano


def test_thinking_is_taken_out_of_the_output_where_it_is_priced_apart():
    cost = cost_of(Tally(output=1000, thinking=600), price(output=10, thinking=5))

    assert [(each.kind, each.number) for each in cost.steps] == [
        (Kind.OUTPUT, 400),
        (Kind.THINKING, 600),
    ]
    assert cost.nano == 4_000_000 + 3_000_000


@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_rounding_is_to_the_nearest_and_half_to_even(top, bottom):
    assert rounded(top, bottom) == round(Fraction(top, bottom))


def test_what_has_no_price_is_shown_and_counts_nothing():
    cost = cost_of(Tally(output=7, web_search=2), price(output=1))

    assert [(each.kind, each.atto, each.note) for each in cost.steps][1:] == [
        (Kind.WEB_SEARCH, 0, "no price is known")
    ]


def test_a_step_says_why_it_costs_that_much():
    long = Price(
        provider="p",
        model="m",
        rates=Rates(input=rate(3, (10, 6), source="config.yaml:4")),
    )

    cost = cost_of(Tally(input=5, cache_read=6), long)

    assert [(each.note, each.source) for each in cost.steps] == [
        ("prompt above 10 tokens", "config.yaml:4"),
        ("priced as input, prompt above 10 tokens", "config.yaml:4"),
    ]
    assert cost.nano == 11 * 6000


def test_what_was_recorded_comes_to_the_same_as_what_was_read():
    usage = Usage(
        input_tokens=1,
        output_tokens=2,
        cache_read_input_tokens=3,
        cache_creation_input_tokens=9,
        cache_creation_5m_input_tokens=4,
        cache_creation_1h_input_tokens=5,
        thinking_tokens=1,
        web_search_requests=6,
        service_tier="standard",
        speed="fast",
        inference_geo="us",
    )
    kept = record(
        input_tokens=1,
        output_tokens=2,
        cache_read_tokens=3,
        cache_write_5m_tokens=4,
        cache_write_1h_tokens=5,
        thinking_tokens=1,
        web_searches=6,
        service_tier="standard",
        speed="fast",
        inference_geo="us",
    )

    assert tally_of(usage) == recorded_tally(kept)
    assert tally_of(usage).prompt == 13
    assert tally_of(Usage()) == recorded_tally(record()) == Tally()


@pytest.mark.parametrize(
    ("payer", "real"), [("org", 9), ("user-key", 0), ("subscription", 0), (None, 0)]
)
def test_a_cost_is_real_where_the_organisation_pays(payer, real):
    cost = cost_of(Tally(input=9), price(input="0.001"))

    assert real_nano(cost, payer) == real
    assert real_nano(None, payer) == 0
