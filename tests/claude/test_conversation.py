"""What a developer does all day: answers that stream, tools, and turns."""

import json
import signal

import pytest

from tests.claude.cli import custom_headers
from tests.claude.events import has_shown, result
from tests.support import keys, plays
from tests.support.arrivals import assert_relayed

pytestmark = pytest.mark.claude

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
ENV = {
    "ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY,
    **custom_headers(f"x-litellm-api-key: {keys.VIRTUAL_KEY}"),
}


def session_of(request) -> str:
    """The session a request belongs to: its header, which the body repeats."""
    (header,) = request.values(b"x-claude-code-session-id")
    user = json.loads(json.loads(request.body)["metadata"]["user_id"])
    assert user["session_id"] == header.decode()
    return header.decode()


def test_words_are_shown_before_the_answer_is_complete(claude, provider):
    held = plays.says("first second third").hold_before(b"second", signal="go on")
    provider.play(MESSAGES, held)
    running = claude.watch("talk", env=ENV)
    try:
        running.wait_for(has_shown("first "))
        provider.fire("go on")
        running.wait_for(has_shown("first ", "second ", "third"))
        end = running.wait_for(result)
    finally:
        running.stop()
    assert end["result"] == "first second third"
    assert len(provider.requests_for(MESSAGES)) == 1


def test_a_tool_runs_and_its_result_goes_back(claude, stage, provider):
    asked = {"command": "echo the answer is $((40 + 2))", "description": "Say it"}
    provider.play(MESSAGES, plays.asks_for_tool("Bash", asked, said="I run it."))
    provider.play(MESSAGES, plays.says("It said 42."))
    ran = claude.ask("compute", "--allowedTools", "Bash(echo:*)", env=ENV)
    assert (ran.code, ran.said) == (0, "It said 42.")
    assert ran.report["num_turns"] == 2
    for sent, arrived in stage.pairs(MESSAGES):
        assert_relayed(
            sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY
        )
    first, second = provider.requests_for(MESSAGES)
    assert session_of(first) == session_of(second)
    assistant, user = json.loads(second.body)["messages"][-2:]
    assert assistant["content"][-1]["input"] == asked
    assert user["content"][0]["type"] == "tool_result"
    assert user["content"][0]["content"] == "the answer is 42"


def test_a_conversation_continues_in_its_session(claude, stage, provider):
    provider.play(MESSAGES, plays.says("I remember seven."), plays.says("Seven."))
    first_run = claude.ask("remember seven", env=ENV)
    second_run = claude.ask("which number?", "--continue", env=ENV)
    assert (first_run.said, second_run.said) == ("I remember seven.", "Seven.")
    assert first_run.report["session_id"] == second_run.report["session_id"]
    first, second = provider.requests_for(MESSAGES)
    assert session_of(first) == session_of(second) == first_run.report["session_id"]
    assert b"I remember seven." in second.body
    for sent, arrived in stage.pairs(MESSAGES):
        assert_relayed(
            sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY
        )


def test_a_burst_of_token_counts_is_answered(claude, stage, provider):
    provider.always(COUNT, plays.counts(1234))
    ran = claude.ask("/context", env=ENV)
    assert ran.code == 0
    assert "1.2k" in ran.said
    pairs = stage.pairs(COUNT)
    assert len(pairs) > 10
    assert provider.requests_for(MESSAGES) == ()
    for sent, arrived in pairs:
        assert_relayed(
            sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY
        )


def test_a_client_that_is_stopped_is_stopped_at_the_provider(claude, provider):
    held = plays.says("first second").hold_before(b"second", signal="never fired")
    provider.play(MESSAGES, held)
    running = claude.watch("talk", env=ENV)
    try:
        running.wait_for(has_shown("first "))
    finally:
        code = running.stop(signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert provider.wait_for_hang_up().sent > 0
