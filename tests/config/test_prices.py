"""What a configuration says of prices, in LiteLLM's words and in byok's."""

import pytest

from byok.core.price import Price
from byok.core.prices import PriceTable
from tests.config.files import MASTER, SMALLEST, config_of, found, report_on
from tests.core.pricing import NOW, rate


def with_deployment(params="", info=""):
    return f"""\
model_list:
  - model_name: mine
    litellm_params:
      model: anthropic/our-own
{params}
    model_info:
      id: mine
{info}
{MASTER}"""


def with_prices(text):
    return SMALLEST + "prices:\n" + text


def table_of(tmp_path, text) -> PriceTable:
    return config_of(tmp_path, text).prices


def price_of(tmp_path, text, model="our-own", deployment="mine") -> Price:
    price = table_of(tmp_path, text).find(
        "anthropic", model, deployment=deployment, at=NOW
    )
    assert price is not None
    return price


COSTS = """\
      input_cost_per_token: 3e-06
      output_cost_per_token: 0.000015
      cache_read_input_token_cost: '3e-7'
      cache_creation_input_token_cost: 0.00000375
      cache_creation_input_token_cost_above_1hr: 6E-6
      output_cost_per_reasoning_token: 1.8e-05
      input_cost_per_token_above_200k_tokens: 6e-06
      output_cost_per_token_above_200k_tokens: 2.25e-05
      cache_read_input_token_cost_above_200k_tokens: 6e-07
      cache_creation_input_token_cost_above_200k_tokens: 7.5e-06
"""


@pytest.mark.parametrize("place", ["params", "info"])
def test_litellm_s_words_are_honoured_in_both_places(tmp_path, place):
    text = with_deployment(**{place: COSTS})

    price = price_of(tmp_path, text)

    rates = price.rates
    assert rates.input == rate(3, (200_000, 6))
    assert rates.output == rate(15, (200_000, "22.5"))
    assert rates.cache_read == rate("0.3", (200_000, "0.6"))
    assert rates.cache_write_5m == rate("3.75", (200_000, "7.5"))
    assert rates.cache_write_1h == rate(6)
    assert rates.thinking == rate(18)
    assert not price.is_fallback
    report = report_on(tmp_path, text)
    assert [each.code for each in report.findings] == []
    assert {str(each.verdict) for each in report.verdicts} == {"honoured"}


def test_a_rate_tells_the_line_it_is_from(tmp_path):
    price = price_of(tmp_path, with_deployment(COSTS))

    assert price.rates.output is not None
    assert price.rates.output.source.endswith("config.yaml:6")


def test_a_parameter_comes_before_the_same_word_of_the_model(tmp_path):
    text = with_deployment(
        "      input_cost_per_token: 1e-06\n      output_cost_per_token: 1e-06",
        "      input_cost_per_token: 2e-06",
    )

    assert price_of(tmp_path, text).rates.input == rate(1)


def test_a_base_model_says_what_a_deployment_costs(tmp_path):
    text = with_deployment(info="      base_model: claude-opus-4-5")

    price = price_of(tmp_path, text)

    assert (price.model, price.rates.input) == ("claude-opus-4-5", rate(5))
    other = with_deployment(info="      base_model: openai/gpt-5.5")
    assert price_of(tmp_path, other).model == "gpt-5.5"


def test_the_section_of_byok_says_it_by_the_million(tmp_path):
    text = with_prices("""\
  multiplier: 0.9
  fallback: anthropic/claude-opus-4-5
  models:
    anthropic/claude-opus-4-*:
      multiplier: '0.80'
      input: 4.5
      cache_write_1h: 9
      thinking: 1_0
      web_search: 0.02
      above: {tokens: 100000, input: 9}
    anthropic/ours: {like: anthropic/claude-haiku-4-5}
""")

    table = table_of(tmp_path, text)

    price = price_of(tmp_path, text, "claude-opus-4-5")
    assert price.rates.input == rate("4.5", (100_000, 9))
    assert price.rates.cache_write_1h == rate(9)
    assert price.rates.thinking == rate(10)
    assert price.rates.web_search == rate(20_000)
    assert price.rates.output == rate(25)
    assert float(price.multiplier) == 0.8
    assert price_of(tmp_path, text, "ours").rates.input == rate(1)
    unknown = price_of(tmp_path, text, "what-is-this")
    assert (unknown.model, float(unknown.multiplier)) == ("claude-opus-4-5", 0.9)
    assert "+" in table.version


def test_where_nothing_is_said_the_list_counts(tmp_path):
    table = table_of(tmp_path, SMALLEST)

    assert table.version == table.listed.version
    assert table_of(tmp_path, with_prices("  models:\n")).version == table.version


@pytest.mark.parametrize(
    ("line", "findings"),
    [
        ("multiplier: yes", ["E101:8"]),
        ("multiplier: -1", ["E117:8", "E170:8"]),
        ("multiplier: .nan", ["E170:8"]),
        ("multiplier: .inf", ["E117:8", "E170:8"]),
        ("multiplier: much", ["E117:8", "E170:8"]),
        ("multiplier: 1e-99", ["E170:8"]),
        ("fallback: cheapest", ["E170:8"]),
        ("fallback: anthropic/claude-nothing", ["E170:8"]),
        ("fallback: [free]", ["E101:8"]),
        ("dearest: 1", ["E102:8"]),
        ("models: {claude-opus-5-5: {}}", ["E170:8"]),
        ("models: {nobody/x: {}}", ["E170:8"]),
        ("models: {anthropic/: {}}", ["E170:8"]),
        ("models: {anthropic/*-*: {}}", ["E170:8"]),
        ("models: {anthropic/x: {like: anthropic/y}}", ["E170:8"]),
        ("models: {anthropic/x: {like: 7}}", ["E101:8"]),
        ("models: {anthropic/x: {input: [1]}}", ["E101:8"]),
        ("models: {anthropic/x: {input: 1, speed: 1}}", ["E102:8"]),
        ("models: {anthropic/x: {input: 0.1234567890123}}", ["E170:8"]),
        ("models: {anthropic/x: {above: {tokens: 5, output: 1}}}", ["E170:8"]),
        ("models: {anthropic/x: {output: 1, above: {output: 1}}}", ["E114:8"]),
        ("models: {anthropic/x: {output: 1, above: {tokens: a}}}", ["E101:8"]),
    ],
)
def test_what_cannot_be_a_price_is_told_with_its_line(tmp_path, line, findings):
    assert found(tmp_path, with_prices(f"  {line}\n")) == findings


@pytest.mark.parametrize(
    ("params", "info", "codes"),
    [
        ("input_cost_per_token: cheap", "", ["E117", "E170", "W130"]),
        ("input_cost_per_token: 1e-19", "", ["E170", "W130"]),
        ("output_cost_per_token_above_200k_tokens: 1e-6", "", ["E170", "W130"]),
        ("", "base_model: nothing-like-it", ["E170", "W130"]),
        ("", "base_model: ''", ["E117", "W130"]),
    ],
)
def test_what_a_deployment_cannot_cost_is_told(tmp_path, params, info, codes):
    report = report_on(tmp_path, with_deployment(f"      {params}", f"      {info}"))

    assert sorted(each.code for each in report.findings) == codes


@pytest.mark.parametrize(
    ("fallback", "said"),
    [
        ("highest", "it is priced like claude-"),
        ("free", "what it uses counts nothing (prices.fallback: free)"),
        ("openai/gpt-5.5", "it is priced like gpt-5.5"),
    ],
)
def test_a_model_without_a_price_is_told_with_what_becomes_of_it(
    tmp_path, fallback, said
):
    text = with_deployment() + f"prices: {{fallback: {fallback}}}\n"

    (finding,) = report_on(tmp_path, text).findings

    assert (finding.code, finding.line) == ("W130", 4)
    assert said in finding.message
    assert "prices.models" in finding.remedy


def test_wildcards_and_models_with_a_price_are_no_matter(tmp_path):
    assert found(tmp_path, SMALLEST) == []
    priced = "prices: {models: {anthropic/our-*: {input: 1, output: 1}}}\n"
    assert found(tmp_path, with_deployment() + priced) == []
    half = "prices: {models: {anthropic/our-*: {input: 1}}}\n"
    assert found(tmp_path, with_deployment() + half) == ["W130:4"]
