"""A gateway that is told to stop, while it is at work and more than once."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from socket import create_connection
from threading import Thread
from time import monotonic

import pytest

from tests.e2e.house import ASK, ASK_STREAM, OWN, House, until
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
def line(directory: Path, *, drain_s: float = 0) -> Iterator[Line]:
    limits = {"drain_s": drain_s}
    with (
        ProviderProcess() as provider,
        Gateway(directory, own_key_config(provider.url, limits=limits)) as gateway,
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


def test_a_stream_under_way_ends_by_itself_before_the_gateway_does(tmp_path: Path):
    with line(tmp_path, drain_s=30) as place:
        held = STREAM.hold_before(b"event: message_delta", signal="go")
        place.provider.play(MESSAGES, held)
        connection = place.connection()
        answer = connection.getresponse()
        begun = answer.read1(10)
        os.kill(place.gateway._process.pid, signal.SIGTERM)
        told = place.gateway.wait_for_event("draining")
        with pytest.raises(ConnectionRefusedError):
            create_connection(("127.0.0.1", place.gateway.port), timeout=20)
        # No wish to reload is heeded any more, and none ends it.
        os.kill(place.gateway._process.pid, signal.SIGHUP)
        place.provider.fire("go")
        body, is_whole = rest_of(answer)
        connection.close()

    assert begun
    assert is_whole
    assert b"message_stop" in body
    assert (told["waiting"], told["open"], told["drain_s"]) == (1, 1, 30)
    (end,) = lines_until_the_end(place.gateway)
    assert (end["status"], end["ending"], end["error"]) == (200, "complete", None)


def test_a_second_signal_ends_what_is_waited_for(tmp_path: Path):
    with line(tmp_path, drain_s=600) as place:
        held = STREAM.hold_before(b"event: message_delta", signal="never")
        place.provider.play(MESSAGES, held)
        connection = place.connection()
        answer = connection.getresponse()
        begun = answer.read1(10)
        os.kill(place.gateway._process.pid, signal.SIGTERM)
        place.gateway.wait_for_event("draining", waiting=1)
    body, is_whole = rest_of(answer)
    connection.close()

    assert begun
    assert not is_whole
    assert b"gateway.stopping" not in body
    assert b"being stopped or restarted" in body
    (end,) = lines_until_the_end(place.gateway)
    assert (end["ending"], end["error"]) == ("stopped", "gateway.stopping")


class DrainTests(House):
    """What a stop that waits does with exchanges and connections."""

    drain_s = 20.0

    def configuration(self) -> dict[str, object]:
        return {**super().configuration(), "limits": {"drain_s": self.drain_s}}

    async def test_what_takes_too_long_is_ended_with_an_event(self):
        assert self.service._reloading is not None
        config = self.service._reloading.config
        limits = replace(config.limits, drain_s=0.2)
        self.service._reloading.config = replace(config, limits=limits)
        held = STREAM.hold_before(b"event: message_delta", signal="never")
        self.provider.play(MESSAGES, held)
        client = await self.begin(request(headers=OWN, body=ASK_STREAM))
        await client.until(b"message_start")

        await self.service.stopService()
        answer = await client.end()

        self.assertFalse(answer.complete)
        self.assertIn(b"being stopped or restarted", answer.body)
        self.assertEqual(self.line()["ending"], "stopped")
        (late,) = self.logged("drained-late")
        self.assertEqual(late["waiting"], 1)
        self.assert_no_alarm()

    async def test_a_kept_connection_has_one_more_request_to_its_credit(self):
        held = STREAM.hold_before(b"event: message_delta", signal="go")
        self.provider.play(MESSAGES, plays.says("first"), held, plays.says("last"))
        kept = await self.begin(request(headers=OWN, body=ASK, close=False))
        await kept.until(b"first")
        streaming = await self.begin(request(headers=OWN, body=ASK_STREAM))
        await streaming.until(b"message_start")
        kept.received.clear()

        stopping = self.service.stopService()
        await until(lambda: self.logged("draining"))
        kept.transport.write(request(headers=OWN, body=ASK, close=False))
        answer = await kept.end()

        self.assertEqual((answer.status, answer.value("connection")), (200, "close"))
        self.assertIn(b"last", answer.body)
        self.assertTrue(answer.complete)
        self.assertNoResult(stopping)
        self.provider.fire("go")
        self.assertTrue((await streaming.end()).complete)
        await stopping
        self.assert_no_alarm()

    async def test_readiness_says_that_the_gateway_is_draining(self):
        probe = request("/health/readiness", method="GET", close=False)
        kept = await self.begin(probe)
        await kept.until(b'"healthy"')
        kept.received.clear()

        stopping = self.service.stopService()
        await until(lambda: self.logged("draining"))
        kept.transport.write(probe)
        answer = await kept.end()
        await stopping

        self.assertEqual(answer.status, 503)
        self.assertEqual(json.loads(answer.body)["status"], "draining")

    async def test_kept_connections_alone_do_not_hold_a_stop_up(self):
        kept = await self.begin(request(headers=OWN, body=ASK, close=False))
        await kept.until(b"end_turn")
        begun_at = monotonic()

        await self.service.stopService()
        await kept.closed.wait()

        self.assertFalse(kept.reset)
        self.assertLess(monotonic() - begun_at, 5)

    async def test_a_client_that_leaves_ends_the_waiting(self):
        self.provider.play(MESSAGES, plays.hangs())
        client = await self.begin(request(headers=OWN, body=ASK))
        await self.provider.exchange(0)
        begun_at = monotonic()

        stopping = self.service.stopService()
        await until(lambda: self.logged("draining"))
        client.transport.abortConnection()
        await stopping

        self.assertEqual(self.line()["ending"], "client gone")
        self.assertLess(monotonic() - begun_at, 10)

    async def test_a_hurry_before_the_stop_waits_for_nobody(self):
        self.provider.play(MESSAGES, plays.hangs())
        client = await self.begin(request(headers=OWN, body=ASK))
        await self.provider.exchange(0)

        self.service.hurry()
        await self.service.stopService()

        self.assertEqual((await client.end()).status, 503)
        self.assertEqual(self.logged("draining"), [])


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
