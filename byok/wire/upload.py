"""A request body that is already in memory, given to the wire piece by piece."""

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from byok.wire.sockets import ISocket

PIECE_BYTES = 1 << 16


@implementer(IPushProducer)
class Upload:
    """
    Sends *body* at the pace of the server's socket, then calls *sent*.

    The pieces are cut when they are wanted, so that a large body is held once and not
    a second time in the write buffer.
    """

    def __init__(
        self, transport: ISocket, body: bytes, sent: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._body = memoryview(body)
        self._at = 0
        self._paused = False
        self._sent = sent

    def start(self) -> None:
        """Begin to send."""
        self._transport.registerProducer(self, streaming=True)
        self._go_on()

    def pauseProducing(self) -> None:
        """Hold back until `resumeProducing`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Send until the socket has enough, or all is sent."""
        self._paused = False
        self._go_on()

    def stopProducing(self) -> None:
        """Give up: nothing more is sent."""
        self._paused = True
        self._body = self._body[:0]

    def _go_on(self) -> None:
        while not self._paused and self._at < len(self._body):
            piece = self._body[self._at : self._at + PIECE_BYTES]
            self._at += len(piece)
            # The socket may pause or stop us from inside.
            self._transport.write(bytes(piece))
        if self._at and self._at == len(self._body):
            self._at = 0
            self._body = self._body[:0]
            self._transport.unregisterProducer()
            self._sent()
