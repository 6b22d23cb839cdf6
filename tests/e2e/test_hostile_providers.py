"""Providers that answer with anything but an answer, and what a client sees of it."""

import sys
from pathlib import Path

import pytest

from tests.e2e.house import ASK, ASK_STREAM, OWN, House
from tests.e2e.raw import request
from tests.e2e.test_faults import Line, ask
from tests.support import plays
from tests.support.gateway import Gateway, own_key_config
from tests.support.plays import Close, Play, Pour, Send
from tests.support.provider_process import ProviderProcess

MESSAGES = "/v1/messages"
OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'event: ping\ndata: {"type": "ping"}\n\n'
MB = 1_000_000


def raw(*pieces: bytes, reset: bool = False) -> Play:
    """These bytes, and the end of the connection."""
    return Play(steps=(*(Send(data=each) for each in pieces), Close(reset=reset)))


NO_ANSWERS = {
    "an end": plays.hangs_up(),
    "a reset": plays.hangs_up(reset=True),
    "garbage": raw(b"\x00\x01\x02 nonsense\r\n\r\n"),
    "another protocol": raw(b"220 mail.test ESMTP\r\n"),
    "half a head": raw(OK + b"Content-Le"),
    "no such status": raw(b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n"),
    "two lengths": raw(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!"),
    "20,000 headers": raw(OK + b"X-A: 1\r\n" * 20_000 + b"Content-Length: 0\r\n\r\n"),
    "a header of 1 MB": raw(OK + b"X-A: " + b"a" * MB + b"\r\n\r\n"),
    "a switch of protocols": raw(b"HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n"),
}
CUT_ANSWERS = {
    "half a chunk": raw(EVENTS, plays.chunk(EVENT), b"ff\r\nhalf"),
    "half a chunk, and a reset": raw(EVENTS, plays.chunk(EVENT), b"ff\r\n", reset=True),
    "a size that is none": raw(EVENTS, plays.chunk(EVENT), b"zz\r\nhello\r\n"),
    "a chunk longer than it said": raw(EVENTS, plays.chunk(EVENT), b"2\r\nhello\r\n"),
    "a size of 400 digits": raw(EVENTS, plays.chunk(EVENT), b"f" * 400 + b"\r\nx"),
}


class HostileTests(House):
    async def test_what_is_no_answer_is_a_502_that_quotes_nothing_of_it(self):
        for name, play in NO_ANSWERS.items():
            with self.subTest(name):
                self.provider.play(MESSAGES, play, plays.says("fine"))

                answer = await self.message()
                after = await self.message()

                self.assertEqual(answer.status, 502)
                self.assertEqual(answer.value("x-byok-error"), "provider.broken")
                self.assertTrue(answer.complete)
                self.assertNotIn(b"nonsense", answer.body)
                self.assertEqual(after.status, 200)
        self.assert_no_alarm()

    async def test_an_answer_that_goes_wrong_is_cut_where_it_does(self):
        for name, play in CUT_ANSWERS.items():
            with self.subTest(name):
                self.provider.play(MESSAGES, play, plays.says("fine"))

                answer = await self.message(body=ASK_STREAM)
                ending = self.line()["ending"]
                after = await self.message()

                self.assertEqual(answer.status, 200)
                self.assertFalse(answer.complete)
                self.assertTrue(answer.body.startswith(EVENT))
                self.assertNotIn(b"hello", answer.body)
                self.assertEqual(ending, "cut")
                self.assertEqual(after.status, 200)
        self.assert_no_alarm()

    async def test_an_answer_before_the_end_of_an_upload_is_relayed(self):
        refusal = plays.fails(413, "request_too_large", "too much").at_head()
        self.provider.play(MESSAGES, refusal.then(Close()))
        large = ASK[:-1] + b', "more": "' + b"x" * 20 * MB + b'"}'

        answer = await self.message(body=large)
        after = await self.ask(request(headers=OWN, body=ASK))

        self.assertEqual(answer.status, 413)
        self.assertIn(b"too much", answer.body)
        self.assertEqual(after.status, 200)
        self.assert_no_alarm()


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as on Linux")
def test_a_line_of_100_mb_passes_through_and_is_not_kept(tmp_path: Path):
    size = 100 * MB
    head = OK + b"Content-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
    begin, end = b"event: x\ndata: ", b"\n\n" + EVENT
    whole = len(begin) + size + len(end)
    line = Play(
        steps=(Send(data=head % whole + begin), Pour(size=size), Send(data=end))
    )
    with (
        ProviderProcess() as provider,
        Gateway(tmp_path, own_key_config(provider.url)) as gateway,
    ):
        gateway.make_key(key_alias="anna")
        place = Line(gateway=gateway, provider=provider)
        assert place.status() == 200
        before = most_memory(place.pid)
        provider.play(MESSAGES, line)
        connection = place.connection()
        ask(connection)
        answer = connection.getresponse()
        came, last = 0, b""
        while piece := answer.read1(MB):
            came += len(piece)
            last = (last + piece)[-len(end) :]
        connection.close()
        grown = most_memory(place.pid) - before

    assert (came, last) == (whole, end)
    assert grown < 10 * MB


def most_memory(pid: int) -> int:
    """The most memory that the process has had so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [each for each in status.splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
