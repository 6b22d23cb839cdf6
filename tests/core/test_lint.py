"""What a walk shows of rules: each code with a hit and a miss."""

from dataclasses import replace
from datetime import date

import pytest

from byok.core.carriers import CARRIERS
from byok.core.keys import VirtualKey
from byok.core.lint import Known, lint
from byok.core.walk import Subject
from byok.policy import classes
from byok.policy.declared import ClassTable, DeclaredName
from byok.policy.lint import Level
from byok.policy.match import Glob
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


def answers(tier, name, action, **more):
    header = {"header": {"name": name}} if name else {}
    match = {**more.pop("match", {}), **header}
    return tier, {"direction": "response", "match": match, "action": action, **more}


def odd(
    *written, deployments=(SHARED,), auth=OWN_KEYS, known=NOBODY, limit=200_000, **more
):
    found = gateway(*deployments, rules=rules(*written), auth=auth, **more)
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
        # A credential under another name is none, and another one pays.
        (
            [
                (
                    Tier.TEAM,
                    {
                        "match": {"header": {"name": "x-api-key"}},
                        "action": {"rename": {"to": "x-new"}},
                    },
                )
            ],
            [],
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

    # It opens no model here, so its own rule is one that nothing meets.
    assert [each.code for each in found] == ["L01"]
    assert is_whole


# Answers


SERVED_BY = {"inject": {"name": "x-served-by", "value": "1"}}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ([answers(Tier.TEAM, "x-ratelimit-*", "strip")], []),
        ([answers(Tier.TEAM, "openai-processing-ms", "redact")], []),
        ([answers(Tier.TEAM, "", SERVED_BY, match={"team": "a"})], []),
        (
            [
                answers(
                    Tier.TEAM, "x-account", "strip", match={"credential": "client.*"}
                )
            ],
            [],
        ),
        # What never goes back is nothing that a rule could take off.
        ([answers(Tier.TEAM, "set-cookie", "strip")], [("L01", "r0")]),
        (
            [
                answers(
                    Tier.TEAM,
                    "anthropic-organization-id",
                    "strip",
                    match={"credential": "deployment"},
                )
            ],
            [("L01", "r0")],
        ),
        (
            [answers(Tier.TEAM, "x-account", "strip", match={"method": "GET"})],
            [("L01", "r0")],
        ),
        (
            [
                answers(Tier.SETTINGS, "x-account", "strip", lock=True),
                answers(Tier.TEAM, "x-account", "forward"),
            ],
            [("L02", "r1")],
        ),
        ([answers(Tier.TEAM, "x-account", "forward")], [("L03", "r0")]),
        (
            [
                answers(Tier.SETTINGS, "", SERVED_BY),
                answers(
                    Tier.TEAM, "", {"inject": {"name": "x-served-by", "value": "2"}}
                ),
            ],
            [("L03", "r0")],
        ),
        (
            [
                answers(Tier.TEAM, "x-account", "strip"),
                answers(Tier.TEAM, "x-*", "redact"),
            ],
            [("L04", "r1")],
        ),
    ],
)
def test_rules_about_answers_are_tried_on_answers(written, found):
    assert codes(*written) == found


def test_rules_about_a_declared_class_are_tried_on_answers_of_it():
    traces = (
        Tier.TEAM,
        {
            "direction": "response",
            "match": {"header": {"class": "tracing", "name": "x-our-*"}},
            "action": "strip",
        },
    )
    table = ClassTable([DeclaredName(name=Glob("x-our-corp"), cls=classes.TRACING)])

    assert codes(traces) == [("L01", "r0")]
    assert codes(traces, class_table=table) == []


# Keys


def alice(*, tags=(), policies=None, team="contractors") -> VirtualKey:
    return VirtualKey(
        token_id="key_" + "A" * 22,
        digest=b"d",
        pepper_id="p",
        key_name="sk-...",
        key_alias="alice",
        team_id=team,
        created_at=1.0,
        updated_at=1.0,
        tags=tuple(tags),
        metadata={"policies": policies} if policies else {},
    )


NO_BYOK = {
    "match": {"team": ["contractors"], "header": {"class": "credential.provider.*"}},
    "unless": {"tags": {"any": ["byok-approved"]}},
    "action": "strip",
    "lock": True,
}
ALICES = {"match": CREDENTIALS, "action": "forward"}


def of_alice(record, *written):
    """The worked example E5: a lock for contractors, and an exception for one."""
    found = gateway(SHARED, rules=rules((Tier.TEAM, NO_BYOK), *written), auth=OWN_KEYS)
    subject = Subject(
        gateway=found,
        carriers=CARRIERS,
        records=(record,) if "policies" in record.metadata else (),
    )
    odd_ones, is_whole = lint(
        subject,
        today=date(2026, 11, 24),
        known=Known(keys=frozenset({"alice"}), records=(record,)),
        shipped=SHIPPED,
    )
    assert is_whole
    return [(each.code, each.rule) for each in odd_ones]


def test_a_rule_of_a_key_that_a_lock_always_beats_is_odd():
    in_file = {"match": {"key": ["alice"], **CREDENTIALS}, "action": "forward"}

    assert of_alice(alice(policies=[{"id": "byok", **ALICES}])) == [
        ("L02", "key.alice.byok")
    ]
    assert of_alice(alice(), (Tier.KEY, in_file)) == [("L02", "r1")]


def test_a_rule_of_a_key_that_a_lock_excepts_is_not_beaten():
    in_file = {"match": {"key": ["alice"], **CREDENTIALS}, "action": "forward"}
    off = {"match": CREDENTIALS, "action": "strip"}
    excepted, elsewhere = alice(tags=["byok-approved"]), alice(team="growth")

    assert ("L02", "r1") not in of_alice(excepted, (Tier.KEY, in_file))
    assert ("L02", "r1") not in of_alice(elsewhere, (Tier.KEY, in_file))
    # With the switch undone for all the rest it is what lets the key leave.
    both = of_alice(excepted, (Tier.KEY, in_file), (Tier.USER, off))
    assert "r1" not in [rule for code, rule in both if code != "L07"]


def test_a_rule_of_a_key_that_changes_nothing_is_odd():
    found = of_alice(alice(tags=["byok-approved"], policies=[{"id": "byok", **ALICES}]))

    assert found == [("L03", "key.alice.byok")]
