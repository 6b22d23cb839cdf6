"""What is decided by shape is what is decided at length, for every request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.policy import classes, shapes
from byok.policy.plan import Plan
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import hostile, rulesets
from tests.support import keys

API_KEY = keys.ANTHROPIC_API_KEY.encode()
OTHER_KEY = keys.ANTHROPIC_API_KEY_2.encode()
OAUTH = keys.ANTHROPIC_OAUTH.encode()
OURS = keys.VIRTUAL_KEY.encode()
PACKS = rulesets.read(
    Tier.PACK,
    {"id": "all", "action": "forward"},
    {
        "id": "betas",
        "match": {"header": {"name": "anthropic-beta"}},
        "action": {"filter": {"drop": ["oauth-*"]}},
    },
    {"id": "version", "action": {"inject": {"name": "x-version", "value": "1"}}},
)


def plan_of(rules=PACKS, context=rulesets.PLAIN):
    return Plan(context, rules, CredentialPolicy())


def remembered(plan):
    forms = plan._shapes._forms.values()
    shapes = [shape for form in forms for shape in form.shapes.values()]
    return [shape for shape in shapes if shape is not None]


def assert_same(plan, headers, secrets=(OURS,)):
    assert plan.apply(headers, gateway_secrets=secrets) == plan.decide(headers, secrets)


USUAL = (
    (b"x-litellm-api-key", OURS),
    (b"x-api-key", API_KEY),
    (b"anthropic-beta", b"zq8,oauth-1,zq9"),
    (b"x-app", b"zq7"),
)


def test_a_request_is_decided_by_the_shape_of_one_before():
    plan = plan_of()
    assert_same(plan, USUAL)
    (shape,) = remembered(plan)

    again = (USUAL[0], (b"x-api-key", OTHER_KEY), (USUAL[2][0], b"c"), (b"x-app", b"x"))

    assert_same(plan, again)
    assert plan.apply(again, gateway_secrets=(OURS,)).ruling is shape.ruling


def test_no_value_is_remembered():
    plan = plan_of()
    plan.apply(USUAL, gateway_secrets=(OURS,))

    for _, value in USUAL:
        assert value.decode() not in repr(plan._shapes._forms)


@pytest.mark.parametrize(
    "field",
    [
        (b"x-api-key", OAUTH),
        (b"x-api-key", b"Bearer " + API_KEY),
        (b"x-api-key", b"bearer " + API_KEY),
        (b"x-api-key", API_KEY + b" " + OAUTH),
        (b"x-api-key", b"opaque"),
        (b"x-api-key", OURS),
        (b"x-api-key", b"Bearer " + OURS),
        (b"x-api-key", b"sk-ant-api" + OURS),
        (b"x-api-key", b""),
        (b"x-api-key", b"sk-ant-api"),
        (b"x-api-key", b"Bearer sk-ant-oat"),
        (b"x-app", API_KEY),
        (b"x-app", b"x" + OURS),
        (b"x-app", b"Basic " + b"c2stYW50LWFwaTAzLXh4"),
        (b"x-app", b"bAsIc " + b"c2stYW50LWFwaTAzLXh4"),
        (b"x-app", b"\x0bbasic " + b"c2stYW50LWFwaTAzLXh4"),
        (b"x-app", b"task-1,sk-ant-api03-x"),
        (b"x-app", "é".encode()),
        (b"x-app", b""),
        (b"anthropic-beta", b"oauth-1"),
        (b"anthropic-beta", b"oauth-1, oauth-2"),
    ],
)
def test_a_value_that_may_matter_is_decided_at_length(field):
    plan = plan_of()
    plan.apply(USUAL, gateway_secrets=(OURS,))
    headers = tuple(field if each[0] == field[0] else each for each in USUAL)

    assert_same(plan, headers)
    assert_same(plan, headers)


@pytest.mark.parametrize("secret", [b"sk-1234", b"plain-secret-of-ours", b"xyz"])
def test_secrets_of_every_kind_are_looked_for(secret):
    plan = plan_of()
    plan.apply(USUAL, gateway_secrets=(OURS, secret))

    for value in (secret, b"a " + secret, secret + b"a"):
        headers = (*USUAL[:3], (b"x-app", value))
        assert_same(plan, headers, (OURS, secret))


@pytest.mark.parametrize(
    "rule",
    [
        {"match": {"header": {"name": "x-app"}}, "action": {"rename": {"to": "x-b"}}},
        {"match": {"header": {"name": "x-app"}}, "action": "redact"},
        {"action": {"inject": {"name": "x-app", "value": "set"}}},
        {
            "match": {"header": {"name": "anthropic-beta"}},
            "action": {"filter": {"drop": ["zq*"]}},
            "mode": "shadow",
        },
    ],
)
def test_what_places_do_not_tell_is_decided_at_length(rule):
    plan = plan_of((*PACKS, *rulesets.read(Tier.SETTINGS, {"id": "r", **rule})))

    assert_same(plan, USUAL)
    assert_same(plan, USUAL)
    assert remembered(plan) == []


def test_what_shadow_rules_would_do_is_remembered_too():
    rule = {"id": "r", "match": {"header": {"name": "x-app"}}, "action": "strip"}
    shadow = rulesets.read(Tier.SETTINGS, {**rule, "mode": "shadow"})
    plan = plan_of((*PACKS, *shadow))

    assert_same(plan, USUAL)

    (shape,) = remembered(plan)
    assert [each.slot for each in shape.ruling.shadow] == ["header:x-app"]
    assert plan.apply(USUAL, gateway_secrets=(OURS,)).ruling is shape.ruling


@pytest.mark.parametrize("value", [b"task-budgets-2026", b"disk-1,AIz,asiatic"])
def test_a_word_that_looks_like_a_key_from_afar_keeps_the_shape(value):
    plan = plan_of()
    assert_same(plan, USUAL)
    (shape,) = remembered(plan)

    headers = (*USUAL[:2], (b"anthropic-beta", value), USUAL[3])

    assert_same(plan, headers)
    assert plan.apply(headers, gateway_secrets=(OURS,)).ruling is shape.ruling


def test_a_gateway_key_is_found_behind_a_word_that_looks_like_one():
    plan, secret = plan_of(), b"sk-1234567890123"
    assert_same(plan, USUAL, (OURS, secret))

    headers = (*USUAL[:3], (b"x-app", b"task-1." + secret))

    assert_same(plan, headers, (OURS, secret))
    outcome = plan.apply(headers, gateway_secrets=(OURS, secret))
    assert outcome.kinds[3].cls == classes.GATEWAY


def test_names_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(shapes, "_MOST_FORMS", 2)
    plan = plan_of()

    for number in range(5):
        assert_same(plan, ((b"x-%d" % number, b"1"),))

    # The oldest went.
    assert list(plan._shapes._forms) == [(b"x-3",), (b"x-4",)]


def test_shapes_of_the_same_names_are_bounded(monkeypatch):
    monkeypatch.setattr(shapes, "_MOST_SHAPES", 1)
    plan = plan_of()

    for value in (API_KEY, b"Bearer " + API_KEY, OURS):
        assert_same(plan, ((b"x-api-key", value),))

    assert len(remembered(plan)) == 1


@pytest.mark.parametrize("limit", ["_MOST_FIELDS", "_MOST_BYTES"])
def test_a_request_of_many_or_long_names_is_not_remembered(monkeypatch, limit):
    monkeypatch.setattr(shapes, limit, 3)
    plan = plan_of()

    assert_same(plan, USUAL)

    assert plan._shapes._forms == {}


def test_no_headers_at_all_are_decided():
    assert_same(plan_of(), ())


@given(
    data=st.data(),
    secret=st.sampled_from([OURS, hostile.SHORT_KEY, b"plain-secret-of-ours"]),
)
@rulesets.MORE
def test_shape_equals_length(data, secret):
    rules = (*PACKS, *data.draw(rulesets.rule_sets()).read())
    plan = Plan(data.draw(rulesets.contexts()), rules, CredentialPolicy())
    names = [name for name, _ in data.draw(hostile.headers(secret, max_size=5))]

    # The same names over and over, with other values each time.
    for _ in range(4):
        headers = tuple(
            (
                name,
                data.draw(
                    st.one_of(
                        st.sampled_from([API_KEY, b"Bearer " + OAUTH, b"1", secret]),
                        hostile.values(secret),
                    )
                ),
            )
            for name in names
        )
        assert_same(plan, headers, (secret,))
