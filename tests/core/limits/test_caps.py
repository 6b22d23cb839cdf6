"""What holds for every session is made into limits of one."""

from byok.core.limits.caps import Caps
from byok.core.limits.limit import Metric, Scope


def test_caps_are_the_limits_of_each_session():
    caps = Caps(rpm=3, parallel=2, max_budget=0.5, budget_duration="1d")

    limits = caps.limits(Scope.SESSION, "key_1:abc", payers=frozenset({"user-key"}))

    assert {each.metric for each in limits} == {
        Metric.REQUESTS,
        Metric.PARALLEL,
        Metric.COST,
    }
    assert {each.scope_id for each in limits} == {"key_1:abc"}
    (budget,) = (each for each in limits if each.metric is Metric.COST)
    assert (budget.amount, budget.payers) == (500_000_000, frozenset({"user-key"}))
    assert Caps().limits(Scope.AGENT, "key_1:abc") == ()
