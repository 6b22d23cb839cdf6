"""The checks that need no caller, from bytes to facts."""

import pytest

from byok.core.errors import Refusal
from byok.core.facts import RequestFacts
from byok.core.intake import check_head, read_facts, route_of
from byok.core.routes import CHAT_COMPLETIONS, COUNT_TOKENS, MESSAGES
from tests.support.keys import ANTHROPIC_API_KEY, ANTHROPIC_OAUTH, MASTER_KEY

BODY = b'{"model":"claude-sonnet-5-5","stream":true,"messages":[]}'
HEADERS = ((b"content-type", b"application/json"),)


@pytest.mark.parametrize("prefix", [b"", b"/anthropic"])
@pytest.mark.parametrize("query", [b"", b"?beta=true"])
@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/v1/messages", MESSAGES),
        (b"/v1/messages/count_tokens", COUNT_TOKENS),
        (b"/v1/chat/completions", CHAT_COMPLETIONS),
    ],
)
def test_a_relayed_route_is_known_with_prefix_and_query(prefix, path, query, route):
    assert route_of(b"POST", prefix + path + query) is route


def test_another_method_is_refused_with_the_one_that_is_taken():
    refused = route_of(b"GET", b"/v1/messages")

    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (405, "route.method")
    assert refused.headers == (("allow", "POST"),)


def test_a_doubled_version_is_named_as_the_cause():
    refused = route_of(b"POST", b"/v1/v1/messages?beta=true")

    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (404, "route.unknown")
    assert "Set ANTHROPIC_BASE_URL" in refused.message


def test_an_unknown_path_is_told_what_there_is():
    refused = route_of(b"POST", b"/v1/complete")

    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (404, "route.unknown")
    assert "/v1/chat/completions" in refused.message


def test_a_head_that_can_be_read_in_one_way_only_passes():
    assert check_head(b"/v1/messages?beta=true", HEADERS) is None


def test_a_path_that_can_be_read_in_two_ways_is_refused():
    refused = check_head(b"/v1/../key/generate", HEADERS)

    assert refused is not None
    assert refused.status == 400


def test_a_header_that_can_be_read_in_two_ways_is_refused():
    refused = check_head(b"/v1/messages", ((b"x_api_key", b"a"), *HEADERS))

    assert refused is not None
    assert refused.status == 400


def test_facts_hold_the_request_as_it_came():
    facts = read_facts(
        b"POST", b"/v1/messages?beta=true", MESSAGES, HEADERS, BODY, client_ip="::1"
    )

    assert isinstance(facts, RequestFacts)
    assert (facts.method, facts.route, facts.query) == ("POST", MESSAGES, b"beta=true")
    assert (facts.headers, facts.body, facts.client_ip) == (HEADERS, BODY, "::1")
    assert facts.head is not None
    assert (facts.head.model, facts.head.stream) == ("claude-sonnet-5-5", True)


def test_a_body_that_cannot_be_read_makes_no_facts():
    refused = read_facts(b"POST", b"/v1/messages", MESSAGES, HEADERS, b'{"model":')

    assert isinstance(refused, Refusal)
    assert refused.status == 400


@pytest.mark.parametrize(
    "model",
    [
        f"claude-{MASTER_KEY}",
        ANTHROPIC_API_KEY,
        f"x/{ANTHROPIC_OAUTH}",
        "claude-haiku-sk-GivenKey-CANARY-abcdefgh",
    ],
)
def test_a_key_is_no_name_of_a_model(model):
    body = b'{"model":"%s"}' % model.encode()

    refused = read_facts(
        b"POST",
        b"/v1/messages",
        MESSAGES,
        HEADERS,
        body,
        secrets=(MASTER_KEY.encode(),),
    )

    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (400, "body.model")
    assert "CANARY" not in refused.message
