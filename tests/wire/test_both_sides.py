"""Our client against our server, on real sockets, plain and secure."""

from collections.abc import Awaitable, Callable

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import (
    IHandshakeListener,
    IPushProducer,
    ISSLTransport,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseDone
from zope.interface import implementer

from byok.wire.connection import ClientConnection
from byok.wire.deadlines import Deadlines
from byok.wire.errors import BodyTooLarge, ClosedEarly
from byok.wire.limits import ServerLimits
from byok.wire.pool import Pool
from byok.wire.request import ServerRequest
from byok.wire.server import HTTPServer
from byok.wire.serving import Serving
from tests.upstream.certificates import Authority
from tests.wire.calling import Call, Reader
from tests.wire.serving import refuse, reply

PIECE = bytes(range(256)) * 256
MIB = 1 << 20


class Counting(Reader):
    """Counts a body that is too long to keep."""

    size = 0

    def dataReceived(self, data: bytes) -> None:
        self.size += len(data)


@implementer(IPushProducer)
class Flood:
    """Writes *left* pieces to a client as fast as it is let, then ends the answer."""

    def __init__(self, request: ServerRequest, left: int) -> None:
        self.request = request
        self.left = left
        self.paused = False
        self.written = 0
        self.held: Deferred[None] = Deferred()

    def start(self) -> None:
        self.request.respond(200, ())
        self.request.register_producer(self)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self.paused = True
        if not self.held.called:
            self.held.callback(None)

    def resumeProducing(self) -> None:
        self.paused = False
        while self.left and not self.paused and not self.request.gone:
            self.left -= 1
            self.written += len(PIECE)
            self.request.write(PIECE)
        if not self.left:
            self.request.unregister_producer()
            self.request.finish()

    def stopProducing(self) -> None:
        self.left = 0


@implementer(IHandshakeListener)
class Silent(Protocol):
    """A client that sends what it is given and reads nothing."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.said)
        if not ISSLTransport.providedBy(self.transport):
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        assert self.transport is not None
        self.transport.pauseProducing()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


def turn(seconds: float = 0) -> Deferred[None]:
    """Let the reactor go round."""
    done: Deferred[None] = Deferred()
    reactor.callLater(seconds, done.callback, None)
    return done


class BothSides(TestCase):
    """A server with any handler, and a pool to ask it."""

    authority: Authority | None = None

    def setUp(self):
        self.deadlines = Deadlines(reactor)
        self.pool = Pool(self.deadlines)
        self.failures: list[Failure] = []
        self.addCleanup(self.end_all)

    async def end_all(self) -> None:
        self.serving.cut()
        await self.serving.drain()
        for connection in tuple(self.pool._keys):
            connection.abort()
        await self.pool.close()
        while self.deadlines._watched:
            await turn()

    async def listen(
        self,
        handle: Callable[[ServerRequest], Awaitable[None]],
        limits: ServerLimits | None = None,
    ) -> None:
        def handler(request: ServerRequest) -> None:
            async def work() -> None:
                await handle(request)

            Deferred.fromCoroutine(work()).addErrback(self.failures.append)

        self.serving = Serving(
            handler=handler,
            refuse=refuse,
            limits=limits or ServerLimits(),
            deadlines=self.deadlines,
        )
        endpoint: IStreamServerEndpoint
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        if self.authority is not None:
            options = self.authority.issue("127.0.0.1").options()
            endpoint = SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
        listening = await endpoint.listen(HTTPServer(self.serving))
        self.addCleanup(listening.stopListening)
        address = listening.getHost()
        assert isinstance(address, IPv4Address)
        self.port = address.port

    def endpoint(self) -> IStreamClientEndpoint:
        plain = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        if self.authority is None:
            return plain
        root = Certificate.loadPEM(self.authority.pem)
        return wrapClientTLS(optionsForClientTLS("127.0.0.1", trustRoot=root), plain)

    async def connect(self) -> ClientConnection:
        secure = self.authority is not None
        return await self.pool.connection(
            "key", self.endpoint(), secure=secure, timeout_s=10
        )

    async def fetch(self, body: bytes, reader: Reader | None = None) -> Call:
        """Post *body*, and return when the whole answer is here."""
        connection = await self.connect()
        headers = ((b"host", b"a"),)
        reader = reader or Reader()
        call = Call(connection.request(b"POST", b"/", headers, body), reader)
        await call.answering
        await reader.whole
        return call


async def echo(request: ServerRequest) -> None:
    """Answer with the body that came."""
    body = await request.read_body()
    reply(request, 200, body)


class TestPlain(BothSides):
    async def test_bodies_of_every_size_go_there_and_back(self):
        await self.listen(echo)
        for size in (0, 1, 100, 65_535, 65_536, 65_537, 1_000_000, 5_000_000):
            body = (PIECE * (size // len(PIECE) + 1))[:size]
            call = await self.fetch(body)

            self.assertEqual(len(call.body), size)
            self.assertEqual(call.body, body)
        self.assertEqual(self.serving.open_connections, 1)
        self.assertEqual(self.failures, [])

    async def test_an_answer_of_any_size_is_read_at_the_readers_pace(self):
        floods: list[Flood] = []

        async def flood(request: ServerRequest) -> None:
            floods.append(Flood(request, left=1600))
            floods[0].start()

        await self.listen(flood)
        reader = Counting(pauses=True)
        connection = await self.connect()
        call = Call(connection.request(b"GET", b"/", ((b"host", b"a"),)), reader)
        await call.answering
        await floods[0].held
        written = -1
        while written != floods[0].written:
            written = floods[0].written
            await turn(0.05)
        # What the kernel holds of a connection, and a buffer at each end.
        self.assertLess(floods[0].written, 16 * MIB)
        self.assertLess(reader.size, MIB)

        reader.resume()
        await reader.whole

        self.assertEqual(reader.size, 1600 * len(PIECE))
        self.assertIs(call.ended_as, ResponseDone)

    async def test_a_client_that_reads_nothing_holds_little_and_is_cut_off(self):
        floods: list[Flood] = []

        async def flood(request: ServerRequest) -> None:
            floods.append(Flood(request, left=1600))
            floods[0].start()

        await self.listen(flood, ServerLimits(stall_s=0.2))
        ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        silent = Silent(ask)
        await self.endpoint().connect(Factory.forProtocol(lambda: silent))
        while self.serving.open_connections == 0 or not floods:
            await turn()
        while self.serving.open_connections:
            await turn(0.02)

        self.assertTrue(floods[0].request.gone)
        self.assertEqual(floods[0].request.gone_because, "client stalled")
        self.assertLess(floods[0].written, 16 * MIB)
        assert silent.transport is not None
        silent.transport.abortConnection()  # type: ignore[attr-defined]
        await silent.lost

    async def test_an_answer_to_an_upload_that_is_too_large_is_read(self):
        errors: list[Exception] = []

        async def handle(request: ServerRequest) -> None:
            try:
                await request.read_body()
            except BodyTooLarge as error:
                errors.append(error)
                reply(request, 413, b"too large")

        await self.listen(handle, ServerLimits(body_bytes=MIB))
        call = await self.fetch(bytes(20 * MIB))

        self.assertEqual(call.body, b"too large")
        self.assertEqual(len(errors), 1)

    async def test_an_answer_that_is_cut_does_not_look_complete(self):
        async def cut(request: ServerRequest) -> None:
            request.respond(200, ((b"content-type", b"text/event-stream"),))
            request.write(b"data: half\n\n")
            request.abort()

        await self.listen(cut)
        call = await self.fetch(b"")

        self.assertEqual(call.body, b"data: half\n\n")
        self.assertIs(call.ended_as, ClosedEarly)

    async def test_a_client_that_hangs_up_is_noticed_at_once(self):
        gone: Deferred[None] = Deferred()
        begun: Deferred[None] = Deferred()

        async def stream(request: ServerRequest) -> None:
            request.respond(200, ())
            request.write(b"begun")
            request.on_gone(lambda: gone.callback(None))
            begun.callback(None)

        await self.listen(stream)
        connection = await self.connect()
        connection.request(b"GET", b"/", ((b"host", b"a"),)).addBoth(lambda _: None)
        await begun
        connection.abort()

        await gone

        self.assertEqual(self.failures, [])


class TestSecure(TestPlain):
    """The same under TLS, where closing is a conversation of its own."""

    authority = Authority()
