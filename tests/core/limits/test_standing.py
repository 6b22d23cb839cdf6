"""Claude Code is told how full a budget is, in the words that it understands."""

import pytest

from byok.core.limits.demand import Actual, Demand
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Limit, Scope, limits_of
from byok.core.limits.standing import PREFIX, standing

NOW = 1_764_000_000.0  # 2025-11-24 16:00 UTC
TOMORROW = "1764028800"


def told(*spent: tuple[Limit, float]) -> dict[str, str]:
    """What is said where so many dollars were spent of each budget."""
    limiter = Limiter()
    for at, (limit, dollars) in enumerate(spent):
        limiter.reserve(NOW, Demand(id=str(at), limits=(limit,)))
        limiter.settle(str(at), Actual(cost_nano=int(dollars * 10**9)), NOW)
    limits = [limit for limit, _ in spent]
    found = standing(limiter.fullness(limits, "org", NOW))
    assert all(name.startswith(PREFIX) for name, _ in found)
    return {name.removeprefix(PREFIX): value for name, value in found}


def budget(scope_id: str = "k", **given: object) -> Limit:
    wanted = {"max_budget": 10.0, "budget_duration": "1d", **given}
    (limit,) = limits_of(Scope.KEY, scope_id, **wanted)  # type: ignore[arg-type]
    return limit


def test_nobody_without_a_budget_is_told_anything():
    assert told() == {}


def test_a_budget_with_room_is_allowed():
    assert told((budget(), 5.0)) == {
        "status": "allowed",
        "representative-claim": "overage",
        "overage-status": "allowed",
        "overage-utilization": "0.50",
        "reset": TOMORROW,
        "overage-reset": TOMORROW,
    }


@pytest.mark.parametrize(
    ("dollars", "used", "threshold"),
    [(7.5, "0.75", "0.75"), (9.4, "0.94", "0.75"), (9.5, "0.95", "0.95")],
)
def test_a_budget_that_is_nearly_spent_warns(dollars, used, threshold):
    said = told((budget(), dollars))

    assert said["status"] == said["overage-status"] == "allowed_warning"
    assert said["overage-utilization"] == used
    assert said["overage-surpassed-threshold"] == threshold


def test_who_is_still_let_in_is_never_told_that_all_is_used():
    said = told((budget(max_budget=None, soft_budget=1.0), 5.0))

    assert said["overage-utilization"] == "0.99"
    assert said["overage-surpassed-threshold"] == "0.95"
    assert told((budget(max_budget=0), 0.0))["overage-utilization"] == "0.99"


def test_a_soft_budget_warns_before_the_usual_thresholds():
    said = told((budget(soft_budget=5.0), 5.5))

    assert said["status"] == "allowed_warning"
    assert said["overage-utilization"] == "0.55"
    assert said["overage-surpassed-threshold"] == "0.5"
    assert "overage-surpassed-threshold" not in told((budget(soft_budget=5.0), 4.0))


def test_the_fullest_of_several_budgets_is_told():
    total = budget("team", max_budget=100.0, budget_duration=None)

    said = told((budget(), 1.0), (total, 80.0))

    assert said["overage-utilization"] == "0.80"
    assert "reset" not in said


def test_what_is_held_is_not_told():
    limiter, limit = Limiter(), budget()
    limiter.reserve(NOW, Demand(id="r", limits=(limit,), cost_nano=10**10))

    found = dict(standing(limiter.fullness((limit,), "org", NOW)))

    assert found[f"{PREFIX}overage-utilization"] == "0.00"
