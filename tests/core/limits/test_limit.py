"""Limits as keys, users and teams have them, in figures that can be counted."""

from dataclasses import replace

import pytest

from byok.core.limits.limit import (
    Limit,
    Metric,
    Scope,
    distinct,
    limits_of,
    nano_of,
)
from byok.core.limits.periods import DAY, MONTH, TOTAL, Kind


def test_a_key_has_the_limits_that_are_set():
    rpm, tpm, parallel, budget = limits_of(
        Scope.KEY,
        "key_1",
        label="laptop",
        rpm=60,
        tpm=100_000,
        parallel=5,
        max_budget=25.5,
        soft_budget=20,
        budget_duration="30d",
    )

    assert (rpm.metric, rpm.amount, rpm.units) == (Metric.REQUESTS, 60, 600)
    assert (tpm.metric, tpm.units) == (Metric.TOKENS, 100_000)
    assert (parallel.metric, parallel.units) == (Metric.PARALLEL, 5)
    assert (budget.metric, budget.units) == (Metric.COST, 25_500_000_000)
    assert (budget.soft, budget.hard, budget.period) == (20_000_000_000, True, MONTH)
    assert budget.payers == {"org"}


def test_nothing_set_is_no_limit():
    assert limits_of(Scope.TEAM, "t") == ()


def test_a_soft_budget_alone_only_warns():
    (budget,) = limits_of(Scope.USER, "ada", soft_budget=1.0, budget_duration="day")

    assert (budget.amount, budget.soft, budget.hard) == (10**9, 10**9, False)
    assert budget.period is DAY


@pytest.mark.parametrize("duration", [None, "fortnight"])
def test_a_budget_whose_end_is_not_known_has_none(duration):
    (budget,) = limits_of(Scope.KEY, "key_1", max_budget=1.0, budget_duration=duration)

    assert budget.period is TOTAL


def test_a_session_has_a_budget_from_its_first_use_on():
    (budget,) = limits_of(Scope.SESSION, "s", max_budget=1.0, budget_duration="1d")

    assert budget.period.kind is Kind.FIRST_USE


def test_a_session_has_no_budget_without_an_end():
    with pytest.raises(ValueError, match="needs an end"):
        limits_of(Scope.AGENT, "s/a", max_budget=1.0)


@pytest.mark.parametrize("wrong", [{"amount": -1}, {"amount": 1, "window_s": 0}])
def test_a_limit_makes_sense(wrong):
    with pytest.raises(ValueError, match="from 0 on"):
        Limit(scope=Scope.KEY, scope_id="k", metric=Metric.REQUESTS, **wrong)


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [(0.1, 100_000_000), (0.29, 290_000_000), (1e-9, 1), (5e-10, 0), (25, 25 * 10**9)],
)
def test_dollars_are_taken_as_they_are_written(dollars, nano):
    assert nano_of(dollars) == nano


def test_a_new_amount_goes_on_with_what_was_counted():
    keys = {
        limits_of(Scope.KEY, "k", max_budget=amount, budget_duration="day")[0].key
        for amount in (1.0, 2.0)
    }

    assert len(keys) == 1


def test_what_is_counted_apart_has_keys_of_its_own():
    found = [
        limit
        for scope in Scope
        for name in ("a", "b")
        for limit in limits_of(
            scope, name, rpm=1, tpm=1, parallel=1, max_budget=1, budget_duration="1h"
        )
    ]
    longer = Limit(
        scope=Scope.KEY, scope_id="a", metric=Metric.REQUESTS, amount=1, window_s=3600
    )

    assert len({limit.key for limit in (*found, longer)}) == len(found) + 1


def test_of_two_that_are_counted_alike_the_one_that_allows_less_is_left():
    def budget(**given: float) -> Limit:
        (found,) = limits_of(Scope.KEY, "k", **given)  # type: ignore[arg-type]
        return found

    much, little, soft = (
        budget(max_budget=2),
        budget(max_budget=1),
        budget(soft_budget=1),
    )
    (rate,) = limits_of(Scope.KEY, "k", rpm=1)

    assert distinct([much, rate, little, much, soft]) == (little, rate)
    assert distinct([soft, much]) == (much,)


def test_what_others_pay_is_counted_apart():
    org = Limit(scope=Scope.KEY, scope_id="k", metric=Metric.COST, amount=1)
    both = replace(org, payers=frozenset({"org", "user-key"}))

    assert org.key != both.key
    assert both.key == replace(both, amount=2).key


def test_no_limit_is_more_than_can_be_counted():
    (budget,) = limits_of(Scope.KEY, "k", max_budget=1e12)

    assert budget.amount == 10**21
    assert budget.units == 2**53
