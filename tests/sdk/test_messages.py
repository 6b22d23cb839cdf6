"""What the SDK asks for, and what arrives."""

import pytest
from anthropic import Omit
from httpx2 import RemoteProtocolError

from tests.support import keys, plays
from tests.support.arrivals import assert_relayed, credentials

pytestmark = pytest.mark.e2e

MODEL = "claude-sonnet-5-5"
ASKED = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
BEARER = f"Bearer {keys.ANTHROPIC_API_KEY}"
MESSAGES = "/v1/messages"


def test_an_answer_arrives_whole(client_of, stage):
    answer = client_of(api_key=keys.ANTHROPIC_API_KEY).messages.create(
        **ASKED, max_tokens=64
    )
    assert answer.content[0].text == "Hello from the scripted provider."
    assert answer.usage.output_tokens == 7
    ((sent, arrived),) = stage.pairs(MESSAGES)
    # Since 2.0 the SDK sends an API key as bearer; it stays where it came.
    assert_relayed(sent, arrived, name=b"authorization", credential=BEARER)
    assert arrived.values(b"anthropic-version") == sent.values(b"anthropic-version")


def test_a_stream_arrives_in_its_pieces(client_of, provider):
    provider.play(MESSAGES, plays.says("one two three"))
    client = client_of(api_key=keys.ANTHROPIC_API_KEY)
    with client.messages.stream(**ASKED, max_tokens=64) as stream:
        assert list(stream.text_stream) == ["one ", "two ", "three"]
        assert stream.get_final_message().stop_reason == "end_turn"


def test_a_cut_stream_is_never_taken_for_a_complete_one(client_of, provider):
    cut = plays.says("one two three").cut_before(b"event: message_delta")
    provider.play(MESSAGES, cut)
    client = client_of(api_key=keys.ANTHROPIC_API_KEY)
    heard = []
    with (
        client.messages.stream(**ASKED, max_tokens=64) as stream,
        pytest.raises(RemoteProtocolError, match="incomplete chunked read"),
    ):
        heard.extend(stream.text_stream)
    assert "".join(heard) in "one two three"


def test_tokens_are_counted_by_the_provider(client_of, provider, stage):
    provider.play(f"{MESSAGES}/count_tokens", plays.counts(4711))
    counted = client_of(api_key=keys.ANTHROPIC_API_KEY).messages.count_tokens(**ASKED)
    assert counted.input_tokens == 4711
    ((sent, arrived),) = stage.pairs(f"{MESSAGES}/count_tokens")
    assert_relayed(sent, arrived, name=b"authorization", credential=BEARER)


def test_a_key_in_x_api_key_stays_there(client_of, stage):
    # As releases before 2.0 send it.
    client = client_of(
        api_key="unused",
        headers={"Authorization": Omit(), "X-Api-Key": keys.ANTHROPIC_API_KEY},
    )
    client.messages.create(**ASKED, max_tokens=64)
    ((sent, arrived),) = stage.pairs(MESSAGES)
    assert_relayed(sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY)


def test_an_oauth_token_stays_a_bearer(client_of, stage):
    client = client_of(auth_token=keys.ANTHROPIC_OAUTH)
    client.messages.create(**ASKED, max_tokens=64)
    ((sent, arrived),) = stage.pairs(MESSAGES)
    assert_relayed(
        sent,
        arrived,
        name=b"authorization",
        credential=f"Bearer {keys.ANTHROPIC_OAUTH}",
    )


def test_no_cookie_of_the_provider_ever_comes_back(client_of, stage):
    # The SDK keeps cookies and replays them; the provider sets one every time.
    client = client_of(api_key=keys.ANTHROPIC_API_KEY)
    for _ in range(2):
        client.messages.create(**ASKED, max_tokens=64)
    for sent, arrived in stage.pairs(MESSAGES):
        assert sent.values(b"cookie") == ()
        assert credentials(arrived) == [(b"authorization", BEARER.encode())]


def test_models_are_the_gateways_own_list(client_of, provider):
    client = client_of(api_key=keys.ANTHROPIC_API_KEY)
    listed = {model.id: model for model in client.models.list(limit=1000)}
    assert {MODEL, "claude-opus-5-5", "claude-haiku-5-5"} <= set(listed)
    assert client.models.retrieve(MODEL) == listed[MODEL]
    assert listed[MODEL].display_name
    assert provider.requests == ()
