"""A caller is told whose limit it is, how much, and when to come back."""

import pytest

from byok.core.limits.demand import Demand, Denied
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Limit, Metric, Scope, limits_of
from byok.core.limits.refusals import dollars, refusal_of, utc

NOW = 1_764_000_000.0  # 2025-11-24 16:00 UTC


def denied_by(*limits: Limit) -> Denied:
    denied = Limiter().reserve(NOW, Demand(id="r", limits=limits, tokens=1))
    assert isinstance(denied, Denied)
    return denied


def test_over_a_budget_a_client_is_told_to_stop():
    (limit,) = limits_of(
        Scope.TEAM, "team_1", label="growth", max_budget=0.0, budget_duration="30d"
    )

    refusal = refusal_of(denied_by(limit))

    assert (refusal.status, refusal.kind, refusal.code) == (
        429,
        "billing_error",
        "limit.budget",
    )
    assert refusal.headers == (
        ("retry-after", "547200"),
        ("x-should-retry", "false"),
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-reset", "1764547200"),
        ("anthropic-ratelimit-unified-overage-reset", "1764547200"),
        ("anthropic-ratelimit-unified-overage-utilization", "1"),
        ("anthropic-ratelimit-unified-overage-surpassed-threshold", "1"),
        ("anthropic-ratelimit-unified-overage-period", "monthly"),
        (
            "anthropic-ratelimit-unified-overage-disabled-reason",
            "org_spend_cap_reached",
        ),
        ("anthropic-ratelimit-unified-overage-scope", "group_pool"),
    )
    assert refusal.message == (
        "Spend limit reached (monthly; resets 2025-12-01 00:00 UTC): the budget of "
        "team growth, $0.00, is used up."
    )


def test_the_status_over_a_budget_can_be_another():
    (limit,) = limits_of(Scope.KEY, "k", max_budget=0, budget_duration="day")

    assert refusal_of(denied_by(limit), budget_status=402).status == 402


def test_a_budget_without_an_end_has_no_time_to_come_back():
    (limit,) = limits_of(Scope.KEY, "k", max_budget=0)

    refusal = refusal_of(denied_by(limit))

    assert refusal.headers == (
        ("x-should-retry", "false"),
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-overage-utilization", "1"),
        ("anthropic-ratelimit-unified-overage-surpassed-threshold", "1"),
        (
            "anthropic-ratelimit-unified-overage-disabled-reason",
            "org_spend_cap_reached",
        ),
    )
    assert "(in all)" in refusal.message


def test_what_is_held_of_a_budget_comes_back():
    (limit,) = limits_of(Scope.KEY, "k", label="laptop", max_budget=1)
    limiter = Limiter()
    limiter.reserve(NOW, Demand(id="a", limits=(limit,), cost_nano=10**9))

    denied = limiter.reserve(NOW, Demand(id="b", limits=(limit,)))

    assert isinstance(denied, Denied)
    refusal = refusal_of(denied)
    assert (refusal.status, refusal.kind, refusal.code) == (
        429,
        "rate_limit_error",
        "limit.cost",
    )
    assert refusal.headers == (("retry-after", "1"),)
    assert refusal.message == (
        "The rest of the budget of key laptop is held for its requests under way. "
        "Ask again when one of them has ended."
    )


def test_over_a_rate_a_client_is_told_when_to_ask_again():
    (limit,) = limits_of(Scope.KEY, "key_1", label="laptop", rpm=0)

    refusal = refusal_of(denied_by(limit))

    assert (refusal.status, refusal.kind, refusal.code) == (
        429,
        "rate_limit_error",
        "limit.requests",
    )
    assert refusal.headers == (("retry-after", "60"),)
    assert refusal.message == (
        "Rate limit reached: key laptop may use 0 requests a minute. Ask again in 60 s."
    )


def test_a_rate_over_another_time_says_so():
    limit = Limit(
        scope=Scope.DEPLOYMENT,
        scope_id="claude-*",
        metric=Metric.TOKENS,
        amount=0,
        window_s=3600,
    )

    assert "0 tokens in 3,600 s. Ask again in 3600 s." in (
        refusal_of(denied_by(limit)).message
    )


def test_too_many_at_once_are_told_so():
    (limit,) = limits_of(Scope.MODEL, "claude-opus-5-5", parallel=0)

    refusal = refusal_of(denied_by(limit))

    assert (refusal.kind, refusal.headers) == (
        "rate_limit_error",
        (("retry-after", "1"),),
    )
    assert "model claude-opus-5-5 may have 0 under way" in refusal.message


@pytest.mark.parametrize(
    ("scope", "said"), [(Scope.SESSION, "this session"), (Scope.AGENT, "this agent")]
)
def test_the_id_of_a_session_is_not_repeated(scope, said):
    (limit,) = limits_of(scope, "CANARY-id", rpm=0)

    message = refusal_of(denied_by(limit)).message

    assert said in message
    assert "CANARY" not in message


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (25 * 10**9, "$25.00"),
        (1_234_500_000_000, "$1,234.50"),
        (12_345_000, "$0.012345"),
        (1, "$0.000000001"),
    ],
)
def test_dollars_are_written_as_exactly_as_they_are(nano, text):
    assert dollars(nano) == text


@pytest.mark.parametrize("seconds", [0, 1, 59.5, 60])
def test_a_moment_is_written_so_that_nobody_comes_too_early(seconds):
    assert utc(NOW + seconds) == (
        "2025-11-24 16:01 UTC" if seconds else "2025-11-24 16:00 UTC"
    )
