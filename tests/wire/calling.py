"""A client's connection on a socket without a network, and who reads its answers."""

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from byok.wire.answer import Answer
from byok.wire.connection import ClientConnection
from byok.wire.deadlines import Deadlines
from byok.wire.limits import ClientLimits
from tests.wire.sockets import Socket, TCPSocket


class Reader(Protocol):
    """Keeps what it is given of a body, and how that ended."""

    def __init__(self, *, pauses: bool = False) -> None:
        self.body = b""
        self.pieces = 0
        self.end: Failure | None = None
        self.whole: Deferred[bytes] = Deferred()
        self._pauses = pauses

    def connectionMade(self) -> None:
        if self._pauses:
            self.pause()

    def pause(self) -> None:
        assert self.transport is not None
        self.transport.pauseProducing()  # type: ignore[attr-defined]

    def resume(self) -> None:
        assert self.transport is not None
        self.transport.resumeProducing()  # type: ignore[attr-defined]

    def dataReceived(self, data: bytes) -> None:
        self.body += data
        self.pieces += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        assert self.end is None, "a body ends once"
        self.end = reason
        self.whole.callback(self.body)


class Call:
    """A request, and what has come of it so far."""

    def __init__(self, answering: Deferred[Answer], reader: Reader | None) -> None:
        self.answering = answering
        self.answer: Answer | None = None
        self.failure: Failure | None = None
        self.reader = reader
        answering.addCallbacks(self._begun, self._failed)

    def _begun(self, answer: Answer) -> None:
        self.answer = answer
        if self.reader is not None:
            answer.deliverBody(self.reader)

    def _failed(self, failure: Failure) -> None:
        self.failure = failure

    @property
    def body(self) -> bytes:
        assert self.reader is not None
        return self.reader.body

    @property
    def ended_as(self) -> type[BaseException] | None:
        """How the answer ended, or why there was none; None while it goes on."""
        end = self.failure or (self.reader.end if self.reader else None)
        return None if end is None else end.type


class Client:
    """One connection, and what it told its owner."""

    def __init__(
        self,
        limits: ClientLimits | None = None,
        *,
        socket: Socket | None = None,
        secure: bool = False,
    ) -> None:
        self.clock = Clock()
        self.freed = 0
        self.is_lost = False
        self.socket = TCPSocket() if socket is None else socket
        self.connection = ClientConnection(
            secure=secure,
            limits=limits or ClientLimits(),
            deadlines=Deadlines(self.clock),
            free=self._count_free,
            lost=self._note_lost,
        )
        self.connection.ready.addErrback(lambda _: None)
        self.socket.connect(self.connection)

    def _count_free(self, connection: ClientConnection) -> None:
        self.freed += 1

    def _note_lost(self, connection: ClientConnection) -> None:
        self.is_lost = True

    def call(
        self,
        method: bytes = b"GET",
        body: bytes = b"",
        *,
        reader: Reader | None = None,
        reads: bool = True,
    ) -> Call:
        """Send a request."""
        answering = self.connection.request(
            method, b"/a", ((b"host", b"up.test"),), body
        )
        return Call(answering, (reader or Reader()) if reads else None)

    def receive(self, *segments: bytes) -> None:
        """Let the server say *segments*, as far as they are read."""
        for segment in segments:
            if self.socket.is_over or not self.socket.is_reading:
                return
            self.socket.receive(segment)

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* pass, and the socket end where it was told to."""
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
            self.socket.settle()
