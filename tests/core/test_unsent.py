"""What a developer is told whose request had no credential to leave with."""

from dataclasses import replace

import pytest

from byok.core.carriers import CUSTOM
from byok.core.exchange import Caller, Decided, decide
from byok.core.routes import CHAT_COMPLETIONS
from byok.core.secret import Secret
from byok.policy import slot
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy
from tests.core.asking import (
    DEVELOPER,
    GATEWAY_KEY,
    OAUTH,
    RELAY,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.support import keys

ON = switches(litellm_settings=True)
KEY = keys.ANTHROPIC_API_KEY.encode()
OTHER = keys.VIRTUAL_KEY_2


def told(*headers, caller: Caller = DEVELOPER, found=None, auth=ON, **route) -> str:
    at = gateway(found or deployment(), auth=auth)
    decided = decide(facts(*headers, **route), caller, at)
    assert isinstance(decided, Decided)
    assert decided.refusal is not None
    return decided.refusal.message


@pytest.mark.parametrize(
    ("carrier", "said"),
    [
        ("x-litellm-api-key", "the byok key stays in ANTHROPIC_CUSTOM_HEADERS."),
        ("x-own", "the byok key stays in ANTHROPIC_CUSTOM_HEADERS."),
        ("authorization", "own key; the byok key stays in ANTHROPIC_AUTH_TOKEN."),
        (
            "x-api-key",
            f"Move the byok key to {CUSTOM}, and set ANTHROPIC_API_KEY to your own key",
        ),
        ("", "or set ANTHROPIC_API_KEY to your own key."),
    ],
)
def test_whoever_sent_no_key_is_told_to_set_one_that_hinders_nothing(carrier, said):
    message = told(GATEWAY_KEY, caller=replace(DEVELOPER, carrier=carrier))

    assert said in message
    assert ("/login" in message) is (carrier != "authorization")


def test_a_login_that_anthropic_has_is_no_remedy_at_another_provider():
    openai = deployment(provider="openai", model="gpt-5")

    message = told(GATEWAY_KEY, found=openai, route=CHAT_COMPLETIONS)

    assert message.endswith(
        "Send your own openai key as authorization: Bearer <your key>."
    )


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        ((b"x-api-key", b'"' + KEY + b'"'), "without Bearer"),
        ((b"authorization", KEY), "with Bearer before it"),
    ],
)
def test_a_key_that_does_not_stand_alone_is_told_how_it_has_to(header, scheme):
    message = told(GATEWAY_KEY, header)

    assert f"Send the key by itself, {scheme}, and without quotes" in message


def test_a_login_in_the_header_for_keys_is_told_where_it_belongs():
    message = told(GATEWAY_KEY, (b"x-api-key", OAUTH[1]))

    assert (
        "The credential in the API key header was not forwarded: it is a claude.ai"
        " login token, which its provider reads in authorization"
    ) in message


def test_keys_of_the_gateway_are_told_to_be_such():
    caller = replace(DEVELOPER, others=(Secret(OTHER),))

    message = told(GATEWAY_KEY, (b"x-api-key", OTHER.encode()), caller=caller)

    assert "x-litellm-api-key holds a byok key; the API key header holds a byok" in (
        message
    )


@pytest.mark.parametrize(
    ("header", "found", "auth", "said"),
    [
        ((b"x-api-key", KEY), None, None, "no rule forwards it"),
        ((b"x-api-key", b"opaque"), None, ON, "no shape that tells whose"),
        (
            (b"authorization", b"Bearer " + keys.OPENAI_API_KEY.encode()),
            None,
            ON,
            "which is not sent to anthropic",
        ),
        (
            (b"x-api-key", KEY),
            deployment(origin=RELAY),
            ON,
            "relay.example.net is not trusted for it",
        ),
    ],
)
def test_what_keeps_a_credential_here_is_named(header, found, auth, said):
    message = told(GATEWAY_KEY, header, found=found, auth=auth)

    assert said in message
    assert message.endswith("has no key that could be used instead.")


@pytest.mark.parametrize("header", [(b"x-api-key", b"opaque"), None])
def test_a_name_that_claude_code_hides_is_in_no_message(header):
    found = deployment("my-x-api-key-entry")

    message = told(*((GATEWAY_KEY, header) if header else (GATEWAY_KEY,)), found=found)

    assert "my-the API key header-entry" in message


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("", "the rule mine.no-keys keeps it here. The"),
        (
            "Contractors use the shared key.",
            "the rule mine.no-keys keeps it here: Contractors use the shared key. The",
        ),
        (
            "Ask\n  platform-sec first",
            "the rule mine.no-keys keeps it here: Ask platform-sec first. The",
        ),
    ],
)
def test_the_reason_of_the_rule_that_took_a_credential_is_told(why, said):
    rule = {
        "id": "no-keys",
        "match": {"header": {"class": "credential.provider.*"}},
        "action": "strip",
        "lock": True,
        "why": why,
    }
    at = gateway(rules=rules_at(Tier.TEAM, rule, namespace="mine"), auth=ON)

    decided = decide(facts(GATEWAY_KEY, OAUTH), DEVELOPER, at)

    assert isinstance(decided, Decided)
    assert decided.refusal is not None
    assert (decided.refusal.code, decided.refusal.rule) == (
        "credential.not-forwarded",
        "mine.no-keys",
    )
    assert said in decided.refusal.message


def test_what_the_order_leaves_out_is_said_to_be_left_out():
    order = CredentialPolicy(order=(slot.CLIENT_API_KEY,))
    at = gateway(deployment(), auth=ON, credential=order)
    decided = decide(facts(OAUTH, GATEWAY_KEY), DEVELOPER, at)

    assert isinstance(decided, Decided)
    assert decided.refusal is not None
    assert decided.refusal.code == "credential.not-forwarded"
    assert decided.refusal.rule == "credential.order"
    assert "credential.order has no place for it" in decided.refusal.message
