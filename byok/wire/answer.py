"""A server's answer: its head at once, its body while it comes."""

from typing import Protocol, cast

from twisted.internet.interfaces import IProtocol, IPushProducer, ITransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers as WebHeaders
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface import implementer

from byok.wire.answer_reader import AnswerHead


def failure_of(error: BaseException) -> Failure:
    """Return *error* as Twisted passes it on."""
    failure: Failure = Failure(error)  # type: ignore[no-untyped-call]
    return failure


# Failures of an ordinary end: made once, since each would look at its stack.
COMPLETE = failure_of(ResponseDone("the answer is complete"))
ENDED_BY_CLOSE = failure_of(PotentialDataLoss())


class Source(Protocol):
    """The connection an answer is still arriving on."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """End the connection now."""


@implementer(IResponse, IPushProducer)
class Answer:
    """
    An answer's status and headers, its body still on the way.

    `fields`, `nominated` and `length_bytes` are as in `AnswerHead`. It is an
    `IResponse` to whoever wants one, with `headers` left empty: they would be a
    second copy that can be changed. As a producer it paces the connection.
    """

    request = None
    previousResponse = None
    phrase = b""

    def __init__(self, source: Source, head: AnswerHead) -> None:
        self.status = self.code = head.status
        self.version = (b"HTTP", 1, head.minor)
        self.fields = head.fields
        self.nominated = head.nominated
        self.length_bytes = head.length_bytes
        self.length = UNKNOWN_LENGTH if head.length_bytes is None else head.length_bytes
        self._source: Source | None = source
        self._receiver: IProtocol | None = None
        self._early: list[bytes] = []
        self._end: Failure | None = None

    @property
    def headers(self) -> WebHeaders:
        """Return nothing: see `fields`."""
        return WebHeaders()

    def setPreviousResponse(self, response: IResponse) -> None:
        """Do nothing: no redirect is followed here."""

    def deliverBody(self, protocol: IProtocol) -> None:
        """
        Give the body to *protocol*, at the pace it asks for.

        Its `connectionLost` gets ResponseDone, PotentialDataLoss where the end of the
        connection was the only end, or the `WireError` that cut the body short.
        """
        if self._receiver is not None:
            raise RuntimeError("an answer's body is delivered once")
        self._receiver = protocol
        if self._source is not None:
            # Before anything is given: the receiver may want a pause at once.
            self._source.resume()
        protocol.makeConnection(cast(ITransport, self))
        early, self._early = self._early, []
        if early:
            protocol.dataReceived(b"".join(early))
        if self._end is not None:
            protocol.connectionLost(self._end)

    def body_came(self, data: bytes) -> None:
        """Take a piece of the body from the connection."""
        if self._receiver is not None:
            self._receiver.dataReceived(data)
            return
        self._early.append(data)
        if self._source is not None:
            self._source.pause()

    def ended(self, end: Failure) -> None:
        """Take the body's end from the connection."""
        if self._end is not None:
            return
        self._end = end
        self._source = None
        if self._receiver is not None:
            self._receiver.connectionLost(end)

    def abort(self) -> None:
        """Drop the connection if this answer is still arriving on it."""
        if self._source is not None:
            self._source.abort()

    def pauseProducing(self) -> None:
        """Read no more of the body for now."""
        if self._source is not None:
            self._source.pause()

    def resumeProducing(self) -> None:
        """Read on."""
        if self._source is not None:
            self._source.resume()

    def stopProducing(self) -> None:
        """Give the rest of the body up."""
        self.abort()

    def loseConnection(self) -> None:
        """Give the rest of the body up, as a transport would be told."""
        self.abort()
