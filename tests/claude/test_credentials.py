"""Whose key arrives at the provider, and in which header."""

import json

import pytest

from tests.claude.cli import custom_headers
from tests.support import keys
from tests.support.arrivals import assert_relayed, credentials

pytestmark = pytest.mark.claude

MESSAGES = "/v1/messages"
HELLO = "Hello from the scripted provider."
GATEWAY_KEY = custom_headers(f"x-litellm-api-key: {keys.VIRTUAL_KEY}")
API_KEY = {"ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY}
OAUTH = {"CLAUDE_CODE_OAUTH_TOKEN": keys.ANTHROPIC_OAUTH}


def test_an_api_key_arrives_as_x_api_key(claude, tap, provider):
    ran = claude.ask("say hi", env={**API_KEY, **GATEWAY_KEY})
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    (arrived,) = provider.requests_for(MESSAGES)
    assert sent.target == b"/v1/messages?beta=true"
    assert sent.values(b"x-litellm-api-key") == (keys.VIRTUAL_KEY.encode(),)
    assert_relayed(sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY)
    assert arrived.values(b"accept-encoding") == (b"identity",)
    assert arrived.values(b"host") == (f"127.0.0.1:{provider.port}".encode(),)


def test_an_oauth_token_arrives_as_bearer_with_its_beta(claude, tap, provider):
    ran = claude.ask("say hi", env={**OAUTH, **GATEWAY_KEY})
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    (arrived,) = provider.requests_for(MESSAGES)
    bearer = f"Bearer {keys.ANTHROPIC_OAUTH}"
    assert_relayed(sent, arrived, name=b"authorization", credential=bearer)
    (betas,) = arrived.values(b"anthropic-beta")
    assert b"oauth-2025-04-20" in betas.split(b",")


def test_a_second_custom_header_names_the_user_and_stays_here(
    claude, tap, provider, gateway
):
    two = custom_headers(
        f"x-litellm-api-key: {keys.VIRTUAL_KEY}", "x-litellm-user-id: my-user-id"
    )
    ran = claude.ask("say hi", env={**API_KEY, **two})
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    assert sent.values(b"x-litellm-user-id") == (b"my-user-id",)
    (arrived,) = provider.requests_for(MESSAGES)
    assert b"my-user-id" not in arrived.raw
    assert_relayed(sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY)
    gateway.wait_for_event("access", key="anna", user="my-user-id", status=200)


def test_the_key_of_a_console_login_arrives_as_x_api_key(claude, tap, provider):
    claude.log_in_to_console(keys.ANTHROPIC_API_KEY_2)
    ran = claude.ask("say hi", env=GATEWAY_KEY)
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    (arrived,) = provider.requests_for(MESSAGES)
    assert_relayed(
        sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY_2
    )


def test_the_token_of_a_plan_login_arrives_as_bearer(claude, tap, provider):
    claude.log_in_to_claude_ai(keys.ANTHROPIC_OAUTH_2)
    ran = claude.ask("say hi", env=GATEWAY_KEY)
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    (arrived,) = provider.requests_for(MESSAGES)
    bearer = f"Bearer {keys.ANTHROPIC_OAUTH_2}"
    assert_relayed(sent, arrived, name=b"authorization", credential=bearer)


def test_a_key_helper_sends_two_headers_of_which_one_arrives(claude, tap, provider):
    claude.take_key_from_helper(keys.ANTHROPIC_API_KEY_2)
    ran = claude.ask("say hi", env=GATEWAY_KEY)
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    assert sent.values(b"x-api-key") == (keys.ANTHROPIC_API_KEY_2.encode(),)
    assert sent.values(b"authorization") == (
        f"Bearer {keys.ANTHROPIC_API_KEY_2}".encode(),
    )
    (arrived,) = provider.requests_for(MESSAGES)
    assert_relayed(
        sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY_2
    )


def test_the_gateway_key_may_be_the_bearer_beside_an_api_key(claude, tap, provider):
    env = {**API_KEY, "ANTHROPIC_AUTH_TOKEN": keys.VIRTUAL_KEY}
    ran = claude.ask("say hi", env=env)
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    (arrived,) = provider.requests_for(MESSAGES)
    assert_relayed(sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY)


@pytest.mark.parametrize(
    ("alias", "model"), [("haiku", "claude-haiku-5-5"), ("sonnet", "claude-sonnet-5-5")]
)
def test_every_model_alias_of_the_client_is_served(claude, provider, alias, model):
    ran = claude.ask("say hi", "--model", alias, env={**API_KEY, **GATEWAY_KEY})
    assert (ran.code, ran.said) == (0, HELLO)
    (arrived,) = provider.requests_for(MESSAGES)
    assert json.loads(arrived.body)["model"] == model


def entry(name: str, model: str, **params: str) -> dict[str, object]:
    """One entry of `model_list`."""
    return {
        "model_name": name,
        "litellm_params": {"model": f"anthropic/{model}", **params},
    }


@pytest.mark.parametrize(
    "sections", [{"model_list": [entry("claude-opus-5-5", "claude-opus-4-1")]}]
)
def test_an_alias_changes_one_string_of_the_body(claude, tap, provider):
    ran = claude.ask("say hi", "--model", "opus", env={**API_KEY, **GATEWAY_KEY})
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    (arrived,) = provider.requests_for(MESSAGES)
    before, after = b'"model":"claude-opus-5-5"', b'"model":"claude-opus-4-1"'
    assert sent.body.startswith(b"{" + before)
    assert arrived.body == sent.body.replace(before, after, 1)
    assert credentials(arrived) == [(b"x-api-key", keys.ANTHROPIC_API_KEY.encode())]


@pytest.mark.parametrize(
    "sections",
    [
        {
            "model_list": [
                entry(
                    "claude-opus-5-5",
                    "claude-opus-5-5",
                    api_key="os.environ/ANTHROPIC_API_KEY",
                )
            ]
        }
    ],
)
def test_a_developer_without_a_key_uses_the_companys(claude, tap, provider, gateway):
    env = {"ANTHROPIC_AUTH_TOKEN": keys.VIRTUAL_KEY}
    ran = claude.ask("say hi", "--model", "opus", env=env)
    assert (ran.code, ran.said) == (0, HELLO)
    (sent,) = tap.requests_for(MESSAGES)
    (arrived,) = provider.requests_for(MESSAGES)
    assert_relayed(sent, arrived, name=b"x-api-key", credential=keys.DEPLOYMENT_KEY_2)
    gateway.wait_for_event("access", payer="org", status=200)
