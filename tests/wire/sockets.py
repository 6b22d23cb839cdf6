"""A socket without a network: what is written to it is a peer's, when it reads."""

from collections.abc import Iterable, Iterator

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IPushProducer,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

BUFFER_BYTES = 1 << 16


class Socket:
    """
    The near end of a connection, with the manners of Twisted's own.

    *taken* is what the far end has read of what was written. While it does not
    *read*, writes pile up in `dataBuffer`, and over 64 kB the producer is paused
    until all of them are taken. A connection that was told to end does so in
    `settle`, not from inside the call, as in a reactor.
    """

    disconnecting = False

    def __init__(self, *, peer: str = "192.0.2.1", reads: bool = True) -> None:
        self.taken = bytearray()
        self.dataBuffer = b""
        self.offset = 0
        self.reads = reads
        self.is_reading = True
        self.is_half_closed = False
        self.is_aborted = False
        self.is_over = False
        self.producer: IPushProducer | None = None
        self.protocol: Protocol | None = None
        self._holds = False
        self._peer = peer

    def connect(self, protocol: Protocol) -> None:
        """Let *protocol* have this as its transport."""
        self.protocol = protocol
        protocol.makeConnection(self)

    # -- what the far end does -------------------------------------------------

    def receive(self, *segments: bytes) -> None:
        """Hand *segments* to the protocol, one after the other, while it is there."""
        for segment in segments:
            if self.is_over or self.is_aborted:
                return
            assert self.protocol is not None
            assert self.is_reading, "a reactor reads nothing from a paused socket"
            self.protocol.dataReceived(segment)
            self.settle()

    def take(self, size: int | None = None) -> None:
        """Read *size* bytes of what was written, or all."""
        size = len(self.dataBuffer) if size is None else size
        self.taken += self.dataBuffer[:size]
        self.dataBuffer = self.dataBuffer[size:]
        if self._holds and not self.dataBuffer:
            self._holds = False
            if self.producer is not None:
                self.producer.resumeProducing()
        self.settle()

    def settle(self) -> None:
        """End the connection if it was told to, and can."""
        if self.is_aborted:
            self.lose(ConnectionAborted())
        elif self.disconnecting and not self.dataBuffer:
            self.lose(ConnectionDone())

    def lose(self, reason: Exception | None = None) -> None:
        """End the connection from the far end, or as told."""
        if not self.is_over:
            self.is_over = True
            assert self.protocol is not None
            self.protocol.connectionLost(Failure(reason or ConnectionDone()))

    # -- what the protocol does ------------------------------------------------

    def write(self, data: bytes) -> None:
        if self.is_over or self.is_aborted or self.is_half_closed:
            return
        self.dataBuffer += data
        if self.reads:
            self.taken += self.dataBuffer
            self.dataBuffer = b""
        elif len(self.dataBuffer) > BUFFER_BYTES and self.producer is not None:
            self._holds = True
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True

    def loseWriteConnection(self) -> None:
        self.is_half_closed = True

    def abortConnection(self) -> None:
        self.is_aborted = True

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.is_reading = False

    def resumeProducing(self) -> None:
        self.is_reading = True

    def stopProducing(self) -> None:
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self._peer, 40000)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.2", 80)

    def getTcpNoDelay(self) -> bool:
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getTcpKeepAlive(self) -> bool:
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass


@implementer(ITCPTransport, IConsumer, IPushProducer)
class TCPSocket(Socket):
    """One that can be closed in one direction."""


@implementer(ITransport, IConsumer, IPushProducer)
class UnixSocket(Socket):
    """One that cannot."""


def bytewise(data: bytes) -> list[bytes]:
    """Cut *data* into segments of a byte each."""
    return [data[at : at + 1] for at in range(len(data))]


def halves(data: bytes, *, most: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Cut *data* in two at every point, or at *most* points that are far apart."""
    points = range(1, len(data))
    step = 1 if most is None else max(1, len(points) // most)
    for at in points[::step]:
        yield data[:at], data[at:]
