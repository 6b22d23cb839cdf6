"""What is decided by shape is what is decided at length, for every request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.policy import shapes
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
    return [shape for shape in plan._shapes._known.values() if shape is not None]


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
    assert plan.apply(again, gateway_secrets=(OURS,)).verdicts is shape.verdicts


def test_no_value_is_remembered():
    plan = plan_of()
    plan.apply(USUAL, gateway_secrets=(OURS,))

    for _, value in USUAL:
        assert value.decode() not in repr(plan._shapes._known)


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
        (b"x-app", API_KEY),
        (b"x-app", b"x" + OURS),
        (b"x-app", b"Basic " + b"c2stYW50LWFwaTAzLXh4"),
        (b"x-app", b"bAsIc " + b"c2stYW50LWFwaTAzLXh4"),
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
        {"match": {"header": {"name": "x-app"}}, "action": "strip", "mode": "shadow"},
    ],
)
def test_what_places_do_not_tell_is_decided_at_length(rule):
    plan = plan_of((*PACKS, *rulesets.read(Tier.SETTINGS, {"id": "r", **rule})))

    assert_same(plan, USUAL)
    assert_same(plan, USUAL)
    assert remembered(plan) == []


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(shapes, "_LIMIT", 2)
    plan = plan_of()

    for number in range(5):
        assert_same(plan, ((b"x-%d" % number, b"1"),))

    assert len(plan._shapes._known) == 2
    assert len(plan._shapes._special) == 2


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
