"""
What the developer reads when the gateway itself says no.

Once, at once, and with the one thing to change: a client that repeats a
refused request for three minutes, or hides the message, helps nobody.
"""

import pytest

from tests.claude.cli import custom_headers
from tests.support import keys

pytestmark = pytest.mark.claude

MESSAGES = "/v1/messages"
GATEWAY_KEY = custom_headers(f"x-litellm-api-key: {keys.VIRTUAL_KEY}")
WRONG_KEY = custom_headers(f"x-litellm-api-key: {keys.VIRTUAL_KEY_2}")
API_KEY = {"ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY}
OAUTH = {"CLAUDE_CODE_OAUTH_TOKEN": keys.ANTHROPIC_OAUTH}


@pytest.mark.parametrize(
    ("own", "status"), [(API_KEY, 401), (OAUTH, 403)], ids=["api key", "oauth"]
)
def test_a_wrong_gateway_key_costs_one_request_and_says_so(
    claude, tap, provider, own, status
):
    ran = claude.ask("say hi", env={**own, **WRONG_KEY})
    assert len(tap.requests_for(MESSAGES)) == 1
    assert provider.requests == ()
    assert (ran.code, ran.report["api_error_status"]) == (1, status)
    assert "x-litellm-api-key" in ran.said
    assert keys.VIRTUAL_KEY_2 not in ran.stdout
    assert ran.seconds < 20


def test_a_forgotten_gateway_key_costs_one_request_and_says_so(claude, tap, provider):
    ran = claude.ask("say hi", env=API_KEY)
    assert len(tap.requests_for(MESSAGES)) == 1
    assert provider.requests == ()
    assert (ran.code, ran.report["api_error_status"]) == (1, 401)
    assert "x-litellm-api-key" in ran.said


def test_a_wrong_gateway_key_costs_a_plan_login_nothing(claude, tap, provider):
    file = claude.log_in_to_claude_ai(keys.ANTHROPIC_OAUTH_2)
    login = file.read_bytes()
    ran = claude.ask("say hi", env=WRONG_KEY)
    assert (ran.code, ran.report["api_error_status"]) == (1, 403)
    assert len(tap.requests_for(MESSAGES)) == 1
    assert provider.requests == ()
    # After a 401 the client would have spent its refresh token.
    assert file.read_bytes() == login


@pytest.mark.parametrize(
    "sections", [{"litellm_settings": {"forward_llm_provider_auth_headers": False}}]
)
@pytest.mark.parametrize(
    ("own", "status"), [(API_KEY, 401), (OAUTH, 403)], ids=["api key", "oauth"]
)
def test_a_gateway_that_keeps_keys_names_the_missing_switch(
    claude, tap, provider, own, status
):
    ran = claude.ask("say hi", env={**own, **GATEWAY_KEY})
    assert (ran.code, ran.report["api_error_status"]) == (1, status)
    assert "forward_llm_provider_auth_headers" in ran.said
    assert len(tap.requests_for(MESSAGES)) == 1
    assert provider.requests == ()


def test_a_model_outside_the_key_is_refused_by_name(claude, tap, provider, gateway):
    gateway.make_key(keys.VIRTUAL_KEY_2, models=["claude-haiku-5-5"])
    ran = claude.ask("say hi", "--model", "opus", env={**API_KEY, **WRONG_KEY})
    assert (ran.code, ran.report["api_error_status"]) == (1, 403)
    assert "This byok key does not open the requested model" in ran.said
    assert len(tap.requests_for(MESSAGES)) == 1
    assert provider.requests == ()


@pytest.mark.parametrize(
    "sections",
    [
        {
            "model_list": [
                {
                    "model_name": "claude-sonnet-4-5",
                    "litellm_params": {"model": "anthropic/claude-sonnet-4-5"},
                }
            ]
        }
    ],
)
def test_a_model_nobody_serves_is_the_models_fault(claude, provider):
    ran = claude.ask("say hi", "--model", "opus", env={**API_KEY, **GATEWAY_KEY})
    assert (ran.code, ran.report["api_error_status"]) == (1, 404)
    assert "claude-opus-5-5" in ran.said
    assert provider.requests == ()
