"""Which exception the SDK raises, and what its text is."""

import anthropic
import pytest

from tests.support import keys, plays

pytestmark = pytest.mark.e2e

ASKED = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hi"}],
}
MESSAGES = "/v1/messages"


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (413, "request_too_large", anthropic.RequestTooLargeError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.OverloadedError),
    ],
)
def test_an_error_of_the_provider_is_raised_as_its_own(
    client_of, provider, status, kind, expected
):
    provider.play(MESSAGES, plays.fails(status, kind, "said the provider"))
    client = client_of(api_key=keys.ANTHROPIC_API_KEY, max_retries=0)
    with pytest.raises(expected, match="said the provider") as raised:
        client.messages.create(**ASKED)
    assert raised.value.status_code == status
    assert raised.value.type == kind
    assert raised.value.request_id == "req_011ByokScripted"
    assert "x-byok-error" not in raised.value.response.headers
    assert len(provider.requests) == 1


def test_retry_after_reaches_the_sdk(client_of, provider):
    headers = (("retry-after", "1"),)
    provider.play(
        MESSAGES, plays.fails(429, "rate_limit_error", "wait", headers=headers)
    )
    client_of(api_key=keys.ANTHROPIC_API_KEY, max_retries=1).messages.create(**ASKED)
    first, second = provider.times_of(MESSAGES)
    assert second - first >= 1.0


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"api_key": keys.ANTHROPIC_API_KEY}, anthropic.AuthenticationError),
        # A 401 would make a client spend its refresh token.
        ({"auth_token": keys.ANTHROPIC_OAUTH}, anthropic.PermissionDeniedError),
    ],
    ids=["api key", "oauth"],
)
def test_a_wrong_gateway_key_is_refused_once_and_named(
    client_of, provider, stage, own, expected
):
    client = client_of(keys.VIRTUAL_KEY_2, **own)
    with pytest.raises(expected, match="x-litellm-api-key") as raised:
        client.messages.create(**ASKED)
    headers = raised.value.response.headers
    assert raised.value.request_id == headers["request-id"]
    assert headers["x-byok-error"].startswith("auth.")
    assert keys.VIRTUAL_KEY_2 not in str(raised.value)
    assert len(stage.tap.requests_for(MESSAGES)) == 1
    assert provider.requests == ()
