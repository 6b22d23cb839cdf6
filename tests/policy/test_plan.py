"""A plan applied: what each action does to fields, and what is put in or refused."""

from dataclasses import replace

import pytest

from byok.policy import plan as plan_module
from byok.policy.match import Glob
from byok.policy.outcome import Headers, Outcome
from byok.policy.plan import DEFAULT_DENY, Plan, drop_values
from byok.policy.rules import Action, Rule, Tier
from byok.policy.slot import CredentialPolicy
from byok.policy.tiers import Reason
from tests.policy import rulesets
from tests.policy.rulesets import Data, read
from tests.support import keys

API_KEY = keys.ANTHROPIC_API_KEY.encode()
OAUTH = b"Bearer " + keys.ANTHROPIC_OAUTH.encode()

FORWARD: Data = {"id": "all", "action": "forward"}


def pack(*items: Data) -> tuple[Rule, ...]:
    return read(Tier.PACK, *items)


def apply(
    rules: tuple[Rule, ...],
    *headers: tuple[bytes, bytes],
    context=rulesets.PLAIN,
    nominated=(),
) -> Outcome:
    plan = Plan(context, rules, CredentialPolicy())
    return plan.apply(headers, nominated=nominated)


def sends(*args, **kwargs) -> Headers:
    return apply(*args, **kwargs).sends


# Fields


def test_a_field_nobody_mentions_stays_here():
    outcome = apply((), (b"x-a", b"1"))

    assert outcome.sends == ()
    assert outcome.verdicts[0].action is Action.STRIP
    assert outcome.verdicts[0].reason is Reason.DEFAULT
    assert DEFAULT_DENY == "default-deny"


def test_forwarded_fields_keep_order_repeats_and_every_byte():
    headers = ((b"x-a", b" 1 ,2"), (b"x-b", b""), (b"x-a", b"3"))

    assert sends(pack(FORWARD), *headers) == headers


def test_redact_sends_the_name_alone():
    assert sends(pack({"id": "r", "action": "redact"}), (b"x-a", b"secret")) == (
        (b"x-a", b"[redacted]"),
    )


def test_rename_copies_under_another_name():
    rules = pack({"id": "r", "action": {"rename": {"to": "X-B"}}})

    assert sends(rules, (b"x-a", b"1")) == ((b"x-b", b"1"),)


FILTER: Data = {
    "id": "f",
    "match": {"header": {"name": "anthropic-beta"}},
    "action": {"filter": {"drop": ["oauth-*"]}},
}


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b"a,b", b"a,b"),
        (b"a ,  b", b"a ,  b"),
        (b"a, oauth-1, b", b"a, b"),
        (b"oauth-1, b", b"b"),
        (b"a, oauth-1", b"a"),
        (b"a-oauth-1", b"a-oauth-1"),
        (b"", b""),
    ],
)
def test_filter_drops_members_and_leaves_the_rest_as_it_came(value, left):
    assert sends(pack(FILTER), (b"anthropic-beta", value)) == (
        (b"anthropic-beta", left),
    )
    assert drop_values(value, [Glob("oauth-*")]) == left


@pytest.mark.parametrize("value", [b"oauth-1", b"oauth-1,oauth-2", b"oauth-1, "])
def test_a_list_may_be_left_without_members(value):
    assert drop_values(value, [Glob("oauth-*")]) is None


def test_a_line_that_filter_empties_does_not_leave():
    headers = ((b"anthropic-beta", b"oauth-1"), (b"anthropic-beta", b"a"))

    assert sends(pack(FILTER), *headers) == ((b"anthropic-beta", b"a"),)


def test_filters_of_one_tier_act_together():
    other = {**FILTER, "id": "g", "action": {"filter": {"drop": "b"}}}

    outcome = apply(pack(FILTER, other, FORWARD), (b"anthropic-beta", b"a,oauth-1,b,c"))

    assert outcome.sends == ((b"anthropic-beta", b"a,c"),)
    verdict = outcome.verdicts[0]
    assert verdict.rule is not None
    assert verdict.rule.id == "f"
    assert [each.id for each in verdict.beside] == ["g"]
    assert [each.rule.id for each in verdict.over] == ["all"]


def test_a_filter_of_another_tier_does_not_join():
    narrow = read(Tier.KEY, {**FILTER, "id": "n", "action": {"filter": {"drop": "b"}}})

    assert sends((*pack(FILTER), *narrow), (b"anthropic-beta", b"oauth-1,b,c")) == (
        (b"anthropic-beta", b"oauth-1,c"),
    )


def test_rules_may_ask_which_credential_leaves():
    rules = (
        *pack(FORWARD, {**FILTER, "unless": {"credential": ["client.oauth"]}}),
        *read(
            Tier.SETTINGS, {**FORWARD, "match": {"header": {"class": "credential.*"}}}
        ),
    )
    beta = (b"anthropic-beta", b"a,oauth-1")

    with_login = sends(rules, (b"authorization", OAUTH), beta)
    with_key = sends(rules, beta, (b"x-api-key", API_KEY))

    assert with_login == ((b"authorization", OAUTH), beta)
    assert with_key == ((b"anthropic-beta", b"a"), (b"x-api-key", API_KEY))


# What policy puts in


def inject(name: str, value: str, when: str = "set", **more) -> Data:
    return {
        "id": f"{name}.{value}",
        "action": {"inject": {"name": name, "value": value, "when": when}},
        **more,
    }


def test_set_replaces_every_field_of_the_name():
    rules = pack(FORWARD, inject("x-a", "ours"))

    outcome = apply(rules, (b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))

    assert outcome.sends == ((b"x-b", b"2"), (b"x-a", b"ours"))
    assert [each.applied for each in outcome.injections] == [True]


def test_default_steps_back_where_the_field_leaves_already():
    rules = pack(inject("x-a", "ours", "default"))

    kept = apply((*rules, *read(Tier.KEY, FORWARD)), (b"x-a", b"1"))
    stripped = apply(rules, (b"x-a", b"1"))

    assert kept.sends == ((b"x-a", b"1"),)
    assert [each.applied for each in kept.injections] == [False]
    assert stripped.sends == ((b"x-a", b"ours"),)


def test_append_adds_lines_broad_tiers_first():
    rules = (
        *read(Tier.KEY, inject("anthropic-beta", "narrow", "append")),
        *pack(
            FORWARD,
            inject("anthropic-beta", "broad", "append"),
            inject("anthropic-beta", "first", "default"),
        ),
    )

    assert sends(rules, (b"anthropic-beta", b"theirs")) == (
        (b"anthropic-beta", b"theirs"),
        (b"anthropic-beta", b"broad"),
        (b"anthropic-beta", b"narrow"),
    )


def test_a_narrower_inject_wins_and_a_locked_one_cannot_be_beaten():
    broad = inject("x-a", "broad")
    narrow = read(Tier.KEY, inject("x-a", "narrow"))

    outcome = apply((*pack(broad), *narrow))
    locked = apply((*pack({**broad, "lock": True}), *narrow))

    assert outcome.sends == ((b"x-a", b"narrow"),)
    assert [each.rule.id for each in outcome.injections[0].over] == ["x-a.broad"]
    assert locked.sends == ((b"x-a", b"broad"),)


def test_an_inject_is_for_the_requests_its_match_admits():
    rules = pack(
        inject("x-a", "1", match={"team": "core"}),
        inject("x-b", "1", unless={"credential": "none"}),
    )

    assert sends(rules) == ()
    assert sends(rules, context=replace(rulesets.PLAIN, team="core")) == (
        (b"x-a", b"1"),
    )


# Refusals


def test_a_deny_about_a_field_refuses_where_the_field_came():
    rules = pack(
        {
            "id": "no-a",
            "match": {"header": {"name": "x-a"}},
            "action": {"deny": {"status": 409, "message": "no x-a here"}},
        }
    )

    refused = apply(rules, (b"x-a", b"1"))

    assert refused.verdicts[0].action is Action.DENY
    assert refused.denied is not None
    assert (refused.denied.denial.status, refused.denied.denial.message) == (
        409,
        "no x-a here",
    )
    assert apply(rules, (b"x-b", b"1")).denied is None


def test_a_narrower_forward_takes_a_deny_about_a_field_back():
    rules = pack(
        {"id": "no-a", "match": {"header": {"name": "x-a"}}, "action": {"deny": {}}}
    )

    assert apply((*rules, *read(Tier.KEY, FORWARD)), (b"x-a", b"1")).denied is None


def test_a_deny_about_the_request_refuses_it_whatever_came():
    rules = pack(
        {"id": "no-core", "match": {"team": "core"}, "action": {"deny": {}}}, FORWARD
    )

    assert apply(rules).denied is None
    denied = apply(rules, context=replace(rulesets.PLAIN, team="core")).denied
    assert denied is not None
    assert denied.rule.id == "no-core"


REQUIRE: Data = {"id": "need", "action": {"require": {"header": "x-a"}}}


@pytest.mark.parametrize(
    ("headers", "nominated", "refused"),
    [
        ((), (), True),
        (((b"x-a", b""),), (), True),
        (((b"x-a", b"1"),), (), False),
        (((b"x-a", b"1"),), (b"x-a",), True),
        (((b"x-a", "é".encode()),), (), True),
        (((b"x-b", b"1"),), (), True),
    ],
)
def test_a_required_field_has_to_come_and_to_be_the_clients_for_upstream(
    headers, nominated, refused
):
    outcome = apply(pack(REQUIRE), *headers, nominated=nominated)

    assert (outcome.denied is not None) is refused


def test_of_several_refusals_one_speaks_by_the_usual_rules():
    rules = (
        *pack({"id": "pack", "action": {"deny": {}}}),
        *read(Tier.KEY, {"id": "key", "action": {"deny": {}}}),
    )

    denied = apply(rules).denied

    assert denied is not None
    assert denied.rule.id == "key"


# The credential


def test_an_empty_credential_is_absent_and_not_removed():
    for field in ((b"x-api-key", b""), (b"authorization", b"Bearer")):
        credential = apply((), field).credential
        assert (credential.removed, credential.denied) == ((), "credential.missing")


def test_a_credential_in_its_slot_that_no_rule_forwards_was_removed():
    removed = apply((), (b"x-api-key", API_KEY)).credential.removed

    assert [(each.name, each.rule) for each in removed] == [
        (b"x-api-key", DEFAULT_DENY)
    ]


@pytest.mark.parametrize(
    ("name", "value", "offered"),
    [
        (b"authorization", b"Basic b3BhcXVl", True),
        (b"x-api-key", b"two words", True),
        (b"x-goog-api-key", keys.GOOGLE.encode(), True),
        (b"x-custom", API_KEY, False),
        (b"proxy-authorization", b"Basic b3BhcXVl", False),
        (b"x-vault-token", b"1", False),
    ],
)
def test_only_what_was_meant_as_the_credential_is_missed(name, value, offered):
    removed = apply(pack(FORWARD), (name, value)).credential.removed

    assert bool(removed) is offered


# Memory


def test_what_is_remembered_of_fields_is_bounded(monkeypatch):
    monkeypatch.setattr(plan_module, "_MAX_CELLS", 2)
    plan = Plan(rulesets.PLAIN, pack(FORWARD), CredentialPolicy())
    headers = tuple((b"x-%d" % number, b"1") for number in range(5))

    assert plan.apply(headers).sends == headers
    assert plan.apply(headers).sends == headers
    assert len(plan._cells) == 2


def test_a_remembered_name_is_looked_at_again_where_its_value_is_costly():
    plan = Plan(rulesets.PLAIN, pack(FORWARD), CredentialPolicy())
    plan.apply(((b"x-a", b"1"),))

    for value in (API_KEY, b"Basic " + b"c2stYnlvay14", "é".encode(), b"ours"):
        assert plan.apply(((b"x-a", value),), gateway_secrets=(b"ours",)).sends == ()
    assert plan.apply(((b"x-a", b"2"),)).sends == ((b"x-a", b"2"),)
