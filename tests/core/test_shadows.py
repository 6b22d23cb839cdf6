"""Differences that shadow rules would make are counted by rule and verdict."""

from byok.core.shadows import NO_RULE, OTHERS, ShadowCount, ShadowCounts
from byok.policy.outcome import Difference
from byok.policy.rules import Action, Rule, Tier


def would(rule: str | None, what: str) -> Difference:
    found = None
    if rule is not None:
        found = Rule(id=rule, tier=Tier.PACK, action=Action.STRIP)
    return Difference(slot="header:x", would=what, rule=found)


def test_differences_are_counted_by_rule_and_by_what_would_happen():
    counts = ShadowCounts()

    counts.add([would("a", "strip"), would("b", "deny"), would(None, "deployment")])
    counts.add([would("b", "deny"), would("b", "strip")])

    assert counts.counts == (
        ShadowCount(rule="b", would="deny", count=2),
        ShadowCount(rule="a", would="strip", count=1),
        ShadowCount(rule="b", would="strip", count=1),
        ShadowCount(rule=NO_RULE, would="deployment", count=1),
    )


def test_what_is_counted_has_a_bound(monkeypatch):
    monkeypatch.setattr("byok.core.shadows._MOST", 2)
    counts = ShadowCounts()

    counts.add(would(f"rule-{number}", "strip") for number in range(5))
    counts.add([would("rule-1", "strip")])

    assert counts.counts == (
        ShadowCount(rule=OTHERS, would="strip", count=3),
        ShadowCount(rule="rule-1", would="strip", count=2),
        ShadowCount(rule="rule-0", would="strip", count=1),
    )
