"""A gateway that is told to stop, while it is at work and more than once."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

from tests.e2e.house import ASK, OWN, House
from tests.e2e.raw import request
from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, Json, own_key_config
from tests.support.provider_process import ProviderProcess

pytestmark = pytest.mark.e2e

MESSAGES = "/v1/messages"
STREAM = plays.stream(sse.text_stream("a word or two"))


@dataclass(frozen=True)
class Line:
    """A gateway between this client and a provider."""

    gateway: Gateway
    provider: ProviderProcess

    def connection(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        body = {"model": "claude-opus-5-5", "messages": [], "stream": True}
        headers = {
            "x-litellm-api-key": keys.VIRTUAL_KEY,
            "x-api-key": keys.ANTHROPIC_API_KEY,
        }
        connection.request("POST", MESSAGES, json.dumps(body), headers)
        return connection


@contextmanager
def line(directory: Path) -> Iterator[Line]:
    with (
        ProviderProcess() as provider,
        Gateway(directory, own_key_config(provider.url)) as gateway,
    ):
        gateway.make_key(key_alias="anna")
        yield Line(gateway=gateway, provider=provider)


def rest_of(answer: HTTPResponse) -> tuple[bytes, bool]:
    """Read on; return all that came, and whether it was whole."""
    try:
        return answer.read(), True
    except IncompleteRead as error:
        return error.partial, False


def lines_until_the_end(gateway: Gateway) -> list[Json]:
    """The lines of exchanges with the provider; the end of all comes after them."""
    events = gateway.events
    (end,) = [n for n, each in enumerate(events) if each.get("event") == "stopped"]
    found = [n for n, each in enumerate(events) if each.get("route") == MESSAGES]
    assert all(number < end for number in found)
    return [events[number] for number in found]


def test_a_stream_ends_with_an_event_and_its_line_before_the_last_word(
    tmp_path: Path,
):
    with line(tmp_path) as place:
        held = STREAM.hold_before(b"event: message_delta", signal="never")
        place.provider.play(MESSAGES, held)
        connection = place.connection()
        answer = connection.getresponse()
        begun = answer.read1(10)
    body, is_whole = rest_of(answer)
    connection.close()

    assert begun
    assert not is_whole
    assert b'event: error\ndata: {"type": "error"' in body
    assert b"being stopped or restarted" in body
    (told,) = lines_until_the_end(place.gateway)
    assert (told["status"], told["ending"]) == (200, "stopped")
    assert told["error"] == "gateway.stopping"


def test_who_waits_for_an_answer_is_told_to_ask_again(tmp_path: Path):
    answers: list[HTTPResponse] = []
    bodies: list[bytes] = []

    def wait(connection: HTTPConnection) -> None:
        answers.append(connection.getresponse())
        bodies.append(answers[0].read())

    with line(tmp_path) as place:
        place.provider.play(MESSAGES, plays.hangs())
        connection = place.connection()
        waiting = Thread(target=wait, args=(connection,))
        waiting.start()
        place.provider.wait_for_requests(1, MESSAGES)
    waiting.join(20)
    connection.close()

    (answer,) = answers
    assert answer.status == 503
    assert answer.headers["x-byok-error"] == "gateway.stopping"
    assert answer.headers["retry-after"] == "2"
    assert b"api_error" in bodies[0]
    (told,) = lines_until_the_end(place.gateway)
    assert (told["status"], told["error"]) == (503, "gateway.stopping")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_wish_to_stop_is_quiet(tmp_path: Path, second: signal.Signals):
    with line(tmp_path) as place:
        process = place.gateway._process
        # Stopped, it finds both signals at once when it goes on.
        for each in (signal.SIGSTOP, second, signal.SIGTERM, signal.SIGCONT, second):
            os.kill(process.pid, each)

        code = process._process.wait(timeout=20)

        assert code in {-signal.SIGTERM, -signal.SIGINT}
        assert "Traceback" not in process.output
        assert [e for e in place.gateway.events if e.get("event") == "stopped"]


class GoodbyeTests(House):
    """What a stop does with connections."""

    async def test_a_client_that_does_not_read_holds_a_stop_up_for_moments_only(self):
        self.provider.play(MESSAGES, plays.big(60_000_000))
        client = await self.begin(request(headers=OWN, body=ASK))
        await client.until(b"0123456789abcdef")
        client.transport.pauseProducing()
        begun_at = monotonic()

        await self.service.stopService()

        self.assertLess(monotonic() - begun_at, 10)
        self.assertEqual(self.line()["ending"], "stopped")
        client.transport.resumeProducing()
        await client.closed.wait()
        self.assert_no_alarm()

    async def test_a_connection_that_is_kept_for_later_is_closed(self):
        client = await self.begin(request(headers=OWN, body=ASK, close=False))
        await client.until(b"end_turn")

        await self.service.stopService()

        await client.closed.wait()
        self.assertFalse(client.reset)
