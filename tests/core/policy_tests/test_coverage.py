"""Coverage: which rules the tests met, by what the gateway decided."""

from byok.core.policy_tests.coverage import (
    DECIDES,
    KEPT,
    UNLESS,
    Coverage,
    RuleCoverage,
)
from byok.policy.rules import Tier
from tests.core.policy_tests.papers import report, rules

FOO = {"header": {"name": "x-foo"}}


def covered(given: str, *items, tier=Tier.SETTINGS) -> Coverage:
    """Return the coverage of *items* by one request."""
    text = f"tests: [{{name: a, given: {{{given}}}, expect: {{shadow: {{}}}}}}]\n"
    return report(text, *rules(tier, *items)).coverage


def ends(
    coverage: Coverage,
) -> list[tuple[str, bool, tuple[str, ...], tuple[str, ...]]]:
    return [
        (each.rule.id, each.matched, each.reached, each.missed)
        for each in coverage.rules
    ]


def test_a_rule_that_decides_is_covered():
    found = covered("headers: {x-foo: 1}", {"id": "a", "match": FOO, "action": "strip"})

    assert ends(found) == [("a", True, (DECIDES,), ())]
    assert found.percent == 100.0
    assert (found.never_matched, found.never_deciding) == ((), ())
    assert found.branches_missed == ()


def test_a_rule_that_is_never_met_is_told():
    found = covered("headers: {x-bar: 1}", {"id": "a", "match": FOO, "action": "strip"})

    assert [each.rule.id for each in found.never_matched] == ["a"]
    assert (found.percent, found.never_deciding) == (0.0, ())
    assert str(found.rules[0].rule.where) == "ours.yaml:7"


def test_a_rule_that_always_loses_is_told():
    found = covered(
        "headers: {x-foo: 1}",
        {"id": "a", "match": FOO, "action": "strip"},
        {"id": "b", "match": FOO, "action": "forward"},
    )

    assert [each.rule.id for each in found.never_deciding] == ["b"]
    assert found.percent == 50.0


def test_an_exception_is_an_end_of_its_own():
    rule = {
        "id": "a",
        "match": FOO,
        "unless": {"tags": {"any": ["ok"]}},
        "action": "strip",
    }

    assert ends(covered("headers: {x-foo: 1}", rule)) == [
        ("a", True, (DECIDES,), (UNLESS,))
    ]
    excused = covered("tags: ok, headers: {x-foo: 1}", rule)
    assert ends(excused) == [("a", False, (UNLESS,), (DECIDES,))]
    missed = covered("headers: {x-foo: 1}", rule).branches_missed
    assert [(each.rule.id, branch) for each, branch in missed] == [("a", UNLESS)]


def test_a_default_that_finds_the_header_there_is_an_end_of_its_own():
    inject = {"name": "x-tag", "value": "1", "when": "default"}
    items = (
        {"id": "a", "action": {"inject": inject}},
        {"id": "f", "match": {"header": {"name": "x-tag"}}, "action": "forward"},
    )

    absent = covered("deployment: main", *items).rules[0]
    there = covered("headers: {x-tag: 2}", *items).rules[0]

    assert (absent.reached, absent.missed) == ((DECIDES,), (KEPT,))
    assert (there.reached, there.missed) == ((KEPT,), (DECIDES,))


def test_rules_about_requests_are_covered():
    items = (
        {"id": "always", "action": {"inject": {"name": "x-t", "value": "1"}}},
        {"id": "require", "action": {"require": {"header": "x-foo"}}},
        {"id": "deny", "match": {"team": "z"}, "action": {"deny": {}}},
        {
            "id": "absent",
            "match": {"header": {"name": "x-foo", "present": False}},
            "action": {"deny": {}},
        },
        {
            "id": "present",
            "match": {"header": {"name": "x-foo", "present": True}},
            "action": {"deny": {}},
        },
    )

    found = {each[0]: each[1:] for each in ends(covered("headers: {x-foo: 1}", *items))}

    assert found["always"] == (True, (DECIDES,), ())
    assert found["require"] == (True, (), (DECIDES,))
    assert found["deny"] == (False, (), (DECIDES,))
    assert found["absent"] == (False, (), (DECIDES,))
    assert found["present"] == (True, (DECIDES,), ())
    denied = {each[0]: each[1:] for each in ends(covered("team: z", *items))}
    assert denied["absent"] == (True, (DECIDES,), ())


def test_filters_of_one_tier_decide_together():
    beta = {"header": {"name": "anthropic-beta"}}
    found = covered(
        "headers: {anthropic-beta: 'a,b'}",
        {"id": "a", "match": beta, "action": {"filter": {"drop": ["a"]}}},
        {"id": "b", "match": beta, "action": {"filter": {"drop": ["b"]}}},
    )

    assert {each.reached for each in found.rules} == {(DECIDES,)}


def test_a_grant_is_covered_by_what_it_let_through():
    grant = {"id": "a", "action": {"allow_request": ["unclassified"]}}

    assert ends(covered("headers: {x-pass-x-foo: 1}", grant)) == [
        ("a", True, (DECIDES,), ())
    ]
    assert ends(covered("headers: {x-pass-b3: 1}", grant))[0][2] == ()
    # A grant of a pack is not the operator's, and not measured.
    other = covered("headers: {x-pass-x-foo: 1}", {**grant, "id": "b"})
    assert other.percent == 100.0


def test_a_rule_in_shadow_is_covered_by_what_it_would_do():
    shadow = {"id": "a", "mode": "shadow", "match": FOO, "action": "forward"}

    assert ends(covered("headers: {x-foo: 1}", shadow)) == [("a", True, (DECIDES,), ())]
    assert ends(covered("headers: {x-bar: 1}", shadow)) == [
        ("a", False, (), (DECIDES,))
    ]


def test_a_shadow_without_a_rule_of_its_own_covers_none():
    login = {"header": {"class": "credential.provider.anthropic.oauth"}}
    shadow = {"id": "a", "mode": "shadow", "match": login, "action": "strip"}
    found = covered("headers: {authorization: <anthropic.oauth>}", shadow)

    assert ends(found) == [("a", True, (DECIDES,), ())]


def test_logs_are_not_measured():
    log = {"id": "log", "match": FOO, "action": {"log": "drop"}}

    found = covered("headers: {x-foo: 1}", log)

    assert [each.id for each in found.unmeasured] == ["log"]
    assert found.rules == ()


def test_a_request_that_finds_no_deployment_covers_nothing():
    found = covered("model: zebra", {"id": "a", "action": {"deny": {}}})

    assert ends(found) == [("a", False, (), (DECIDES,))]
    assert isinstance(found.rules[0], RuleCoverage)
