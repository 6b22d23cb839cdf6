"""A connection through a proxy, byte by byte."""

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.error import ConnectError, NoProtocol
from twisted.internet.interfaces import IAddress, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from byok.wire.errors import TunnelBroken, TunnelRefused, TunnelUnreachable
from byok.wire.tunnel import TunnelEndpoint
from tests.support import keys
from tests.support.proxy import ESTABLISHED, Proxy

AUTHORITY = "provider.example:443"


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        ITCPTransport(self.transport).write(data.upper())
        if data.endswith(b"bye"):
            ITCPTransport(self.transport).loseConnection()


class Talk(Protocol):
    """Says a word as soon as it can, and keeps what it hears."""

    def __init__(self, word: bytes) -> None:
        self._word = word
        self.heard = b""
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        ITCPTransport(self.transport).write(self._word)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over.callback(None)


class One(Factory):
    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._protocol


class NoneFactory(Factory):
    def buildProtocol(self, addr: IAddress | None) -> None:
        return None


class TunnelTests(TestCase):
    timeout = 20

    async def setUp(self):
        echo = Factory.forProtocol(Echo)
        echo.noisy = False
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(echo)
        self.addCleanup(port.stopListening)
        self.echo = port.getHost().port

    async def through(self, proxy: Proxy, word=b"hello", factory=None, **options):
        await proxy.start()
        self.addCleanup(proxy.stop)
        return await self.endpoint(proxy.port, **options).connect(
            factory or Factory.forProtocol(lambda: Talk(word))
        )

    def endpoint(self, port: int, **options) -> TunnelEndpoint:
        proxy = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        return TunnelEndpoint(proxy, AUTHORITY.encode(), **options)

    async def fails(self, proxy: Proxy, kind, **options):
        with self.assertRaises(kind) as raised:
            await self.through(proxy, **options)
        await proxy.connections[0].gone
        return raised.exception

    async def test_what_is_said_in_it_arrives_both_ways(self):
        proxy = Proxy({AUTHORITY: self.echo})

        talk = await self.through(proxy, b"hello, and bye")
        await talk.over

        self.assertEqual(talk.heard, b"HELLO, AND BYE")
        self.assertEqual(proxy.carried, b"hello, and bye")

    async def test_it_is_asked_for_in_two_lines(self):
        proxy = Proxy({AUTHORITY: self.echo})

        await self.through(proxy)

        self.assertEqual(
            b"".join(proxy.heads),
            b"CONNECT provider.example:443 HTTP/1.1\r\n"
            b"host: provider.example:443\r\n\r\n",
        )

    async def test_the_proxy_is_shown_what_it_wants(self):
        shown = f"Basic {keys.BASIC_PASSWORD}"
        proxy = Proxy({AUTHORITY: self.echo}, wants=shown)

        await self.through(proxy, authorization=shown.encode)

        self.assertIn(f"proxy-authorization: {shown}\r\n".encode(), proxy.heads[0])

    async def test_an_answer_may_come_in_any_pieces_and_after_interim_ones(self):
        for answer in (
            ESTABLISHED,
            b"HTTP/1.0 200\r\nVia: x\r\nContent-Length: 7\r\n\r\n",
            b"HTTP/1.1 204 Fine\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nA: b\r\n\r\n" + ESTABLISHED,
        ):
            for size in (1, 7, len(answer)):
                tunnel = Pieces(answer, size)
                port = await self.listen(tunnel)

                talk = Talk(b"hello")
                await self.endpoint(port).connect(One(talk))

                await tunnel.heard
                ITCPTransport(talk.transport).abortConnection()
                await talk.over

    async def listen(self, protocol: Protocol) -> int:
        factory = Factory.forProtocol(lambda: protocol)
        factory.noisy = False
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            factory
        )
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def test_an_answer_that_opens_nothing_is_told_by_its_status(self):
        for status in (101, 301, 400, 403, 404, 407, 429, 500, 502, 503, 999):
            head = b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % status

            refused = await self.fails(Proxy(answer=head), TunnelRefused)

            self.assertEqual(refused.status, status)

    async def test_what_is_no_answer_of_a_proxy_is_broken(self):
        for answer in (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x15\x03\x01\x00\x02\x02\x46",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 2xx OK\r\n\r\n",
            b"HTTP/1.1 0200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000,
            b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
            # Whoever connects through a tunnel speaks first.
            ESTABLISHED + b"\x16\x03",
        ):
            await self.fails(Proxy(answer=answer), TunnelBroken)

    async def test_a_proxy_that_closes_is_broken(self):
        for answer in (b"", b"HTTP/1.1 200 Connec"):
            await self.fails(Proxy(answer=answer, closes=True), TunnelBroken)

    async def test_a_proxy_that_is_not_there_is_unreachable(self):
        proxy = Proxy()
        await proxy.start()
        await proxy.stop()

        with self.assertRaises(TunnelUnreachable) as raised:
            await self.endpoint(proxy.port).connect(Factory.forProtocol(Protocol))

        self.assertIsInstance(raised.exception.why, ConnectError)

    async def test_who_gives_up_leaves_no_connection(self):
        proxy = Proxy(answer=None)
        connecting = Deferred.fromCoroutine(self.through(proxy))
        await proxy.asked

        connecting.cancel()

        await self.assertFailure(connecting, CancelledError)
        await proxy.connections[0].gone

    async def test_who_gives_up_before_it_is_connected_makes_no_fault_of_the_proxy(
        self,
    ):
        connecting = self.endpoint(self.echo).connect(Factory.forProtocol(Protocol))

        connecting.cancel()

        failure = await self.assertFailure(connecting, Exception)
        self.assertNotIsInstance(failure, TunnelRefused)

    async def test_who_wants_no_protocol_then_gets_no_tunnel(self):
        await self.fails(
            Proxy({AUTHORITY: self.echo}), NoProtocol, factory=NoneFactory()
        )

    async def test_what_cannot_stand_in_a_head_is_not_sent(self):
        proxy = Proxy()

        with self.assertRaises(ValueError):
            await self.through(proxy, authorization=lambda: b"Basic x\r\nx-evil: 1")

        self.assertEqual(proxy.connections, [])


class Pieces(Protocol):
    """Answers in pieces of *size* bytes; `heard` fires when the tunnel is used."""

    def __init__(self, answer: bytes, size: int) -> None:
        self._left = answer
        self._size = size
        self._asked = b""
        self.heard: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if self._asked.endswith(b"\r\n\r\n"):
            if not self.heard.called:
                self.heard.callback(None)
            return
        self._asked += data
        if self._asked.endswith(b"\r\n\r\n"):
            ITCPTransport(self.transport).setTcpNoDelay(True)
            self._go_on()

    def _go_on(self) -> None:
        piece, self._left = self._left[: self._size], self._left[self._size :]
        ITCPTransport(self.transport).write(piece)
        if self._left:
            reactor.callLater(0, self._go_on)
