"""Rules about answers: when there are none, who else matched, what is not shown."""

from byok.policy.plan import Plan
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets
from tests.policy.rulesets import Data


def plan_of(*items: Data, tier: Tier = Tier.SETTINGS):
    rules = rulesets.read(tier, *({"direction": "response", **each} for each in items))
    return Plan(rulesets.PLAIN, rules, CredentialPolicy()).response


STRIP: Data = {
    "id": "s",
    "match": {"header": {"name": "x-foo"}},
    "action": "strip",
}
PUT: Data = {"id": "p", "action": {"inject": {"name": "x-by", "value": "byok"}}}


def test_one_rule_of_either_kind_is_enough_to_be_looked_at():
    assert plan_of().is_empty
    assert not plan_of(STRIP).is_empty
    assert not plan_of(PUT).is_empty
    assert not plan_of(STRIP, PUT).is_empty


def test_what_is_put_in_strips_nothing_and_what_strips_puts_nothing_in():
    outcome = plan_of(STRIP, PUT).apply(((b"x-foo", b"1"), (b"x-b", b"2")), "none")

    assert outcome.sends == ((b"x-b", b"2"), (b"x-by", b"byok"))
    assert [each.rule.id for each in outcome.injections] == ["p"]
    assert [each.over for each in outcome.verdicts] == [(), ()]


def test_a_field_is_put_in_where_its_match_holds():
    asked: Data = {**PUT, "match": {"credential": "deployment"}}

    assert plan_of(asked).apply((), "client.oauth").sends == ()
    assert plan_of(asked).apply((), "deployment").sends == ((b"x-by", b"byok"),)


def test_the_rule_that_lost_is_told():
    other: Data = {**STRIP, "id": "f", "action": "forward"}

    (verdict,) = plan_of(STRIP, other).apply(((b"x-foo", b"1"),), "none").verdicts

    assert [each.rule.id for each in verdict.over] == ["f"]


def test_an_exception_is_one_for_its_field_alone():
    rule: Data = {
        **STRIP,
        "match": {"header": {"name": "x-*"}},
        "unless": {"header": {"name": "x-a"}},
    }

    sends = plan_of(rule).apply(((b"x-a", b"1"), (b"x-b", b"2")), "none").sends

    assert sends == ((b"x-a", b"1"),)


def test_names_of_any_bytes_are_decided():
    assert plan_of(STRIP).apply(((b"x-\xff", b"1"),), "none").sends == (
        (b"x-\xff", b"1"),
    )


def test_no_value_is_shown():
    outcome = plan_of(STRIP).apply(((b"x-b", b"zq-value"),), "none")

    assert "zq-value" not in repr(outcome)
