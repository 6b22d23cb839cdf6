"""
The scripted provider: a real TCP server that stands where Anthropic stands.

In a trial test::

    provider = Provider(reactor)
    await provider.start()
    provider.play("/v1/messages", plays.says("hi").cut_before(b"message_stop"))
    ...                             # let the code under test call provider.url
    request = await provider.request(0)
    self.assertEqual(request.values(b"x-api-key"), (keys.ANTHROPIC_API_KEY.encode(),))
    await provider.stop()

A request is answered by the first play queued for its path, else by the one
set with `always`, else as the API would (`replies.reply_by_path`). Everything
received is kept as it came. For a provider in a process of its own see
`provider_process.py`; `python -m tests.support.provider_child` starts one by hand.
"""

from collections import defaultdict, deque
from collections.abc import Iterator

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IListeningPort,
    IPullProducer,
    IPushProducer,
    IReactorTCP,
    IReactorTime,
    IStreamServerEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.support import plays, replies
from tests.support.http1 import Head, Request, RequestReader, Unreadable
from tests.support.moments import Moment, Record
from tests.support.plays import Play
from tests.support.replies import Reply


class ISocket(ITCPTransport, IConsumer, IPushProducer):
    """What every TCP transport of Twisted offers together."""


class Watcher:
    """Told of what happens at a provider; this one keeps it to itself."""

    def came(self, exchange: "Exchange") -> None:
        """The request of *exchange* is complete."""

    def hung_up(self, exchange: "Exchange") -> None:
        """The peer left before the answer was complete."""

    def fault(self, text: str) -> None:
        """Something arrived that cannot be read, or a play failed."""


class Exchange:
    """One request at the provider, and how far its answer came."""

    def __init__(self, connection: "Connection", head: Head, now: float) -> None:
        self.connection = connection
        self.head = head
        self.began_at = now
        self.request: Request | None = None
        self.sent = 0
        self.answered: Moment[None] = Moment()
        self.hung_up: Moment[float] = Moment()


@implementer(IPullProducer)
class Pouring:
    """Writes pieces one by one, the next when the kernel has taken the last."""

    def __init__(
        self, transport: ISocket, exchange: Exchange, pieces: Iterator[bytes]
    ) -> None:
        self._transport = transport
        self._exchange = exchange
        self._pieces = pieces
        self._in_flight = 0
        self._done: Deferred[None] = Deferred()

    def begin(self) -> Deferred[None]:
        self._transport.registerProducer(self, False)
        return self._done

    def resumeProducing(self) -> None:
        self._exchange.sent += self._in_flight
        piece = next(self._pieces, None)
        if piece is None:
            self._transport.unregisterProducer()
            if not self._done.called:
                self._done.callback(None)
            return
        self._in_flight = len(piece)
        self._transport.write(piece)

    def stopProducing(self) -> None:
        # The connection is gone, and the play is about to be cancelled.
        self._pieces = iter(())


class Connection(Protocol):
    """One connection to the provider: reads requests, plays answers in order."""

    transport: ISocket

    def __init__(self, provider: "Provider", number: int) -> None:
        self.provider = provider
        self.number = number
        self.received = bytearray()
        self.closed: Moment[None] = Moment()
        self.closing = False
        self._reader = RequestReader(connection=number)
        self._exchange: Exchange | None = None
        self._playing: Deferred[None] | None = None
        self._later: list[Request] = []

    def connectionMade(self) -> None:
        # A head waits for no body here: both are writes of their own.
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        try:
            requests = self._reader.feed(data)
        except Unreadable as error:
            self.provider.fault(str(error))
            self.transport.write(plays.html(400).sent())
            self.transport.loseConnection()
            return
        self._later.extend(requests)
        self._go_on()

    def _go_on(self) -> None:
        """Take up what is there: a head whose play cannot wait, or a request."""
        if self.closing or self.closed.happened:
            return
        if self._exchange is None:
            head = self._later[0].head if self._later else self._reader.head
            if head is None:
                return
            self._exchange = Exchange(self, head, self.provider.now())
        exchange = self._exchange
        if self._later and exchange.request is None:
            exchange.request = self._later.pop(0)
            self.provider.note(exchange)
        if self._playing is None:
            play = self.provider.choose(exchange)
            if play is not None:
                self._playing = Deferred.fromCoroutine(self._perform(play, exchange))
                self._playing.addErrback(self._broke_off)
        self._go_on_after(exchange)

    def _go_on_after(self, exchange: Exchange) -> None:
        """Take up the next request once *exchange* is over on both sides."""
        over = exchange.answered.happened and exchange.request is not None
        if over and self._exchange is exchange:
            self._exchange = self._playing = None
            self._go_on()

    async def _perform(self, play: Play, exchange: Exchange) -> None:
        for step in play.steps:
            match step:
                case plays.Send(data=data):
                    await Pouring(self.transport, exchange, iter((data,))).begin()
                case plays.Pour():
                    await Pouring(self.transport, exchange, step.pieces()).begin()
                case plays.Await(signal=signal):
                    await self.provider.signal(signal).wait()
                case plays.StopReading():
                    self.transport.pauseProducing()
                case plays.StartReading():
                    self.transport.resumeProducing()
                case plays.Close(reset=reset):
                    self._close(reset=reset)
                    break
        exchange.answered.happen(None)
        self._go_on_after(exchange)

    def _close(self, *, reset: bool) -> None:
        self.closing = True
        if reset:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def _broke_off(self, reason: Failure) -> None:
        if not self.closed.happened:
            self.provider.fault(f"a play failed: {reason.value!r}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.happen(None)
        exchange = self._exchange
        if exchange is not None and not exchange.answered.happened:
            exchange.hung_up.happen(self.provider.now())
            self.provider.watcher.hung_up(exchange)
        if self._playing is not None:
            self._playing.cancel()


class Provider(Factory):
    """Listens on loopback, keeps what it receives, answers by its script."""

    noisy = False

    def __init__(self, reactor: IReactorTCP, watcher: Watcher | None = None) -> None:
        self.reactor = reactor
        self.watcher = watcher or Watcher()
        self.faults: list[str] = []
        self.connections: list[Connection] = []
        self.exchanges: Record[Exchange] = Record()
        self._queues: defaultdict[str, deque[Play | Reply]] = defaultdict(deque)
        self._standing: dict[str, Play | Reply] = {}
        self._signals: defaultdict[str, Moment[None]] = defaultdict(Moment)
        self._listening: IListeningPort | None = None
        self.port = 0

    # Life

    async def start(self, endpoint: IStreamServerEndpoint | None = None) -> None:
        """Listen on a free port of 127.0.0.1, or on *endpoint*."""
        where = endpoint or TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1")
        self._listening = await where.listen(self)
        address = self._listening.getHost()
        assert isinstance(address, IPv4Address | IPv6Address)
        self.port = address.port

    async def stop(self) -> None:
        """Stop listening and drop every connection; nothing is left in the reactor."""
        if self._listening is not None:
            await maybeDeferred(self._listening.stopListening)
        for connection in self.connections:
            if not connection.closed.happened:
                connection.closing = True
                connection.transport.abortConnection()
                await connection.closed.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Script

    def play(self, path: str, *answers: Play | Reply) -> None:
        """Queue *answers* for the next requests for *path*, one each."""
        self._queues[path].extend(answers)

    def always(self, path: str, answer: Play | Reply) -> None:
        """Give *answer* to every request for *path* that finds no queued one."""
        self._standing[path] = answer

    def fire(self, signal: str) -> None:
        """Let every play that waits for *signal* go on, now and later."""
        self.signal(signal).happen(None)

    def signal(self, name: str) -> Moment[None]:
        return self._signals[name]

    def choose(self, exchange: Exchange) -> Play | None:
        """Pick the answer; None while its body is missing and the play wants it."""
        path = exchange.head.path.decode("latin-1")
        queue = self._queues[path]
        answer = queue[0] if queue else self._standing.get(path)
        if answer is None:
            answer = replies.reply_by_path
        is_early = isinstance(answer, Play) and answer.on_head
        if exchange.request is None and not is_early:
            return None
        if queue:
            queue.popleft()
        if isinstance(answer, Play):
            return answer
        assert exchange.request is not None
        return answer(exchange.request)

    # Record

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every complete request, in order of completion."""
        recorded = (exchange.request for exchange in self.exchanges.entries)
        return tuple(request for request in recorded if request is not None)

    def requests_for(self, path: str) -> tuple[Request, ...]:
        wanted = path.encode()
        return tuple(request for request in self.requests if request.path == wanted)

    async def request(self, number: int = 0, path: str | None = None) -> Request:
        """Wait for the request *number*, from 0, counting those for *path* alone."""
        exchange = await self.exchange(number, path)
        assert exchange.request is not None
        return exchange.request

    def exchange(self, number: int = 0, path: str | None = None) -> Deferred[Exchange]:
        """Wait for the exchange *number* as soon as its request is complete."""
        wanted = None if path is None else path.encode()
        return self.exchanges.nth(
            number, lambda entry: wanted is None or entry.head.path == wanted
        )

    @property
    def received(self) -> bytes:
        """Every byte of every connection, to search for what must not be there."""
        return b"\n".join(bytes(one.received) for one in self.connections)

    # For the connections

    def note(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        self.watcher.came(exchange)

    def fault(self, text: str) -> None:
        self.faults.append(text)
        self.watcher.fault(text)

    def now(self) -> float:
        return IReactorTime(self.reactor).seconds()

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        connection = Connection(self, len(self.connections))
        self.connections.append(connection)
        return connection
