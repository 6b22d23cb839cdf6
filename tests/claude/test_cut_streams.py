"""
A provider that dies in the middle of an answer.

The client decides by itself what to do then, and does the right thing if the
gateway cuts where the provider cut, and adds nothing. These tests hold the cut
back until the client has taken in what came before it: in one burst with the
cut, even a completed block is asked for again.
"""

import pytest

from tests.claude.cli import custom_headers
from tests.claude.events import has_shown, has_taken_in, result
from tests.support import keys, plays
from tests.support.arrivals import assert_relayed

pytestmark = pytest.mark.claude

MESSAGES = "/v1/messages"
ENV = {
    "ANTHROPIC_API_KEY": keys.ANTHROPIC_API_KEY,
    **custom_headers(f"x-litellm-api-key: {keys.VIRTUAL_KEY}"),
}
HALF = plays.says("never heard whole")
AGAIN = plays.says("Now whole.")

fin_and_rst = pytest.mark.parametrize("is_reset", [False, True], ids=["fin", "rst"])


def cut_while_running(claude, provider, play, *, once):
    """Ask; cut the answer *once* the client has got there; return how it ended."""
    provider.play(MESSAGES, play, AGAIN)
    running = claude.watch("talk", env=ENV)
    try:
        running.wait_for(once)
        provider.fire("cut")
        return running.wait_for(result)
    finally:
        running.stop()


@fin_and_rst
def test_within_a_block_the_same_is_asked_again(claude, provider, stage, is_reset):
    play = HALF.cut_before(b"whole", reset=is_reset, signal="cut")
    end = cut_while_running(claude, provider, play, once=has_shown("never ", "heard "))
    assert (end["result"], end["num_turns"]) == ("Now whole.", 1)
    first, second = provider.requests_for(MESSAGES)
    # As a stream again: after an error event it would ask without one.
    assert first.body_sha256 == second.body_sha256
    for sent, arrived in stage.pairs(MESSAGES):
        assert_relayed(
            sent, arrived, name=b"x-api-key", credential=keys.ANTHROPIC_API_KEY
        )


@fin_and_rst
def test_behind_a_block_the_client_goes_on_from_it(claude, provider, is_reset):
    play = HALF.cut_before(b"event: message_delta", reset=is_reset, signal="cut")
    end = cut_while_running(
        claude, provider, play, once=has_taken_in("content_block_stop")
    )
    assert (end["result"], end["num_turns"]) == ("Now whole.", 2)
    first, second = provider.requests_for(MESSAGES)
    assert b"never heard whole" not in first.body
    assert b"never heard whole" in second.body


@fin_and_rst
def test_behind_its_stop_reason_an_answer_counts_as_whole(claude, provider, is_reset):
    play = HALF.cut_before(b"event: message_stop", reset=is_reset, signal="cut")
    end = cut_while_running(claude, provider, play, once=has_taken_in("message_delta"))
    assert (end["result"], end["num_turns"]) == ("never heard whole", 1)
    assert len(provider.requests_for(MESSAGES)) == 1


@fin_and_rst
def test_before_its_head_an_answer_is_asked_for_again(claude, provider, is_reset):
    provider.play(MESSAGES, plays.hangs_up(reset=is_reset), AGAIN)
    ran = claude.ask("talk", env=ENV)
    assert (ran.code, ran.said) == (0, "Now whole.")
    first, second = provider.requests_for(MESSAGES)
    assert first.body_sha256 == second.body_sha256
