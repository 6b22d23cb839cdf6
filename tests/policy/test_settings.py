"""LiteLLM's switches: what they mean here, alone, together and against each other."""

from dataclasses import replace

import pytest

from byok.policy import classes
from byok.policy.outcome import Outcome
from byok.policy.plan import Plan
from byok.policy.rules import Action, Rule, Tier, When, Where
from byok.policy.settings import (
    AUTH_SWITCH,
    HEADER_SWITCH,
    SECTIONS,
    Switch,
    conflicts,
    extra_header_rules,
    model_group_rules,
    settings_rules,
)
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets
from tests.support import keys

API_KEY = (b"x-api-key", keys.ANTHROPIC_API_KEY.encode())
OAUTH = (b"authorization", b"Bearer " + keys.ANTHROPIC_OAUTH.encode())
LINES = {
    "general_settings": Where(file="config.yaml", line=5),
    "litellm_settings": Where(file="config.yaml", line=9),
}
RELAY = replace(
    rulesets.PLAIN,
    deployment="relay",
    host="relay.example.net",
    trusted=frozenset(),
    vouched=False,
)


def switch(general: bool | None = None, litellm: bool | None = None):
    written = dict(zip(SECTIONS, (general, litellm), strict=True))
    return {
        section: Switch(value=value, where=LINES[section])
        for section, value in written.items()
        if value is not None
    }


def apply(
    rules: tuple[Rule, ...], *headers: tuple[bytes, bytes], context=rulesets.PLAIN
) -> Outcome:
    return Plan(context, rules, CredentialPolicy()).apply(headers)


def is_forwarded(*args, **kwargs) -> bool:
    return apply(*args, **kwargs).verdicts[0].action is Action.FORWARD


# The two sections (each row of the table)

TABLE = [
    # general, litellm, here, under LiteLLM, do they disagree?
    (None, None, False, False, False),
    (True, None, True, True, False),
    (None, True, True, True, False),
    (True, True, True, True, False),
    (False, None, False, False, False),
    (None, False, False, False, False),
    (False, True, False, True, True),
    (True, False, False, True, True),
    (False, False, False, False, False),
]
# One field for each thing that either switch gives.
AUTH_GIVES = (API_KEY, OAUTH)
HEADERS_GIVE = ((b"x-custom", b"1"), (b"x-request-id", b"1"), (b"x-app", b"cli"))


@pytest.mark.parametrize(("general", "litellm", "here", "there", "disagree"), TABLE)
@pytest.mark.parametrize("field", AUTH_GIVES)
def test_the_switch_for_credentials_in_two_sections(  # noqa: PLR0917 - a table's columns
    general, litellm, here, there, disagree, field
):
    written = switch(general, litellm)

    assert is_forwarded(settings_rules(written, {}), field) is here
    assert is_forwarded(settings_rules(written, {}, either=True), field) is there
    assert conflicts(written) is disagree


@pytest.mark.parametrize(("general", "litellm", "here", "there", "disagree"), TABLE)
@pytest.mark.parametrize("field", HEADERS_GIVE)
@pytest.mark.parametrize("context", [rulesets.PLAIN, RELAY])
def test_the_switch_for_headers_in_two_sections(  # noqa: PLR0917 - a table's columns
    general, litellm, here, there, disagree, field, context
):
    written = switch(general, litellm)

    assert is_forwarded(settings_rules({}, written), field, context=context) is here
    assert (
        is_forwarded(settings_rules({}, written, either=True), field, context=context)
        is there
    )
    assert conflicts(written) is disagree


def test_the_switch_that_decided_is_named_with_its_line():
    rule = apply(settings_rules(switch(litellm=True), {}), API_KEY).verdicts[0].rule

    assert rule is not None
    assert rule.id == f"litellm_settings.{AUTH_SWITCH}"
    assert rule.tier is Tier.SETTINGS
    assert str(rule.where) == "config.yaml:9"


@pytest.mark.parametrize(("general", "litellm"), [(False, True), (True, False)])
def test_a_disagreement_names_both_lines(general, litellm):
    verdict = apply(settings_rules(switch(general, litellm), {}), API_KEY).verdicts[0]

    assert verdict.rule is not None
    assert {str(verdict.rule.where), *(str(o.rule.where) for o in verdict.over)} == {
        "config.yaml:5",
        "config.yaml:9",
    }
    assert [(each.rule.action, each.because) for each in verdict.over] == [
        (Action.FORWARD, "same tier, stricter won")
    ]


def test_where_one_true_is_enough_the_rule_says_by_which_word_it_won():
    rules = settings_rules(switch(False, True), switch(True, False), either=True)

    assert {rule.compat for rule in rules} == {"either"}
    assert {rule.action for rule in rules} == {Action.FORWARD}
    agreeing = settings_rules(switch(True, True), switch(True, True), either=True)
    assert {rule.compat for rule in agreeing} == {""}
    stricter = settings_rules(switch(False, True), switch(True, False))
    assert {rule.compat for rule in stricter} == {""}


def test_where_one_true_is_enough_two_falses_still_strip():
    rules = settings_rules(switch(False, False), switch(False, False), either=True)

    assert [rule.action for rule in rules] == [Action.STRIP] * 4


def test_a_narrower_forward_is_stopped_by_no_switch():
    narrow = rulesets.read(
        Tier.KEY,
        {
            "id": "k",
            "match": {"header": {"class": "credential.*"}},
            "action": "forward",
        },
    )

    assert is_forwarded((*settings_rules(switch(False), {}), *narrow), API_KEY)


# forward_client_headers_to_llm_api

HEADERS_ON = settings_rules({}, switch(general=True))


@pytest.mark.parametrize(
    "name",
    [
        b"x-custom",
        b"x-request-id",
        b"x-correlation-id",
        b"x-b3-traceid",
        b"x-app",
        b"x-claude-code-session-id",
    ],
)
def test_x_names_are_forwarded(name):
    assert is_forwarded(HEADERS_ON, (name, b"1"))


@pytest.mark.parametrize(
    "name",
    [
        # the network between client and gateway
        b"x-forwarded-for",
        b"x-forwarded-access-token",
        b"x-real-ip",
        b"forwarded",
        b"via",
        b"x-envoy-peer-metadata",
        b"cf-ray",
        # other credentials
        b"x-amz-security-token",
        b"x-vault-token",
        b"x-auth-token",
        b"x-csrf-token",
        b"x-session-token",
        b"x-client-secret",
        b"x-foo-api-key",
        b"x-claude-code-session-token",
        # what speaks to the gateway
        b"x-litellm-tags",
        b"x-litellm-api-key",
        b"x-byok-explain",
        b"x-byok-key",
        b"x-pass-x-custom",
        # and the rest
        b"cookie",
        b"x-stainless-lang",
        b"x-api-key",
        b"x-goog-api-key",
        b"x-foo_bar",
        b"traceparent",
        b"user-agent",
        b"custom",
    ],
)
def test_these_are_not(name):
    assert not is_forwarded(HEADERS_ON, (name, b"1"))


def test_an_explicit_false_leaves_alone_what_packs_forward_for_the_client():
    pack = rulesets.read(
        Tier.PACK,
        {"id": "identity", "match": {"header": {"name": "x-*"}}, "action": "forward"},
    )
    off = (*pack, *settings_rules({}, switch(general=False)))

    assert is_forwarded(off, (b"x-app", b"cli"))
    assert not is_forwarded(off, (b"x-custom", b"1"))
    assert not is_forwarded(off, (b"x-request-id", b"1"))


# OAuth


@pytest.mark.parametrize("auth", [None, True, False])
@pytest.mark.parametrize("headers", [None, True, False])
@pytest.mark.parametrize("keyless", [True, False])
@pytest.mark.parametrize("context", [rulesets.PLAIN, RELAY])
def test_a_login_is_forwarded_by_either_switch_to_trusted_hosts_only(
    auth, headers, keyless, context
):
    rules = settings_rules(switch(litellm=auth), switch(litellm=headers))
    at = replace(context, deployment_key=not keyless)

    asked = auth or (headers and keyless and auth is None)
    assert is_forwarded(rules, OAUTH, context=at) is bool(
        asked and context is rulesets.PLAIN
    )


def test_forwarding_headers_forwards_no_api_key():
    assert not is_forwarded(HEADERS_ON, API_KEY)


@pytest.mark.parametrize(("general", "litellm"), [(True, False), (False, True)])
def test_a_contradicted_switch_for_headers_forwards_no_login(general, litellm):
    written = switch(general, litellm)

    assert not is_forwarded(settings_rules({}, written), OAUTH)
    assert is_forwarded(settings_rules({}, written, either=True), OAUTH)


# model_group_settings


GROUPS = model_group_rules([("claude-*", LINES["litellm_settings"])])


def test_a_group_may_have_its_clients_headers_forwarded():
    other = replace(rulesets.PLAIN, model_group="claude-sonnet")

    assert is_forwarded(GROUPS, (b"x-custom", b"1"))
    # The group is named as it is written; its star is no pattern.
    assert not is_forwarded(GROUPS, (b"x-custom", b"1"), context=other)
    assert not is_forwarded(GROUPS, (b"x-vault-token", b"1"))


def test_a_groups_keyless_deployment_takes_the_clients_login():
    with_key = replace(rulesets.PLAIN, deployment_key=True)

    assert is_forwarded(GROUPS, OAUTH)
    assert not is_forwarded(GROUPS, OAUTH, context=with_key)
    assert not is_forwarded(GROUPS, API_KEY)


@pytest.mark.parametrize(
    ("written", "either", "is_taken"),
    [
        (switch(general=False), False, False),
        (switch(litellm=False), False, False),
        (switch(True, False), False, False),
        (switch(True, False), True, True),
        (switch(False, False), True, False),
        (switch(litellm=True), False, True),
    ],
)
def test_a_group_takes_no_login_against_an_explicit_false(written, either, is_taken):
    groups = model_group_rules(
        [("claude-*", LINES["litellm_settings"])], written, either=either
    )
    rules = (*settings_rules(written, {}, either=either), *groups)

    assert is_forwarded(rules, OAUTH) is is_taken
    assert is_forwarded(rules, (b"x-custom", b"1"))


def test_a_group_is_narrower_than_the_settings():
    rules = (*settings_rules({}, switch(general=False)), *GROUPS)

    verdict = apply(rules, (b"x-custom", b"1")).verdicts[0]

    assert verdict.action is Action.FORWARD
    assert verdict.rule is not None
    assert verdict.rule.id == f"model_group_settings.{HEADER_SWITCH}.claude-*"
    assert verdict.rule.tier is Tier.MODEL_GROUP


# extra_headers


def test_extra_headers_are_put_in_for_their_deployment():
    rules = extra_header_rules(
        "main",
        {
            "X-Team": ("blue", LINES["general_settings"], ""),
            "anthropic-beta": ("a,b", LINES["general_settings"], ""),
            "OpenAI-Beta": ("c", LINES["general_settings"], ""),
        },
    )

    assert [
        (rule.id, rule.tier, rule.inject and rule.inject.when) for rule in rules
    ] == [
        ("main.extra_headers.x-team", Tier.MODEL, When.SET),
        ("main.extra_headers.anthropic-beta", Tier.MODEL, When.APPEND),
        ("main.extra_headers.openai-beta", Tier.MODEL, When.APPEND),
    ]
    forward = rulesets.read(Tier.PACK, {"id": "all", "action": "forward"})
    sent = apply((*rules, *forward), (b"x-team", b"red"), (b"anthropic-beta", b"c"))
    assert sent.sends == (
        (b"anthropic-beta", b"c"),
        (b"anthropic-beta", b"a,b"),
        (b"openai-beta", b"c"),
        (b"x-team", b"blue"),
    )
    assert apply(rules, context=RELAY).sends == ()


def test_a_deployments_name_with_a_star_is_no_pattern():
    rules = extra_header_rules(
        "claude-*", {"x-a": ("1", LINES["general_settings"], "")}
    )

    assert apply(rules, context=replace(RELAY, deployment="claude-x")).sends == ()
    assert apply(rules, context=replace(RELAY, deployment="claude-*")).sends == (
        (b"x-a", b"1"),
    )


def test_the_classes_that_the_switches_name_exist():
    asked = {
        glob.text for rule in (*HEADERS_ON, *GROUPS) for glob in rule.match.header.cls
    }

    assert asked <= classes.CLASSES
