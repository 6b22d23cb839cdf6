"""
What the developer reads of a budget of the company's that is spent, or nearly.

The client heeds what is said of a budget beside an answer where it is logged in to a
plan, or to a gateway of Anthropic's kind; with an API key it does not. What a refusal
says it shows in any case.
"""

import pytest

from tests.claude.cli import Ran, custom_headers
from tests.claude.events import Json, printed
from tests.support import keys

pytestmark = [
    pytest.mark.claude,
    pytest.mark.parametrize(
        "sections",
        [
            {
                "model_list": [
                    {
                        "model_name": "claude-*",
                        "litellm_params": {
                            "model": "anthropic/claude-*",
                            # The gateway's own environment has one, as a bait.
                            "api_key": "os.environ/ANTHROPIC_API_KEY",
                        },
                    }
                ],
                "litellm_settings": {"forward_llm_provider_auth_headers": False},
            }
        ],
        ids=["org pays"],
    ),
]

MESSAGES = "/v1/messages"
GATEWAY_KEY = custom_headers(f"x-litellm-api-key: {keys.VIRTUAL_KEY_2}")
API_KEY = {"ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY}
OAUTH = {"CLAUDE_CODE_OAUTH_TOKEN": keys.ANTHROPIC_OAUTH}
STREAM = ("--output-format", "stream-json", "--verbose", "--model", "sonnet")
# An answer of the scripted provider costs 94,000 nanodollars.
NEARLY = 0.0001


def told(ran: Ran) -> list[Json]:
    """What the client made of the headers, answer by answer."""
    events = printed(ran.stdout.splitlines())
    found = (each.get("rate_limit_info") for each in events)
    return [each for each in found if isinstance(each, dict)]


def test_a_budget_that_is_nearly_spent_is_shown_to_who_is_logged_in(claude, gateway):
    gateway.make_key(keys.VIRTUAL_KEY_2, max_budget=NEARLY, budget_duration="1d")
    env = {**OAUTH, **GATEWAY_KEY}

    fresh, nearly = (claude.ask("say hi", *STREAM, env=env) for _ in range(2))

    (first,), (second,) = told(fresh), told(nearly)
    assert (first["status"], first["overageStatus"]) == ("allowed", "allowed")
    assert second["overageStatus"] == second["status"] == "allowed_warning"
    assert second["rateLimitType"] == "overage"
    assert (second["utilization"], second["surpassedThreshold"]) == (0.94, 0.75)
    assert str(second["resetsAt"]).isdigit()


def test_who_has_an_api_key_is_not_warned(claude, gateway, tap):
    gateway.make_key(keys.VIRTUAL_KEY_2, max_budget=NEARLY, budget_duration="1d")
    env = {**API_KEY, **GATEWAY_KEY}

    runs = [claude.ask("say hi", *STREAM, env=env) for _ in range(2)]

    assert [each.code for each in runs] == [0, 0]
    assert [told(each) for each in runs] == [[], []]
    assert len(tap.requests_for(MESSAGES)) == 2


@pytest.mark.parametrize("own", [API_KEY, OAUTH], ids=["api key", "oauth"])
def test_a_spent_budget_costs_one_request_and_says_whose_it_is(
    claude, gateway, tap, provider, own
):
    gateway.make_key(
        keys.VIRTUAL_KEY_2, key_alias="laptop", max_budget=0, budget_duration="1d"
    )

    ran = claude.ask("say hi", env={**own, **GATEWAY_KEY})

    assert len(tap.requests_for(MESSAGES)) == 1
    assert provider.requests == ()
    assert (ran.code, ran.report["api_error_status"]) == (1, 429)
    assert "Spend limit reached (daily; resets " in ran.said
    assert "the budget of key laptop, $0.00, is used up." in ran.said
    assert ran.seconds < 20
