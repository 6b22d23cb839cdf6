"""A request body that is already in memory, given to the wire piece by piece."""

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

_PIECE_BYTES = 1 << 16


@implementer(IBodyProducer)
class BytesProducer:
    """
    Sends *body* at the pace of the provider's socket.

    The pieces are cut when they are wanted, so a large body is held once and
    not a second time in the write buffer.
    """

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = memoryview(body)
        self._sent = 0
        self._running = False
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Begin; the result fires when all was handed over."""
        done: Deferred[None] = Deferred(lambda _: self.stopProducing())
        self._consumer, self._done = consumer, done
        self.resumeProducing()
        return done

    def pauseProducing(self) -> None:
        """Hold back until `resumeProducing`."""
        self._running = False

    def resumeProducing(self) -> None:
        """Hand over pieces until the consumer says stop or all is gone."""
        if self._consumer is None or self._running:
            return
        self._running = True
        while self._running and self._sent < self.length:
            piece = bytes(self._body[self._sent : self._sent + _PIECE_BYTES])
            self._sent += len(piece)
            # The consumer may call any method of this object from inside.
            self._consumer.write(piece)
        if self._sent == self.length and self._done is not None:
            done, self._done, self._consumer = self._done, None, None
            done.callback(None)

    def stopProducing(self) -> None:
        """Give up: nothing more is handed over."""
        self._running = False
        self._consumer = None
        self._done = None
