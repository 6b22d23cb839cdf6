"""What answers cost, worked out by hand in `tests/corpus/cost/cases.json`."""

import json
from datetime import UTC, datetime

import pytest

from byok.core.cost import cost_of, tally_of
from byok.core.prices import PriceTable
from byok.core.usage import UsageReader
from tests.core.pricing import NOW, corpus, listed, overrides


@pytest.mark.parametrize("case", corpus()["cases"], ids=lambda case: case["name"])
def test_an_answer_costs_what_it_does_by_hand(case):
    table = PriceTable(listed(), overrides(**case.get("overrides", {})))
    at = NOW
    if "day" in case:
        at = datetime.fromisoformat(case["day"]).replace(tzinfo=UTC).timestamp()
    reader = UsageReader()
    reader.feed(json.dumps(case["answer"]).encode())

    price = table.find(case["provider"], case["model"], at=at)
    if case["nano"] is None:
        assert price is None
        return
    assert price is not None
    cost = cost_of(tally_of(reader.usage()), price)

    assert cost.nano == case["nano"], cost.steps
    assert price.is_fallback == case.get("fallback", False)
    assert cost.atto == sum(each.atto for each in cost.steps)
    assert all(each.atto == each.number * each.each for each in cost.steps)
