"""A cost is told with its working, for who has to believe it."""

from fractions import Fraction

from msgspec.structs import replace

from byok.core.cost_text import dollars, render
from byok.core.prices import FREE, Override, Overrides, PriceTable
from byok.prices.shipped import price_list
from tests.core.pricing import NOW, corpus, listed, overrides
from tests.core.test_cost import record
from tests.support.processes import ROOT

ROUNDED = "to nanodollars, half to even"

SERVED = record(
    payer="org",
    provider="anthropic",
    upstream_model="claude-opus-5-5",
    model="opus",
    price_version="corpus-1",
)


def told(kept, **said):
    table = PriceTable(listed(), overrides(**said))
    return render(replace(kept, at=NOW), table).splitlines()


def test_each_step_is_told_with_its_price_and_where_that_is_from():
    kept = replace(
        SERVED,
        input_tokens=12,
        cache_read_tokens=104_211,
        cache_write_5m_tokens=2000,
        output_tokens=431,
        web_searches=2,
        cost_nano=59_510_200,
        notional_nano=59_510_200,
    )

    assert told(kept) == [
        "request   r",
        "model     opus, served as anthropic/claude-opus-5-5",
        "payer     org",
        "price     anthropic/claude-opus-5-5 in corpus-1",
        "",
        "  input tokens            12  x $4.00 a million   $0.000048   corpus-1",
        "  cache read          104211  x $0.20 a million   $0.0208422  corpus-1",
        "  cache write, 5 min    2000  x $5.00 a million   $0.01       corpus-1",
        "  output tokens          431  x $20.00 a million  $0.00862    corpus-1",
        "  web searches             2  x $0.01 each        $0.02       corpus-1",
        "  sum                                             $0.0595102",
        "  rounded                                         $0.0595102  " + ROUNDED,
        "",
        "real      $0.0595102 is what the organisation pays",
        "notional  $0.0595102 by the prices",
    ]


def test_a_multiplier_and_the_rounding_are_steps_too():
    kept = replace(SERVED, input_tokens=7, notional_nano=4, cost_nano=4)

    lines = told(kept, multiplier="0.000125")

    assert lines[5:8] == [
        "  input tokens  7  x $4.00 a million  $0.000028      corpus-1",
        "  x 0.000125                          $0.0000000035",
        "  rounded                             $0.000000004   " + ROUNDED,
    ]
    whole = told(SERVED, multiplier="10")
    assert any(line.startswith("  x 10 ") for line in whole)


def test_what_costs_otherwise_by_now_is_told_beside_what_was_recorded():
    kept = replace(SERVED, input_tokens=1000, cost_nano=5, notional_nano=5)

    assert told(kept)[-3:] == [
        "real      $0.000000005 is what the organisation pays",
        "notional  $0.000000005 by the prices",
        "differs   recorded by the prices of corpus-1; by corpus-1 it is $0.004",
    ]


def test_other_prices_that_come_to_the_same_are_told_as_that():
    kept = replace(
        SERVED, input_tokens=1000, notional_nano=4_000_000, price_version="of-before"
    )

    assert told(kept)[-1] == (
        "prices    recorded by those of of-before, which come to the same as corpus-1"
    )
    assert told(replace(kept, price_version=None))[-1].startswith("notional")


def test_who_pays_is_told_where_it_is_not_the_organisation():
    theirs = replace(SERVED, payer="user-key", notional_nano=0)

    assert "real      $0.00 since the payer is user-key" in told(theirs)
    nobody = told(replace(SERVED, payer=None, notional_nano=0))
    assert "real      $0.00 since nobody paid" in nobody
    assert not any(line.startswith("payer") for line in nobody)


def test_a_model_of_which_nothing_is_known_is_told_as_that():
    strange = replace(SERVED, upstream_model="claude-x", model="claude-x")

    lines = told(strange)
    assert lines[1] == "model     anthropic/claude-x"
    assert lines[3] == (
        "price     anthropic/claude-3-opus in corpus-1, as nothing is known of this"
        " model (fallback: highest)"
    )
    free = told(strange, fallback=FREE)
    assert free[3] == "price     none is known, so it counts nothing"
    assert free[-1] == "notional  nothing was recorded"
    was_priced = told(replace(strange, notional_nano=7), fallback=FREE)
    assert was_priced[-1].endswith("it is nothing")


def test_a_request_that_was_never_served_has_no_price():
    refused = record(model="claude-\x1b[31mred")

    assert told(refused)[1:3] == [
        "model     claude-?[31mred",
        "price     none is known, so it counts nothing",
    ]
    assert told(record())[1] == "model     none"


def test_an_estimate_is_told_as_one():
    kept = replace(SERVED, estimated=True, price_version=None, notional_nano=1)

    lines = told(kept)

    assert "note      the answer broke off: what it lacked is estimated" in lines
    assert lines[-1].startswith("differs   recorded by the prices of none;")


def test_dollars_are_exact():
    assert dollars(0) == "$0.00"
    assert dollars(1) == "$0.000000001"
    assert dollars(1_500_000_000) == "$1.50"


def test_the_page_shows_what_is_told():
    said = Overrides(
        multiplier=Fraction("0.9"),
        models=(("anthropic/claude-opus-*", Override(multiplier=Fraction("0.85"))),),
    )
    named = {**corpus()["list"], "version": "genai-prices-0.2.3"}
    kept = replace(
        SERVED,
        id="req_5f0c7a3e9b1d2c4f6a8e0b1c",
        at=NOW,
        input_tokens=12,
        cache_read_tokens=104_211,
        cache_write_5m_tokens=2000,
        output_tokens=431,
        web_searches=2,
        cost_nano=50_583_670,
        notional_nano=50_583_670,
    )

    table = PriceTable(price_list(named), said)
    text = render(replace(kept, price_version=table.version), table)

    page = (ROOT / "docs" / "cost.md").read_text("utf-8")
    assert f"```text\n{text}\n```\n" in page
