"""The list is written as the library has it, and what byok has no word for is not."""

import json
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import pytest

from byok.prices import refresh


# As the library's classes are, as far as that goes.
@dataclass
class Clause:
    equals: str | None = None
    starts_with: str | None = None
    regex: str | None = None
    contains: str | None = None
    or_: list["Clause"] | None = None
    ends_with: str | None = None


@dataclass
class Tier:
    start: int
    price: Decimal


@dataclass
class Tiered:
    base: Decimal
    tiers: list[Tier]


class Prices:
    def __init__(self, **given):
        self.__dict__.update(given)


@dataclass
class Start:
    start_date: date


@dataclass
class Hours:
    start_time: int = 0


@dataclass
class Period:
    prices: Prices
    constraint: Start | Hours | None = None


@dataclass
class Variant:
    when: dict[str, str]
    prices: Prices
    constraint: Start | None = None


@dataclass
class Model:
    id: str = "m"
    match: Clause = field(default_factory=lambda: Clause(equals="M"))
    prices: Prices | list[Period] = field(
        default_factory=lambda: Prices(input_mtok=Decimal(1))
    )
    price_variants: list[Variant] | None = None


@dataclass
class Provider:
    id: str
    models: list[Model]


def written(*models, provider="anthropic"):
    listed = refresh.price_list([Provider(provider, [*models])], "1.2", "2026-11-24")
    text = refresh.as_text(listed)
    assert json.loads(text) == listed
    return listed["providers"].get(provider)


def test_prices_are_written_by_kind_as_they_are():
    prices = Prices(
        input_mtok=Tiered(Decimal("3.00"), [Tier(200000, Decimal(6))]),
        output_mtok=Decimal("0.000012"),
        cache_read_mtok=None,
        cache_write_mtok=Decimal(100),
        cache_write_1h_mtok=Decimal(8),
        web_searches_kcount=Decimal(10),
        input_audio_mtok=Decimal(7),
    )

    assert written(Model(prices=prices)) == [
        {
            "model": "m",
            "is": ["m"],
            "prices": [
                {
                    "input": ["3", [200000, "6"]],
                    "cache_write_5m": "100",
                    "cache_write_1h": "8",
                    "output": "0.000012",
                    "web_search": "10",
                }
            ],
        }
    ]


def test_every_kind_of_name_is_kept():
    clauses = [
        Clause(equals="A"),
        Clause(starts_with="B"),
        Clause(regex="^C$"),
        Clause(contains="D.d"),
    ]

    (model,) = written(Model(match=Clause(or_=clauses)))

    assert model["is"] == ["a"]
    assert model["begins"] == ["b"]
    assert model["matches"] == ["^C$", "d\\.d"]


def test_days_and_variants_are_kept():
    prices = [
        Period(Prices(input_mtok=Decimal(2))),
        Period(Prices(input_mtok=Decimal(1)), Start(date(2026, 7, 30))),
    ]
    variants = [
        Variant({"speed": "fast"}, Prices(input_mtok=Decimal(4))),
        Variant({"service_tier": "default"}, Prices()),
    ]

    (model,) = written(Model(prices=prices, price_variants=variants))

    assert model["prices"] == [{"input": "2"}, {"from": "2026-07-30", "input": "1"}]
    assert model["variants"] == [{"when": {"speed": "fast"}, "input": "4"}]


def test_other_providers_and_models_without_tokens_are_left_out():
    assert written(Model(), provider="elsewhere") is None
    assert written(Model(prices=Prices(audio_hours=Decimal(1)))) == []


@pytest.mark.parametrize(
    "model",
    [
        Model(match=Clause(ends_with="x")),
        Model(prices=[Period(Prices(input_mtok=Decimal(1)), Hours())]),
        Model(
            price_variants=[
                Variant({"a": "1", "b": "2"}, Prices(input_mtok=Decimal(1)))
            ]
        ),
    ],
)
def test_what_byok_has_no_word_for_is_not_passed_over(model):
    with pytest.raises(refresh.UnknownShapeError):
        written(model)
