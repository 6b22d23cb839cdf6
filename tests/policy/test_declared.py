"""What an operator declares adds to what is built in, and takes nothing away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.policy import classes
from byok.policy.classes import Classified, How
from byok.policy.declared import (
    NOTHING_DECLARED,
    Alphabet,
    ClassTable,
    DeclaredName,
    DeclaredShape,
)
from byok.policy.match import Glob
from byok.policy.plan import Plan
from byok.policy.rules import Action, Direction, Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import hostile, rulesets
from tests.support import keys

KEY = b"corp_live_0123456789"
OURS = keys.VIRTUAL_KEY.encode()
FORWARD = rulesets.read(Tier.SETTINGS, {"id": "all", "action": "forward"})


def shape(cls=classes.ANTHROPIC_API_KEY, prefix="corp_live_", **more):
    return DeclaredShape(prefix=prefix, cls=cls, **more)


def name(text, cls):
    return DeclaredName(name=Glob(text), cls=cls)


def table(*declared):
    return ClassTable(
        [each for each in declared if isinstance(each, DeclaredName)],
        [each for each in declared if isinstance(each, DeclaredShape)],
    )


def test_nothing_declared_is_what_is_built_in():
    assert NOTHING_DECLARED.is_built_in
    assert not table(shape()).is_built_in
    assert not table(name("x-corp", classes.TRACING)).is_built_in
    assert NOTHING_DECLARED.marks == classes.MARKS
    assert NOTHING_DECLARED.find_credential(KEY) is None
    assert not NOTHING_DECLARED.is_in_lower(KEY)


# Shapes


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        b"Bearer " + KEY,
        b"a, " + KEY + b", b",
        b"x=%20" + KEY,
        b"Basic dXNlcjpjb3JwX2xpdmVfMDEyMzQ1Njc4OQ==",
    ],
)
def test_a_declared_shape_is_found_wherever_it_stands(value):
    assert table(shape()).find_credential(value) == classes.ANTHROPIC_API_KEY
    kind = table(shape()).classify(b"x-app", value)
    assert kind == Classified(cls=classes.ANTHROPIC_API_KEY, how=How.SHAPE)


@pytest.mark.parametrize(
    "value", [b"corp_live_1234567", b"acorp_live_0123456789", b"corp_liv_0123456789"]
)
def test_what_is_too_short_or_part_of_a_word_is_no_such_shape(value):
    assert table(shape()).find_credential(value) is None
    assert table(shape()).classify(b"x-any", value).cls == classes.UNCLASSIFIED


@pytest.mark.parametrize(
    ("alphabet", "good", "bad"),
    [
        (Alphabet.WORD, b"aZ09_-aa", b"aZ09_-a."),
        (Alphabet.LETTERS, b"aZ09aaaa", b"aZ09aaa_"),
        (Alphabet.HEX, b"aF09aaaa", b"aF09aaag"),
        (Alphabet.BASE64, b"aZ09+/==", b"aZ09+/=."),
        (Alphabet.TOKEN, b"aZ.~+/=_", b"aZ.~+/=,"),
    ],
)
def test_an_alphabet_says_what_stands_behind_the_prefix(alphabet, good, bad):
    known = table(shape(alphabet=alphabet))

    assert known.find_credential(b"corp_live_" + good)
    assert known.find_credential(b"corp_live_" + bad) is None


def test_the_longest_prefix_counts_whatever_the_order():
    one, other = shape(classes.GATEWAY, "corp_"), shape(classes.OPENAI_API_KEY)
    for known in (table(one, other), table(other, one)):
        assert known.find_credential(KEY) == classes.OPENAI_API_KEY
        assert known.find_credential(b"corp_test_0123456789") == classes.GATEWAY


def test_what_is_built_in_is_found_first():
    text = KEY + b" " + keys.OPENAI_API_KEY.encode()

    assert table(shape()).find_credential(text) == classes.OPENAI_API_KEY


@pytest.mark.parametrize(
    ("header", "value", "own"),
    [
        (b"x-api-key", KEY, True),
        (b"authorization", b"Bearer " + KEY, True),
        (b"authorization", KEY, False),
        (b"x-api-key", KEY + b"," + KEY, False),
        (b"x-api-key", KEY + b"." + KEY, False),
        (b"x-other", KEY, False),
    ],
)
def test_a_declared_key_stands_in_its_slot_alone_or_not_at_all(header, value, own):
    kind = table(shape()).classify(header, value)

    assert kind == Classified(
        cls=classes.ANTHROPIC_API_KEY, how=How.SHAPE, own_slot=own
    )


@pytest.mark.parametrize(
    ("header", "value", "cls"),
    [
        (b"x-litellm-api-key", KEY, classes.GATEWAY),
        (b"x-byok-control", KEY, classes.GATEWAY_CONTROL),
        (b"cookie", KEY, classes.COOKIE),
        (b"connection", KEY, classes.HOP_BY_HOP),
        (b"host", KEY, classes.FRAMING),
        (b"x_any", KEY, classes.AMBIGUOUS),
        (b"x-api-key", OURS + b" " + KEY, classes.GATEWAY),
    ],
)
def test_what_the_floor_strips_stays_what_it_is(header, value, cls):
    for shaped in (classes.OTHER_CREDENTIAL, classes.ANTHROPIC_API_KEY):
        kind = table(shape(shaped)).classify(header, value, gateway_secrets=(OURS,))
        assert kind.cls == cls


def test_a_secret_of_others_does_not_loosen_what_is_bound_to_a_provider():
    known = table(shape(classes.OTHER_CREDENTIAL))

    assert known.classify(b"x-api-key", KEY).cls == classes.UNKNOWN_CREDENTIAL
    assert known.classify(b"api-key", KEY).cls == classes.AZURE_API_KEY
    assert known.classify(b"x-app", KEY).cls == classes.OTHER_CREDENTIAL


def test_a_shape_in_lower_case_is_found_inside_a_name():
    known = table(shape(prefix="Corp_Live_"))

    assert known.is_in_lower(b"x-corp_live_0123456789")
    assert not known.is_in_lower(b"x-corp_live_")


# Names


def test_a_declared_name_has_its_class():
    known = table(
        name("x-corp-*", classes.TRACING),
        name("x-corp-ticket", classes.OTHER_CREDENTIAL),
        name("x-corp-secure-*", classes.COOKIE),
        name("*-ticket-id", classes.GATEWAY),
    )

    found = {
        each: known.class_of_name(each)
        for each in (
            b"x-corp-id",
            b"x-corp-ticket",
            b"x-corp-secure-a",
            b"my-ticket-id",
            b"x-else",
        )
    }

    assert list(found.values()) == [
        classes.TRACING,
        classes.OTHER_CREDENTIAL,
        classes.COOKIE,
        classes.GATEWAY,
        classes.UNCLASSIFIED,
    ]
    for each, cls in found.items():
        kind = known.classify(each, b"1")
        assert kind.cls == cls
        assert (kind.how is How.DEFAULT) is (cls == classes.UNCLASSIFIED)
        assert not kind.own_slot


def test_a_pattern_changes_no_name_that_is_built_in():
    known = table(name("*-key", classes.TRACING), name("acc*", classes.TRACING))

    assert known.class_of_name(b"x-api-key") == classes.UNKNOWN_CREDENTIAL
    assert known.classify(b"accept", b"1").cls == classes.PROTOCOL


DECLARED = (
    shape(classes.OTHER_CREDENTIAL),
    shape(classes.GATEWAY, "corp_gate_"),
    shape(classes.OPENAI_API_KEY, "corp_open_"),
    name("x-c*", classes.PROTOCOL),
    name("x-extra", classes.COOKIE),
)
FLOOR = {
    classes.AMBIGUOUS,
    classes.COOKIE,
    classes.FRAMING,
    classes.GATEWAY,
    classes.GATEWAY_CONTROL,
    classes.HOP_BY_HOP,
}


@given(data=st.data())
@rulesets.MORE
def test_no_declaration_weakens_what_is_built_in(data):
    known = table(*data.draw(st.lists(st.sampled_from(DECLARED))))
    headers = data.draw(hostile.headers(OURS, max_size=5))
    for header, came in headers:
        more = (b"", b" corp_live_12345678", b",corp_open_12345678")
        value = came + data.draw(st.sampled_from(more))
        before = classes.classify(header, value, gateway_secrets=(OURS,))
        after = known.classify(header, value, gateway_secrets=(OURS,))

        if before.cls in FLOOR or before.how is How.SHAPE:
            assert after == before
        elif before.is_provider_credential:
            assert after.is_provider_credential or after.cls == classes.GATEWAY
        elif before.is_credential:
            assert after.is_credential


# In a plan


def plan_of(*declared, rules=FORWARD):
    return Plan(rulesets.PLAIN, rules, CredentialPolicy(), class_table=table(*declared))


@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (classes.GATEWAY, "floor.gateway-credential"),
        (classes.ANTHROPIC_API_KEY, "floor.credential-slot"),
        (classes.OPENAI_API_KEY, "floor.credential-host-pin"),
    ],
)
def test_the_floor_strips_a_declared_credential(cls, rule):
    plan = plan_of(shape(cls))
    for _ in range(3):
        outcome = plan.apply(((b"x-app", KEY),))
        assert outcome.sends == ()
        (verdict,) = outcome.verdicts
        assert verdict.rule is not None
        assert verdict.rule.id == rule


def test_a_request_of_a_known_shape_is_looked_at_for_what_was_declared():
    plan = plan_of(shape(classes.GATEWAY))
    harmless = ((b"x-app", b"1"), (b"x-other", b"2"))
    assert len(plan.apply(harmless).sends) == 2

    for value in (KEY, b"a " + KEY, b"Basic Y29ycF9saXZlXzAxMjM0NTY3ODk="):
        headers = ((b"x-app", value), harmless[1])
        assert plan.apply(headers).sends == (harmless[1],)
        assert plan.apply(headers) == plan.decide(headers, ())
    # The prefix alone is no credential, and keeps the shape.
    assert len(plan.apply(((b"x-app", b"corp_live_"), harmless[1])).sends) == 2


def test_a_name_that_is_declared_a_credential_is_looked_at_each_time():
    plan = plan_of(name("x-ticket", classes.GOOGLE_API_KEY))
    for value in (b"1", KEY, OURS):
        headers = ((b"x-ticket", value),)
        assert plan.apply(headers) == plan.decide(headers, ())
        assert plan.apply(headers).sends == ()


def test_no_request_may_ask_to_send_what_is_declared_a_credential():
    grant = rulesets.read(
        Tier.SETTINGS, {"id": "g", "action": {"allow_request": ["x-*"]}}
    )
    headers = ((b"x-pass-x-ticket", b"1"),)

    assert plan_of(rules=grant).apply(headers).sends == ((b"x-ticket", b"1"),)
    declared = name("x-ticket", classes.OTHER_CREDENTIAL)
    assert plan_of(declared, rules=grant).apply(headers).sends == ()


def test_rules_about_answers_and_in_shadow_know_what_was_declared():
    rules = rulesets.read(
        Tier.SETTINGS,
        {
            "id": "back",
            "direction": "response",
            "match": {"header": {"class": "tracing"}},
            "action": "strip",
        },
        {
            "id": "later",
            "mode": "shadow",
            "match": {"header": {"class": "tracing"}},
            "action": "strip",
        },
    )
    plan = plan_of(name("x-corp", classes.TRACING), rules=(*FORWARD, *rules))

    assert plan.response.apply(((b"x-corp", b"1"),), "none").sends == ()
    (difference,) = plan.apply(((b"x-corp", b"1"),)).shadow
    assert difference.would == Action.STRIP.word
    assert {rule.direction for rule in rules} == set(Direction)
