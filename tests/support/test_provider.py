"""The scripted provider is a measuring instrument; here it is measured itself."""

from hashlib import sha256

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.support import plays, replies, sse
from tests.support.moments import Moment
from tests.support.provider import ISocket, Provider

ASK = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\nX-Api-Key:  k \r\n"
BODY = b'{"model":"claude-opus-5-5","stream":true}'


def asking(body: bytes = BODY) -> bytes:
    return ASK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class RawClient(Protocol):
    """Sends what it is told and keeps what it gets."""

    transport: ISocket

    def __init__(self) -> None:
        self.received = b""
        self.ended: Moment[BaseException | None] = Moment()
        self._awaited: list[tuple[bytes, Deferred[bytes]]] = []

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        for waiting in list(self._awaited):
            if waiting[0] in self.received:
                self._awaited.remove(waiting)
                waiting[1].callback(self.received)

    def until(self, text: bytes) -> Deferred[bytes]:
        """Fire when *text* has arrived."""
        seen: Deferred[bytes] = Deferred()
        if text in self.received:
            seen.callback(self.received)
        else:
            self._awaited.append((text, seen))
        return seen

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.happen(reason.value)


class ProviderTests(TestCase):
    """A provider on loopback and a client that speaks raw bytes to it."""

    timeout = 20

    async def setUp(self) -> None:
        self.provider = Provider(reactor)
        await self.provider.start()
        self.client = await self.connect()

    async def tearDown(self) -> None:
        self.client.transport.loseConnection()
        await self.client.ended.wait()
        await self.provider.stop()
        self.assertEqual(self.provider.faults, [])

    async def connect(self) -> RawClient:
        where = TCP4ClientEndpoint(reactor, "127.0.0.1", self.provider.port)
        client: RawClient = await connectProtocol(where, RawClient())
        return client

    def send(self, data: bytes) -> None:
        self.client.transport.write(data)

    async def test_a_request_is_kept_byte_for_byte(self) -> None:
        sent = asking()
        self.send(sent[:30])
        self.send(sent[30:])
        request = await self.provider.request()
        self.assertEqual(request.raw, sent)
        self.assertEqual(request.target, b"/v1/messages?beta=true")
        self.assertEqual(request.path, b"/v1/messages")
        self.assertEqual(request.lines[1], (b"X-Api-Key", b"k"))
        self.assertEqual(request.values(b"x-api-key"), (b"k",))
        self.assertEqual(request.body_sha256, sha256(BODY).hexdigest())
        self.assertEqual(self.provider.received, sent)

    async def test_a_chunked_request_is_decoded_and_kept_raw(self) -> None:
        framed = b"3;note=1\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"
        sent = ASK + b"Transfer-Encoding: chunked\r\n\r\n" + framed
        for at in range(len(sent)):
            self.send(sent[at : at + 1])
        request = await self.provider.request()
        self.assertEqual(request.body, b"abcde")
        self.assertEqual(request.raw_body, framed)

    async def test_pipelined_requests_are_answered_in_order(self) -> None:
        self.provider.play("/v1/messages", plays.counts(1), plays.counts(2))
        self.send(asking() + asking() + asking())
        got = await self.client.until(b"0\r\n\r\n")
        self.assertEqual(
            [got.find(b'{"input_tokens":1}') > 0, got.find(b'{"input_tokens":2}') > 0],
            [True, True],
        )
        self.assertLess(
            got.find(b'{"input_tokens":1}'), got.find(b'{"input_tokens":2}')
        )
        self.assertEqual([r.connection for r in self.provider.requests], [0, 0, 0])

    async def test_it_answers_as_the_api_would_unless_told_otherwise(self) -> None:
        self.send(asking())
        got = await self.client.until(b"0\r\n\r\n")
        self.assertIn(b"event: message_start", got)
        self.assertIn(b"claude-opus-5-5", got)
        self.assertIn(sse.PING, got)
        self.assertIn(sse.COMMENT, got)
        self.send(b"HEAD /api/hello HTTP/1.1\r\n\r\n")
        await self.client.until(b"Content-Length: 0\r\n\r\n")
        self.send(b"GET /nowhere HTTP/1.1\r\n\r\n")
        await self.client.until(b"not_found_error")

    async def test_an_answer_that_always_stands_gives_way_to_a_queued_one(self) -> None:
        self.provider.always("/v1/messages", plays.html(502))
        self.provider.play("/v1/messages", plays.counts(5))
        self.send(asking())
        await self.client.until(b'{"input_tokens":5}')
        self.send(asking())
        await self.client.until(b"Bad gateway")

    async def test_a_held_stream_goes_on_when_its_signal_is_fired(self) -> None:
        play = plays.says("held back").hold_before(b"event: message_stop", signal="go")
        self.provider.play("/v1/messages", play)
        self.send(asking())
        before = await self.client.until(b"event: message_delta")
        self.assertNotIn(b"message_stop", before)
        self.provider.fire("go")
        after = await self.client.until(b"0\r\n\r\n")
        self.assertEqual(after, play.sent())

    async def test_a_cut_answer_ends_at_the_byte_and_with_a_fin(self) -> None:
        whole = plays.says("cut short")
        play = whole.cut_before(b"message_stop")
        self.provider.play("/v1/messages", play)
        self.send(asking())
        reason = await self.client.ended.wait()
        self.assertIsInstance(reason, ConnectionDone)
        self.assertTrue(whole.sent().startswith(self.client.received))
        self.assertTrue(self.client.received.endswith(b"event: "))

    async def test_a_reset_is_seen_as_a_reset(self) -> None:
        play = plays.says("cut short").cut_before(b"message_stop", reset=True)
        self.provider.play("/v1/messages", play)
        self.send(asking())
        reason = await self.client.ended.wait()
        self.assertNotIsInstance(reason, ConnectionDone)

    async def test_a_peer_that_hangs_up_is_noticed(self) -> None:
        self.provider.play("/v1/messages", plays.hangs())
        self.send(asking())
        exchange = await self.provider.exchange()
        self.assertFalse(exchange.hung_up.happened)
        self.client.transport.loseConnection()
        self.assertGreaterEqual(await exchange.hung_up.wait(), exchange.began_at)
        self.assertFalse(exchange.answered.happened)

    async def test_a_big_answer_waits_for_a_slow_reader(self) -> None:
        size = 64 * 1024 * 1024
        self.provider.play("/v1/messages", plays.big(size))
        self.client.transport.pauseProducing()
        self.send(asking())
        exchange = await self.provider.exchange()
        other = await self.connect()
        other.transport.write(b"HEAD / HTTP/1.1\r\n\r\n")
        await other.until(b"\r\n\r\n")
        self.assertLess(exchange.sent, size // 2)
        other.transport.loseConnection()
        await other.ended.wait()

    async def test_an_early_answer_does_not_wait_for_the_body(self) -> None:
        early = plays.fails(413, "request_too_large", "too large").at_head()
        self.provider.play("/v1/messages", early)
        sent = asking(b"x" * 1000)
        self.send(sent[:-1])
        await self.client.until(b"request_too_large")
        self.assertEqual(self.provider.requests, ())
        self.send(sent[-1:] + asking())
        await self.client.until(b"message_start")
        self.assertEqual(len(self.provider.requests), 2)

    async def test_interim_answers_come_before_the_final_one(self) -> None:
        final = plays.counts(3)
        hints = plays.informs(103, (("Link", "</style.css>"),))
        self.provider.play("/v1/messages", plays.Play(steps=(hints, *final.steps)))
        self.send(asking())
        got = await self.client.until(b'{"input_tokens":3}')
        self.assertTrue(got.startswith(b"HTTP/1.1 103 Scripted\r\nLink: </style.css>"))

    async def test_an_echo_quotes_the_credential_it_got(self) -> None:
        self.provider.play("/v1/messages", replies.echo)
        self.send(asking())
        await self.client.until(b"X-Api-Key: k;")

    async def test_a_wait_for_the_nth_request_ends_at_the_nth(self) -> None:
        second = Deferred.fromCoroutine(self.provider.request(1, "/v1/messages"))
        self.send(b"HEAD / HTTP/1.1\r\n\r\n" + asking(b"1"))
        await self.client.until(b"msg_01")
        self.assertFalse(second.called)
        self.send(asking(b"2"))
        self.assertEqual((await second).body, b"2")

    async def test_what_cannot_be_framed_is_a_fault(self) -> None:
        self.send(ASK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        await self.client.until(b"HTTP/1.1 400")
        self.assertEqual(len(self.provider.faults), 1)
        self.provider.faults.clear()
