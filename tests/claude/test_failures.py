"""What the developer sees when the provider fails, and how often it is asked."""

import pytest

from tests.claude.cli import custom_headers
from tests.support import keys, plays
from tests.support.provider_process import ProviderProcess

pytestmark = pytest.mark.claude

MESSAGES = "/v1/messages"
HELLO = "Hello from the scripted provider."
ENV = {
    "ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY,
    **custom_headers(f"x-litellm-api-key: {keys.VIRTUAL_KEY}"),
}


def tries(number: int) -> dict[str, str]:
    """The environment of a client that asks at most *number* times."""
    return {**ENV, "CLAUDE_CODE_MAX_RETRIES": str(number - 1)}


def test_a_refused_provider_key_is_reported_in_the_clients_words(claude, provider):
    refusal = plays.fails(401, "authentication_error", "invalid x-api-key")
    provider.always(MESSAGES, refusal)
    ran = claude.ask("say hi", env=tries(2))
    assert (ran.code, ran.report["api_error_status"]) == (1, 401)
    assert ran.said == "Invalid API key · Fix external API key"
    assert len(provider.requests_for(MESSAGES)) == 2


def test_the_wording_of_an_upstream_error_reaches_the_client(claude, provider):
    text = "Your credit balance is too low to access the Anthropic API."
    provider.play(MESSAGES, plays.fails(400, "invalid_request_error", text))
    ran = claude.ask("say hi", env=ENV)
    assert (ran.code, ran.report["api_error_status"]) == (1, 400)
    assert ran.said == "Credit balance is too low"
    assert len(provider.requests_for(MESSAGES)) == 1


def test_retry_after_is_waited_for(claude, provider):
    slow_down = plays.fails(
        429, "rate_limit_error", "slow down", headers=(("retry-after", "2"),)
    )
    provider.play(MESSAGES, slow_down)
    ran = claude.ask("say hi", env=ENV)
    assert (ran.code, ran.said) == (0, HELLO)
    first, second = provider.times_of(MESSAGES)
    # Without the hint it would have come after half a second.
    assert second - first >= 2.0


def test_an_overloaded_provider_is_named_as_such(claude, provider):
    provider.always(MESSAGES, plays.fails(529, "overloaded_error", "Overloaded"))
    ran = claude.ask("say hi", env=tries(2))
    assert (ran.code, ran.report["api_error_status"]) == (1, 529)
    assert ran.said.startswith("API Error: 529 Overloaded.")
    assert len(provider.requests_for(MESSAGES)) == 2


def test_the_error_page_of_a_proxy_keeps_its_status(claude, provider):
    provider.always(MESSAGES, plays.html(502))
    ran = claude.ask("say hi", env=tries(1))
    assert (ran.code, ran.report["api_error_status"]) == (1, 502)
    assert len(provider.requests_for(MESSAGES)) == 1


def test_a_redirect_leads_nobody_anywhere(claude, tap, provider):
    with ProviderProcess() as elsewhere:
        provider.always(MESSAGES, plays.redirect(f"{elsewhere.url}/v1/messages"))
        ran = claude.ask("say hi", env=tries(1))
        assert elsewhere.requests == ()
    assert (ran.code, ran.report["api_error_status"]) == (1, 502)
    assert str(elsewhere.port) not in ran.stdout
    assert len(tap.requests_for(MESSAGES)) == 1
    assert len(provider.requests_for(MESSAGES)) == 1
