"""Connections that are kept, on real sockets, to servers good and bad."""

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IListeningPort, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.ssl import Certificate, CertificateOptions, optionsForClientTLS
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseDone
from zope.interface import implementer

from byok.wire.connection import ClientConnection
from byok.wire.deadlines import Deadlines
from byok.wire.errors import ClosedEarly, ConnectTimedOut
from byok.wire.limits import ClientLimits
from byok.wire.pool import Pool
from tests.upstream.certificates import Authority
from tests.wire.calling import Call, Reader

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Peer(Protocol):
    """A server's end of one connection, which answers as it is told."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.received = bytearray()
        self.lost: Deferred[None] = Deferred()
        self.heard: Deferred[None] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.server.answer(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)

    @property
    def wire(self) -> Any:
        return self.transport


class Server(ServerFactory):
    """Remembers every connection it had."""

    noisy = False

    def __init__(self, answer: Callable[[Peer, bytes], None]) -> None:
        self.answer = answer
        self.peers: list[Peer] = []
        self.arrived: Deferred[Peer] = Deferred()

    def buildProtocol(self, addr: object) -> Peer:
        peer = Peer(self)
        self.peers.append(peer)
        if not self.arrived.called:
            self.arrived.callback(peer)
        return peer


def say(text: bytes) -> Callable[[Peer, bytes], None]:
    """Answer each request with *text*."""

    def answer(peer: Peer, data: bytes) -> None:
        if peer.received.endswith(b"\r\n\r\n"):
            peer.wire.write(text)

    return answer


def say_nothing(peer: Peer, data: bytes) -> None:
    """Leave every request without an answer."""


def turn() -> Deferred[None]:
    """Let the reactor go round once."""
    done: Deferred[None] = Deferred()
    reactor.callLater(0, done.callback, None)
    return done


class PoolCase(TestCase):
    """A pool whose clock the test turns, and servers on the loopback."""

    def setUp(self):
        self.clock = Clock()
        self.pool = Pool(Deadlines(self.clock), limits=ClientLimits(answer_s=1000))
        self.addCleanup(self.end_all)

    async def end_all(self) -> None:
        for connection in tuple(self.pool._keys):
            if connection.transport is not None:
                connection.abort()
        await self.pool.close()
        await turn()

    async def listen(
        self,
        answer: Callable[[Peer, bytes], None] = say(OK),  # noqa: B008 - is a constant
        options: CertificateOptions | None = None,
    ) -> tuple[Server, int]:
        server = Server(answer)
        endpoint = (
            TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
            if options is None
            else SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
        )
        port: IListeningPort = await endpoint.listen(server)
        self.addCleanup(port.stopListening)
        address = port.getHost()
        assert isinstance(address, IPv4Address)
        return server, address.port

    def connecting(
        self,
        port: int,
        *,
        key: object = "one",
        authority: Authority | None = None,
        timeout_s: float = 10,
    ) -> Deferred[ClientConnection]:
        endpoint: IStreamClientEndpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        if authority is not None:
            root = Certificate.loadPEM(authority.pem)
            endpoint = wrapClientTLS(
                optionsForClientTLS("127.0.0.1", trustRoot=root), endpoint
            )
        return Deferred.fromCoroutine(
            self.pool.connection(
                key, endpoint, secure=authority is not None, timeout_s=timeout_s
            )
        )

    async def fetch(self, connection: ClientConnection, body: bytes = b"") -> bytes:
        """Send a request, and return its whole answer."""
        method = b"POST" if body else b"GET"
        call = self.call(connection, method, body)
        assert call.reader is not None
        await call.answering
        return await call.reader.whole

    def call(
        self, connection: ClientConnection, method: bytes = b"GET", body: bytes = b""
    ) -> Call:
        headers = ((b"host", b"up.test"),)
        return Call(connection.request(method, b"/", headers, body), Reader())


class TestKeeping(PoolCase):
    async def test_a_connection_carries_one_request_after_the_other(self):
        server, port = await self.listen()
        for _ in range(3):
            connection = await self.connecting(port)
            self.assertEqual(await self.fetch(connection), b"hi")

        self.assertEqual(len(server.peers), 1)
        self.assertEqual(server.peers[0].received.count(b"GET / "), 3)

    async def test_two_keys_never_share_a_connection(self):
        server, port = await self.listen()
        for key in ("one", "two", "one", "two"):
            await self.fetch(await self.connecting(port, key=key))

        self.assertEqual(len(server.peers), 2)
        self.assertEqual([p.received.count(b"GET / ") for p in server.peers], [2, 2])

    async def test_no_more_are_kept_than_the_limit(self):
        self.pool = Pool(Deadlines(self.clock), kept=1)
        server, port = await self.listen()
        lent = [await self.connecting(port) for _ in range(3)]
        self.assertEqual(self.pool.open_connections, 3)
        for connection in lent:
            await self.fetch(connection)
        await server.peers[1].lost
        await server.peers[2].lost
        await turn()

        self.assertEqual(self.pool.open_connections, 1)
        self.assertFalse(server.peers[0].lost.called)

    async def test_the_latest_that_was_used_is_lent_first(self):
        _, port = await self.listen()
        lent = [await self.connecting(port) for _ in range(2)]
        await self.fetch(lent[1])
        await self.fetch(lent[0])

        self.assertIs(await self.connecting(port), lent[0])
        self.assertIs(await self.connecting(port), lent[1])

    async def test_one_that_waited_too_long_is_closed(self):
        server, port = await self.listen()
        await self.fetch(await self.connecting(port))
        self.clock.pump([0.25] * 199)
        await turn()
        self.assertEqual(self.pool.open_connections, 1)

        self.clock.pump([0.25] * 2)
        await server.peers[0].lost

        self.assertEqual(self.pool.open_connections, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_one_that_the_server_closed_meanwhile_is_not_lent(self):
        server, port = await self.listen()
        first = await self.connecting(port)
        await self.fetch(first)
        server.peers[0].wire.loseConnection()
        while self.pool.open_connections:
            await turn()

        second = await self.connecting(port)

        self.assertIsNot(second, first)
        self.assertEqual(await self.fetch(second), b"hi")

    async def test_one_that_was_aborted_is_not_lent_before_it_is_lost(self):
        _, port = await self.listen()
        first = await self.connecting(port)
        await self.fetch(first)
        first.abort()

        self.assertIsNot(await self.connecting(port), first)

    async def test_what_follows_an_answer_reaches_nobody(self):
        # S-41: the next request must not be answered by what came before it.
        evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
        server, port = await self.listen(say(OK + evil))
        for _ in range(5):
            self.assertEqual(await self.fetch(await self.connecting(port)), b"hi")

        self.assertEqual(len(server.peers), 5)

    async def test_what_comes_while_nobody_asks_reaches_nobody(self):
        server, port = await self.listen()
        await self.fetch(await self.connecting(port))
        server.peers[0].wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
        await server.peers[0].lost

        self.assertEqual(await self.fetch(await self.connecting(port)), b"hi")
        self.assertEqual(len(server.peers), 2)


class TestClosing(PoolCase):
    async def test_a_pool_without_connections_is_closed_at_once(self):
        await self.pool.close()
        await self.pool.close()

        self.assertEqual(self.pool.open_connections, 0)

    async def test_idle_connections_are_closed(self):
        server, port = await self.listen()
        lent = [await self.connecting(port, key=key) for key in ("one", "two")]
        for connection in lent:
            await self.fetch(connection)

        await self.pool.close()

        self.assertEqual(self.pool.open_connections, 0)
        await server.peers[0].lost
        await server.peers[1].lost

    async def test_a_busy_connection_ends_its_answer_first(self):
        server, port = await self.listen(say(OK[:-1]))
        connection = await self.connecting(port)
        call = self.call(connection)
        answer = await call.answering
        closing, again = self.pool.close(), self.pool.close()
        await turn()
        self.assertFalse(closing.called)

        server.peers[0].wire.write(b"i")
        assert call.reader is not None
        self.assertEqual(await call.reader.whole, b"hi")
        await closing
        await again

        self.assertIsNone(answer)
        self.assertIs(call.ended_as, ResponseDone)


class TestConnecting(PoolCase):
    async def test_a_server_that_refuses_is_told_as_the_endpoint_does(self):
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        free = await endpoint.listen(Server(say_nothing))
        address = free.getHost()
        await free.stopListening()

        with self.assertRaises(Refused):
            await self.connecting(address.port)

        self.assertEqual(self.pool.open_connections, 0)

    async def test_a_handshake_that_never_comes_is_given_up_in_time(self):
        server, port = await self.listen(say_nothing)
        connecting = self.connecting(port, authority=Authority(), timeout_s=5)
        peer = await server.arrived
        self.clock.advance(4.5)
        await turn()
        self.assertFalse(connecting.called)

        self.clock.advance(1)

        with self.assertRaises(ConnectTimedOut):
            await connecting
        await peer.lost
        self.assertEqual(self.pool.open_connections, 0)

    async def test_an_address_that_never_answers_is_given_up_in_time(self):
        connecting = Deferred.fromCoroutine(
            self.pool.connection("one", Nowhere(), secure=False, timeout_s=5)
        )
        self.clock.advance(5)

        with self.assertRaises(ConnectTimedOut):
            await connecting

    async def test_a_connection_nobody_waits_for_any_more_is_not_made(self):
        nowhere = Nowhere()
        connecting = Deferred.fromCoroutine(
            self.pool.connection("one", nowhere, secure=False, timeout_s=5)
        )
        connecting.cancel()

        with self.assertRaises(CancelledError):
            await connecting
        self.assertTrue(nowhere.cancelled)
        self.assertEqual(self.pool.open_connections, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_a_handshake_nobody_waits_for_any_more_is_ended(self):
        server, port = await self.listen(say_nothing)
        connecting = self.connecting(port, authority=Authority())
        peer = await server.arrived
        while not self.pool._keys or not peer.received:
            await turn()
        connecting.cancel()

        with self.assertRaises(CancelledError):
            await connecting
        await peer.lost
        self.assertEqual(self.pool.open_connections, 0)

    async def test_a_request_that_is_cancelled_ends_its_connection(self):
        server, port = await self.listen(say_nothing)
        connection = await self.connecting(port)
        call = self.call(connection)
        while not server.peers[0].received:
            await turn()
        call.answering.cancel()
        await server.peers[0].lost

        self.assertIs(call.ended_as, CancelledError)
        while self.pool.open_connections:
            await turn()


@implementer(IStreamClientEndpoint)
class Nowhere:
    """An endpoint that never gets anywhere."""

    def __init__(self) -> None:
        self.cancelled = False

    def connect(self, factory: object) -> Deferred[Any]:
        def note(_: object) -> None:
            self.cancelled = True

        return Deferred(note)


class TestSecure(PoolCase):
    def setUp(self):
        super().setUp()
        self.authority = Authority()
        self.options = self.authority.issue("127.0.0.1").options()

    async def test_a_secure_connection_is_kept_too(self):
        server, port = await self.listen(options=self.options)
        for _ in range(3):
            connection = await self.connecting(port, authority=self.authority)
            self.assertEqual(await self.fetch(connection), b"hi")

        self.assertEqual(len(server.peers), 1)

    async def test_nothing_is_sent_to_a_server_that_is_somebody_else(self):
        server, port = await self.listen(options=self.options)

        with self.assertRaises(Exception):  # noqa: B017 - whatever TLS says of it
            await self.connecting(port, authority=Authority("another"))

        self.assertEqual(server.peers[0].received, b"")
        self.assertEqual(self.pool.open_connections, 0)

    async def test_a_server_that_never_says_goodbye_is_left(self):
        close = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        server, port = await self.listen(say(close), self.options)
        connection = await self.connecting(port, authority=self.authority)
        peer = server.peers[0]
        call = self.call(connection)
        await call.answering
        # From here on it reads nothing, the goodbye neither.
        peer.wire.pauseProducing()
        assert call.reader is not None
        self.assertEqual(await call.reader.whole, b"hi")
        await turn()
        self.assertEqual(self.pool.open_connections, 1)

        self.clock.pump([0.25] * 21)
        while self.pool.open_connections:
            await turn()
        peer.wire.resumeProducing()
        await peer.lost

    async def test_a_large_body_goes_out_whole(self):
        body = bytes(range(256)) * 20_000

        def answer(peer: Peer, data: bytes) -> None:
            if peer.received.endswith(body[-1024:]) and len(peer.received) > len(body):
                peer.wire.write(OK)

        server, port = await self.listen(answer, self.options)
        connection = await self.connecting(port, authority=self.authority)

        self.assertEqual(await self.fetch(connection, body), b"hi")
        self.assertTrue(server.peers[0].received.endswith(b"\r\n\r\n" + body))
        self.assertIs(await self.connecting(port, authority=self.authority), connection)


class TestUploads(PoolCase):
    async def test_an_early_answer_is_read_though_the_upload_goes_on(self):
        def answer(peer: Peer, data: bytes) -> None:
            if len(peer.received) == len(data):
                peer.wire.write(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
                peer.wire.pauseProducing()

        server, port = await self.listen(answer)
        connection = await self.connecting(port)

        self.assertEqual(await self.fetch(connection, bytes(20_000_000)), b"no")
        server.peers[0].wire.resumeProducing()
        await server.peers[0].lost
        while self.pool.open_connections:
            await turn()
        self.assertLess(len(server.peers[0].received), 20_000_000)

    async def test_a_server_that_hangs_up_in_mid_upload_fails_the_request(self):
        def answer(peer: Peer, data: bytes) -> None:
            peer.wire.abortConnection()

        _, port = await self.listen(answer)
        connection = await self.connecting(port)
        call = self.call(connection, b"POST", bytes(20_000_000))
        while call.ended_as is None:
            await turn()

        self.assertIs(call.ended_as, ClosedEarly)
        self.assertEqual(self.pool.open_connections, 0)
