"""What a walk shows of rules: each code with a hit and a miss."""

from dataclasses import replace
from datetime import date

import pytest

from byok.core.carriers import CARRIERS
from byok.core.keys import VirtualKey
from byok.core.lint import Known, lint
from byok.core.walk import Subject
from byok.policy.lint import Level
from byok.policy.rules import Tier
from tests.core import asking
from tests.core.asking import RELAY, deployment, gateway, rules_at, switches
from tests.support import keys

NOBODY = Known()
OWN_KEYS = switches(litellm_settings=True)
SHARED = deployment(api_key=keys.DEPLOYMENT_KEY)
SHIPPED = ("policies/base.yaml",)
TRACES = {"header": {"class": "tracing"}}
CREDENTIALS = {"provider": "anthropic", "header": {"class": "credential.provider.*"}}


def rules(*written):
    return [
        rule
        for at, (tier, item) in enumerate(written)
        for rule in rules_at(tier, {"id": f"r{at}", **item}, line=at)
    ]


def odd(*written, deployments=(SHARED,), auth=OWN_KEYS, known=NOBODY, limit=200_000):
    found = gateway(*deployments, rules=rules(*written), auth=auth)
    subject = Subject(gateway=found, carriers=CARRIERS)
    return lint(
        subject,
        today=date(2026, 11, 24),
        known=known,
        shipped=SHIPPED,
        limit=limit,
    )


def codes(*written, **more):
    return [(each.code, each.rule) for each in odd(*written, **more)[0]]


FORWARD = (Tier.PACK, {"match": TRACES, "action": "forward"})
IMPOSSIBLE = {"header": {"name": "x-*", "class": "tracing", "slot": "own"}}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ([FORWARD], []),
        # L01
        ([(Tier.TEAM, {"match": IMPOSSIBLE, "action": "strip"})], [("L01", "r0")]),
        (
            [(Tier.TEAM, {"match": {"method": "GET"}, "action": {"deny": {}}})],
            [("L01", "r0"), ("L11", "r0")],
        ),
        (
            [(Tier.TEAM, {"match": IMPOSSIBLE, "action": {"log": "drop"}})],
            [("L01", "r0")],
        ),
        ([(Tier.TEAM, {"match": TRACES, "action": {"log": "drop"}})], []),
        (
            [(Tier.TEAM, {"action": {"log": "drop"}, "unless": {"method": "POST"}})],
            [("L01", "r0")],
        ),
        ([(Tier.TEAM, {"match": IMPOSSIBLE, "action": "strip", "mode": "shadow"})], []),
        ([(Tier.TEAM, {"action": {"allow_request": ["tracing"]}})], []),
        ([(Tier.TEAM, {"action": {"require": {"header": "x-a"}}})], []),
        (
            [
                (
                    Tier.TEAM,
                    {"match": TRACES, "action": "strip", "direction": "response"},
                )
            ],
            [],
        ),
        # L02
        (
            [
                FORWARD,
                (Tier.SETTINGS, {"match": TRACES, "action": "strip", "lock": True}),
                (Tier.TEAM, {"match": TRACES, "action": "forward"}),
            ],
            [("L03", "r0"), ("L02", "r2")],
        ),
        (
            [
                (
                    Tier.TEAM,
                    {"match": {"header": {"class": "framing"}}, "action": "forward"},
                )
            ],
            [("L02", "r0")],
        ),
        # L03
        ([(Tier.TEAM, {"match": TRACES, "action": "strip"})], [("L03", "r0")]),
        (
            [FORWARD, (Tier.TEAM, {"match": TRACES, "action": "strip"})],
            [("L03", "r0")],
        ),
        (
            [
                FORWARD,
                (Tier.TEAM, {"match": {"team": "a", **TRACES}, "action": "strip"}),
            ],
            [],
        ),
        (
            [FORWARD, (Tier.TEAM, {"match": TRACES, "action": "forward"})],
            [("L03", "r0"), ("L03", "r1")],
        ),
        (
            [
                (Tier.TEAM, {"action": {"inject": {"name": "x-a", "value": "1"}}}),
                (
                    Tier.PACK,
                    {"action": {"inject": {"name": "x-a", "value": "2"}}},
                ),
            ],
            [("L03", "r1")],
        ),
        # L04
        (
            [
                (Tier.TEAM, {"match": TRACES, "action": "forward"}),
                (Tier.TEAM, {"match": {"team": "a", **TRACES}, "action": "strip"}),
            ],
            [("L04", "r0")],
        ),
        (
            [
                (Tier.TEAM, {"match": TRACES, "action": "forward"}),
                (
                    Tier.TEAM,
                    {
                        "match": {"team": "a", **TRACES},
                        "action": "redact",
                        "lock": True,
                    },
                ),
            ],
            [],
        ),
        # L07
        (
            [
                (Tier.SETTINGS, {"match": CREDENTIALS, "action": "strip"}),
                (
                    Tier.TEAM,
                    {"match": {"team": "a", **CREDENTIALS}, "action": "forward"},
                ),
            ],
            [
                ("L07", "r0"),
                ("L03", "litellm_settings.forward_llm_provider_auth_headers"),
                ("L04", "litellm_settings.forward_llm_provider_auth_headers"),
            ],
        ),
        (
            [
                (Tier.TEAM, {"match": CREDENTIALS, "action": "strip"}),
                (Tier.KEY, {"match": {"key": "a", **CREDENTIALS}, "action": "forward"}),
            ],
            [("L03", "litellm_settings.forward_llm_provider_auth_headers")],
        ),
        # L08
        (
            [
                FORWARD,
                (
                    Tier.TEAM,
                    {
                        "match": {"header": {"name": "x-old"}},
                        "action": {"rename": {"to": "traceparent"}},
                    },
                ),
            ],
            [("L08", "r1")],
        ),
        (
            [
                (
                    Tier.TEAM,
                    {
                        "match": {"header": {"name": "x-old"}},
                        "action": {"rename": {"to": "x-new"}},
                    },
                ),
                (
                    Tier.TEAM,
                    {
                        "match": {"team": "a"},
                        "action": {"inject": {"name": "x-new", "value": "1"}},
                    },
                ),
            ],
            [("L08", "r0")],
        ),
        (
            [
                (
                    Tier.TEAM,
                    {
                        "match": {"header": {"name": "x-old"}},
                        "action": {"rename": {"to": "x-new"}},
                    },
                )
            ],
            [],
        ),
    ],
)
def test_what_a_walk_shows(written, found):
    assert codes(*written) == found


# Names


@pytest.mark.parametrize(
    ("match", "level"),
    [
        ({"deployment": "anthropic-mian"}, Level.ERROR),
        ({"model_group": "gpt-*"}, Level.ERROR),
        ({"provider": "openai"}, Level.ERROR),
        ({"model": "gpt-5"}, Level.ERROR),
        ({"host": "*.example.net"}, Level.ERROR),
        ({"team": "blue"}, Level.WARNING),
        ({"key": "nobody"}, Level.WARNING),
    ],
)
def test_a_name_that_does_not_exist_is_one_finding(match, level):
    known = Known(teams=frozenset({"red"}), keys=frozenset({"dev"}))

    found, _ = odd(
        (Tier.TEAM, {"match": {**match, **TRACES}, "action": "forward"}), known=known
    )

    assert [(each.code, each.level) for each in found] == [("L05", level)]


def test_a_slip_is_corrected():
    wrong = {"match": {"deployment": "anthropic-mian"}, "action": "strip"}

    (found,), _ = odd((Tier.TEAM, wrong))

    assert found.remedy == "Did you mean anthropic-main?"


@pytest.mark.parametrize(
    "match",
    [
        {"deployment": "anthropic-*"},
        {"model": "claude-*"},
        {"host": "*.anthropic.com"},
        {"team": "red"},
        {"key": "d*"},
    ],
)
def test_a_name_that_exists_is_none(match):
    known = Known(teams=frozenset({"red"}), keys=frozenset({"dev"}))
    item = (Tier.TEAM, {"match": {**match, **TRACES}, "action": "forward"})

    assert codes(item, known=known) == []


def test_names_that_nobody_knows_may_exist():
    item = (Tier.TEAM, {"match": {"team": "blue", **TRACES}, "action": "forward"})

    assert codes(item) == []


# Trust


@pytest.mark.parametrize(
    ("origin", "declared", "level"),
    [
        (asking.LOOPBACK, False, Level.ERROR),
        (asking.LOOPBACK, True, Level.WARNING),
        (RELAY, False, None),
    ],
)
def test_trust_in_a_host_without_tls_is_odd(origin, declared, level):
    vouched = deployment(
        origin=origin,
        vouched=["credential.provider.anthropic.api_key"],
        plaintext_ok=declared,
        trust_note="d.trust_client_credentials config.yaml:9",
    )

    found, _ = odd(deployments=[vouched])

    assert [e.level for e in found if e.code == "L10"] == ([level] if level else [])


# Logins


def test_a_login_without_its_betas_is_odd():
    kept = {
        "match": {"header": {"name": "anthropic-beta"}},
        "action": "strip",
        "lock": True,
    }

    (found,), _ = odd((Tier.SETTINGS, kept))

    assert found.code == "L13"
    assert "anthropic-beta stays here (r0)" in found.message


def test_a_login_without_any_rule_for_its_betas_is_odd():
    bare = gateway(SHARED, auth=OWN_KEYS, packs=())
    subject = Subject(gateway=bare, carriers=CARRIERS)

    found, _ = lint(subject, today=date(2026, 11, 24), known=Known())

    assert any("(no rule forwards it)" in each.message for each in found)


# The rest


def test_what_is_shipped_is_left_alone_and_a_single_user_has_no_key():
    found = gateway(SHARED, auth=OWN_KEYS)
    subject = Subject(gateway=found, carriers=CARRIERS, single_user=True)

    odd_ones, is_whole = lint(
        subject, today=date(2026, 11, 24), known=Known(), shipped=SHIPPED
    )

    assert (odd_ones, is_whole) == ((), True)


def test_what_the_limit_cuts_short_is_not_whole():
    found, is_whole = odd((Tier.TEAM, {"action": {"deny": {}}}), limit=5)

    assert not is_whole
    assert [each.code for each in found] == ["L11"]


def test_a_provider_that_is_not_served_is_no_reason_to_stop():
    strange = replace(SHARED, name="x", provider="bedrock")

    assert codes(FORWARD, deployments=[SHARED, strange]) == []


def test_keys_that_open_no_model_and_headers_that_hold_the_key_are_no_obstacle():
    rename = {
        "match": {"auth": "authorization", "header": {"name": "x-old"}},
        "action": {"rename": {"to": "x-new"}},
    }
    refuse = {
        "match": {"header": {"name": "x-new"}},
        "action": {"deny": {}},
        "why": "no",
    }
    own = [{"id": "t", "match": TRACES, "action": "forward"}]
    record = VirtualKey(
        token_id="key_" + "A" * 22,
        digest=b"d",
        pepper_id="p",
        key_name="sk-...",
        created_at=1.0,
        updated_at=1.0,
        models=("other",),
        metadata={"policies": own},
    )
    written = rules((Tier.TEAM, rename), (Tier.TEAM, refuse))
    subject = Subject(
        gateway=gateway(SHARED, rules=written, auth=OWN_KEYS),
        carriers=CARRIERS,
        records=(record,),
    )

    found, is_whole = lint(
        subject, today=date(2026, 11, 24), known=NOBODY, shipped=SHIPPED
    )

    assert (found, is_whole) == ((), True)
