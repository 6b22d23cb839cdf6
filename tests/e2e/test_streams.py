"""Answers that break off, clients that leave, and readers that are slow."""

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.tcp import Connection

from tests.e2e.house import ASK, ASK_STREAM, OWN, House, until
from tests.e2e.raw import RawClient, connect, request
from tests.support import plays, sse

EVENTS = sse.text_stream("a word or two")
STREAM = plays.stream(EVENTS)
WHOLE = b"".join(EVENTS)
BIG = 60_000_000
CHAT = "/v1/chat/completions"
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
CHUNKS = plays.stream([CHUNK, b"data: [DONE]\n\n"])


class CutTests(House):
    """A cut upstream is a cut downstream: what came before it arrives, no end does."""

    async def test_a_stream_cut_between_any_two_events_is_cut(self):
        for number in range(1, len(EVENTS) + 1):
            for reset in (False, True):
                size = len(plays.Play(steps=STREAM.steps[: number + 1]).sent())
                self.provider.play("/v1/messages", STREAM.cut(after=size, reset=reset))

                answer = await self.message(body=ASK_STREAM)

                if reset and answer.status == 502:
                    # A reset may overtake the very head it follows.
                    continue
                self.assertEqual(answer.status, 200)
                self.assertFalse(answer.complete, number)
                self.assertTrue(WHOLE.startswith(answer.body))
                self.assertEqual(self.line()["ending"], "cut")
                if not reset:
                    self.assertEqual(answer.body, b"".join(EVENTS[:number]))

    async def test_a_stream_cut_inside_an_event_is_cut(self):
        self.provider.play("/v1/messages", STREAM.cut_before(b'"content_block_delta"'))

        answer = await self.message(body=ASK_STREAM)

        self.assertFalse(answer.complete)
        self.assertNotIn(b'content_block_delta\ndata: {"type":"c', answer.body)
        self.assertNotIn(b"event: error", answer.body)

    async def test_a_stream_that_ends_clean_but_short_ends_clean(self):
        """The provider's word is passed on, also where it makes little sense."""
        self.provider.play("/v1/messages", plays.stream(EVENTS[:-1]))

        answer = await self.message(body=ASK_STREAM)

        self.assertTrue(answer.complete)
        self.assertEqual(answer.body, b"".join(EVENTS[:-1]))

    async def test_a_body_shorter_than_it_said_is_cut(self):
        play = plays.says("hello there", streaming=False)
        self.provider.play("/v1/messages", play.cut_before(b"there"))

        answer = await self.message()

        self.assertFalse(answer.complete)
        self.assertIn(b"hello", answer.body)

    async def test_a_stream_that_ends_with_its_connection_is_whole_after_its_last_event(
        self,
    ):
        whole = plays.until_close(WHOLE, content_type="text/event-stream")
        self.provider.play("/v1/messages", whole)

        answer = await self.message(body=ASK_STREAM)

        self.assertTrue(answer.complete)
        self.assertEqual(answer.body, WHOLE)

    async def test_a_stream_that_ends_with_its_connection_is_cut_before_that(self):
        cut = plays.until_close(b"".join(EVENTS[:-1]), content_type="text/event-stream")
        self.provider.play("/v1/messages", cut)

        answer = await self.message(body=ASK_STREAM)

        self.assertFalse(answer.complete)

    async def test_the_cut_cannot_be_taken_for_an_end_by_a_client_of_http_1_0(self):
        self.provider.play("/v1/messages", STREAM.cut_before(b"message_stop"))

        client = await self.begin(
            request(headers=OWN, body=ASK_STREAM, version="1.0", close=False)
        )
        await client.closed.wait()

        self.assertTrue(client.reset)

    async def test_no_answer_at_all_is_an_error_of_ours(self):
        self.provider.play("/v1/messages", plays.hangs_up())

        answer = await self.message()

        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.value("x-byok-error"), "provider.broken")
        self.assertIn(b'"api_error"', answer.body)

    async def test_the_next_request_after_a_cut_is_none_the_worse(self):
        self.provider.play("/v1/messages", STREAM.cut_before(b"message_stop"))
        await self.message(body=ASK_STREAM)

        answer = await self.message(body=ASK_STREAM)

        self.assertTrue(answer.complete)
        self.assertIn(b"message_stop", answer.body)
        self.assert_no_alarm()


LIMITS = {"first_byte_s": 0.2, "stream_idle_s": 0.2, "drain_s": 0}


class IdleTests(House):
    """A provider that falls silent does not hold a client for ever."""

    def configuration(self):
        return {**super().configuration(), "limits": LIMITS}

    async def test_silence_in_mid_stream_cuts_both_sides(self):
        held = STREAM.hold_before(b"event: message_delta", signal="never")
        self.provider.play("/v1/messages", held)

        answer = await self.message(body=ASK_STREAM)

        self.assertFalse(answer.complete)
        self.assertEqual(self.line()["ending"], "idle")
        self.assertEqual(self.line()["error"], "stream.idle")
        self.assertEqual(self.line()["bytes_out"], len(answer.body))
        exchange = await self.provider.exchange(0)
        await exchange.hung_up.wait()

    async def test_a_stream_that_we_cut_ends_with_an_error_event(self):
        held = STREAM.hold_before(b"event: message_delta", signal="never")
        self.provider.play("/v1/messages", held)

        answer = await self.message(body=ASK_STREAM)

        before, event, data = self.ending(answer.body, b"event: error\ndata: ")
        self.assertTrue(before.endswith(b"}\n\n"))
        self.assertTrue(WHOLE.startswith(before))
        error = event["error"]
        self.assertEqual((event["type"], error["type"]), ("error", "timeout_error"))
        self.assertIn("sent nothing for 0.2 seconds", error["message"])
        self.assertEqual(event["request_id"], self.line()["request_id"])
        self.assertNotIn(b"\n", data)

    async def test_the_event_stands_alone_where_another_was_begun(self):
        places = {
            b'"content_block_delta"': b"\n\n",
            b"data: ": b"\n",
            b"\ndata: ": b"\n\n",
            b'""}}\n\n': b"\n\n",
        }
        for marker, gap in places.items():
            self.provider.play("/v1/messages", STREAM.hold_before(marker, signal="no"))

            answer = await self.message(body=ASK_STREAM)

            before, _, _ = self.ending(answer.body, gap + b"event: error\ndata: ")
            self.assertTrue(WHOLE.startswith(before), marker)
            self.assertTrue(WHOLE[len(before) :].startswith(marker), marker)

    async def test_the_event_is_in_the_callers_protocol(self):
        self.provider.play(CHAT, CHUNKS.hold_before(b"data: [DONE]", signal="never"))

        answer = await self.ask(request(CHAT, headers=OWN, body=ASK_STREAM))

        before, event, _ = self.ending(answer.body, b"data: ")
        self.assertEqual(before, CHUNK)
        self.assertEqual(event["error"]["code"], "stream.idle")
        self.assertFalse(answer.complete)

    async def test_a_stream_that_said_all_it_had_to_say_gets_no_error(self):
        self.provider.play("/v1/messages", STREAM.hold_before(b"0\r\n", signal="never"))

        answer = await self.message(body=ASK_STREAM)

        self.assertEqual(answer.body, WHOLE)
        self.assertFalse(answer.complete)
        self.assertIsNone(self.line()["error"])

    async def test_an_answer_that_is_no_stream_of_events_is_cut_and_no_more(self):
        play = plays.says("hello there", streaming=False)
        self.provider.play("/v1/messages", play.hold_before(b"there", signal="never"))

        answer = await self.message()

        self.assertFalse(answer.complete)
        self.assertTrue(answer.body.endswith(b"hello "))
        self.assertEqual(self.line()["ending"], "idle")

    def ending(self, body: bytes, begin: bytes) -> tuple[bytes, dict[str, Any], bytes]:
        """Take *body* apart: what came before *begin*, and the data of the event."""
        at = body.rindex(begin)
        data, end = body[at + len(begin) : -2], body[-2:]
        self.assertEqual(end, b"\n\n")
        return body[:at], json.loads(data), data

    async def test_a_client_that_reads_slowly_is_not_told_that_the_provider_is_silent(
        self,
    ):
        self.provider.play("/v1/messages", plays.big(BIG))
        client = await self.begin(request(headers=OWN, body=ASK))
        await client.until(b"0123456789abcdef")
        client.transport.pauseProducing()
        exchange = await self.provider.exchange(0)

        # Much longer than the provider may be silent.
        await until(standstill(lambda: exchange.sent, rounds=100))
        client.transport.resumeProducing()
        answer = await client.end()

        self.assertTrue(answer.complete)
        self.assertEqual(self.line()["ending"], "complete")

    async def test_silence_before_the_answer_is_a_timeout_of_ours(self):
        self.provider.play("/v1/messages", plays.hangs())

        answer = await self.message()

        self.assertEqual(answer.status, 504)
        self.assertIn(b'"timeout_error"', answer.body)


class HangUpTests(House):
    """S-63: a client that leaves takes the provider's connection with it."""

    async def leaves(self, client: RawClient) -> None:
        clock = IReactorTime(reactor)
        exchange = await self.provider.exchange(0)
        left_at = clock.seconds()

        client.transport.abortConnection()

        hung_up_at = await exchange.hung_up.wait()
        self.assertLess(hung_up_at - left_at, 1.0)

    async def test_while_the_provider_is_thinking(self):
        self.provider.play("/v1/messages", plays.hangs())
        client = await self.begin(request(headers=OWN, body=ASK))

        await self.leaves(client)

        await until(lambda: self.logged("access"))
        self.assertEqual(self.line()["status"], 499)
        self.assertEqual(self.line()["ending"], "client gone")
        self.assert_no_alarm()

    async def test_in_mid_stream(self):
        held = STREAM.hold_before(b"event: message_delta", signal="never")
        self.provider.play("/v1/messages", held)
        client = await self.begin(request(headers=OWN, body=ASK_STREAM))
        await client.until(b"content_block_stop")

        await self.leaves(client)

        await until(lambda: "ending" in self.line())
        self.assertEqual(self.line()["status"], 200)
        self.assertEqual(self.line()["input_tokens"], 12)
        self.assert_no_alarm()

    async def test_by_closing_politely_too(self):
        held = STREAM.hold_before(b"event: message_delta", signal="never")
        self.provider.play("/v1/messages", held)
        client = await self.begin(request(headers=OWN, body=ASK_STREAM))
        await client.until(b"content_block_stop")
        exchange = await self.provider.exchange(0)

        client.transport.loseConnection()

        await exchange.hung_up.wait()

    async def test_in_the_middle_of_a_large_answer_nothing_more_is_fetched(self):
        self.provider.play("/v1/messages", plays.big(BIG))
        client = await self.begin(request(headers=OWN, body=ASK))
        await client.until(b"0123456789abcdef")
        client.transport.pauseProducing()

        await self.leaves(client)

        exchange = await self.provider.exchange(0)
        self.assertLess(exchange.sent, BIG)
        self.assert_no_alarm()

    async def test_in_mid_upload_nothing_is_sent_at_all(self):
        whole = request(headers=OWN, body=ASK)
        client = await self.begin(whole[:-5])

        client.transport.abortConnection()
        await client.closed.wait()

        answer = await self.message()
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(self.provider.requests), 1)
        self.assert_no_alarm()

    async def test_at_once_after_asking(self):
        for _ in range(20):
            client = await connect(self.port)
            client.transport.write(request(headers=OWN, body=ASK_STREAM))
            client.transport.abortConnection()
            await client.closed.wait()

        answer = await self.message()
        self.assertEqual(answer.status, 200)
        self.assert_no_alarm()


class BackPressureTests(House):
    """S-62: a slow reader slows the provider down, and nothing piles up here."""

    async def test_a_client_that_does_not_read_stops_the_provider(self):
        self.provider.play("/v1/messages", plays.big(BIG))
        client = await self.begin(request(headers=OWN, body=ASK))
        await client.until(b"0123456789abcdef")
        client.transport.pauseProducing()
        exchange = await self.provider.exchange(0)

        await until(standstill(lambda: exchange.sent))
        # What is on its way lies in the kernel's buffers of two connections.
        self.assertLess(exchange.sent, BIG // 2)
        client.transport.resumeProducing()
        answer = await client.end()

        self.assertTrue(answer.complete)
        self.assertEqual(len(answer.body), BIG)

    async def test_many_stalled_clients_hold_little_each(self):
        self.provider.always("/v1/messages", plays.big(BIG))
        clients = []
        for _ in range(10):
            client = await self.begin(request(headers=OWN, body=ASK))
            await client.until(b"0123456789abcdef")
            client.transport.pauseProducing()
            clients.append(client)

        await until(standstill(self._sent))

        self.assertLess(self._sent(), 10 * BIG // 2)
        held = sum(
            len(each.dataBuffer) - each.offset for each in self._server_transports()
        )
        self.assertLess(held, 10 * 256 * 1024)

    def _sent(self) -> int:
        return sum(each.sent for each in self.provider.exchanges.entries)

    def _server_transports(self) -> list[Connection]:
        return [
            each
            for each in reactor.getWriters()
            if isinstance(each, Connection) and each.getHost().port == self.port
        ]


def standstill(value, *, rounds: int = 20):
    """A condition that holds once *value* stayed the same for some looks."""
    seen: list[int] = []

    def stands_still() -> bool:
        seen.append(value())
        return len(seen) > rounds and len(set(seen[-rounds:])) == 1

    return stands_still
