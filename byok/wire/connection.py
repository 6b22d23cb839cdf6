"""
A client's side of one connection: request after request, one at a time.

A connection is used again only after an answer that was complete, with nothing
behind it: what a server sends unasked could otherwise become the answer to somebody
else's request.
"""

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IHandshakeListener, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from byok.wire.answer import COMPLETE, ENDED_BY_CLOSE, Answer, failure_of
from byok.wire.answer_reader import OF_THE_CONNECTION, AnswerHead, AnswerReader
from byok.wire.deadlines import NEVER, Deadlines
from byok.wire.errors import (
    AnswerBroken,
    AnswerTimedOut,
    ClosedEarly,
    ClosedWhileKept,
    WireError,
)
from byok.wire.heads import Headers, is_clean
from byok.wire.limits import ClientLimits
from byok.wire.sockets import (
    ISocket,
    has_news,
    has_unread_record,
    number_of,
    send_now,
)
from byok.wire.upload import PIECE_BYTES, Upload

_GOODBYE_S = 5.0
_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})


@implementer(IHandshakeListener)
class ClientConnection(Protocol):
    """
    Sends a request, and gives back its answer once the head is here.

    `ready` fires when the connection can be used, its TLS handshake included; *free*
    is called whenever it can be used again, *lost* when it never can.
    """

    def __init__(
        self,
        *,
        secure: bool,
        limits: ClientLimits,
        deadlines: Deadlines,
        free: Callable[["ClientConnection"], None],
        lost: Callable[["ClientConnection"], None],
    ) -> None:
        self._secure = secure
        self._limits = limits
        self._deadlines = deadlines
        self._clock = deadlines.clock
        self._free = free
        self._lost = lost
        self._reader = AnswerReader(limits)
        self._waiting: Deferred[Answer] | None = None
        self._answer: Answer | None = None
        self._ended_because: WireError | None = None
        self._uploading = False
        self._paused = False
        self._was_kept = False
        self._is_ending = False
        self._number: int | None = None
        self.ready: Deferred[None] = Deferred()
        self.is_open = False
        self.deadline = NEVER

    # -- the connection ------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin to watch the clock; a plain connection is ready to be used."""
        transport = self._transport()
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(enabled=True)
            transport.setTcpKeepAlive(enabled=True)
        self._number = number_of(transport)
        self._deadlines.watch(self)
        if not self._secure:
            self._be_ready()

    def handshakeCompleted(self) -> None:
        """Take a TLS connection for ready: the server has proved who it is."""
        self._be_ready()

    def _be_ready(self) -> None:
        self.is_open = True
        self.ready.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End what was under way as the connection ended."""
        self._deadlines.forget(self)
        self.is_open = False
        self._lost(self)
        if not self.ready.called:
            self.ready.errback(reason)
        if self._waiting is not None:
            self._fail(self._ended_because or self._unanswered())
        elif self._answer is not None:
            self._end_answer(self._how_it_ended())

    def _unanswered(self) -> ClosedEarly:
        if self._was_kept:
            return ClosedWhileKept("there was no answer, as on a closed connection")
        return ClosedEarly("there was no answer")

    def _how_it_ended(self) -> Failure:
        head = self._reader.head
        if self._ended_because is None and head is not None and head.ends_by_close:
            return ENDED_BY_CLOSE
        because = self._ended_because or ClosedEarly("the answer is incomplete")
        return failure_of(because)

    def abort(self) -> None:
        """End the connection now, and what is under way with it."""
        self.is_open = False
        self._transport().abortConnection()

    def drop_if_stale(self) -> bool:
        """
        End a kept connection that the server closed, or said something on unasked.

        It may be known to the kernel alone yet. Asked before a request is written, this
        saves one that would be lost.
        """
        stale = (self._number is not None and has_news(self._number)) or (
            # TLS reads ahead, and gives on one record after the other.
            self._is_ending and self._secure and has_unread_record(self._transport())
        )
        if stale:
            self.abort()
        return stale

    def close(self) -> None:
        """End a connection that nobody uses."""
        self.is_open = False
        # A server that does not say goodbye under TLS would keep it for ever.
        self._allow(_GOODBYE_S)
        self._transport().loseConnection()

    # -- a request -----------------------------------------------------------

    def request(
        self, method: bytes, target: bytes, headers: Headers, body: bytes = b""
    ) -> Deferred[Answer]:
        """
        Send a request; fires with the answer's head, or a `WireError`.

        *headers* are complete but for content-length, which is added where there is a
        body or the method usually has one. Cancelling ends the connection. Raises
        ValueError for a line that would not be one.
        """
        if self._waiting is not None or self._answer is not None:
            raise RuntimeError("a connection carries one request at a time")
        head = _request_head(method, target, headers, len(body))
        if not self.is_open:
            return fail(ClosedEarly("the connection is closed"))
        self._reader.start(bodyless=method == b"HEAD")
        self._allow(self._limits.answer_s)
        waiting = self._waiting = Deferred(self._cancelled)
        if len(body) <= PIECE_BYTES:
            send_now(self._transport(), head + body)
        else:
            self._uploading = True
            self._transport().write(head)
            Upload(self._transport(), body, self._uploaded).start()
        return waiting

    def _uploaded(self) -> None:
        self._uploading = False

    def _cancelled(self, waiting: Deferred[Answer]) -> None:
        self._waiting = None
        self.abort()
        waiting.errback(CancelledError())

    # -- its answer ------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Read on in the answer, and tell of what was read."""
        if not self.is_open:
            return
        if self._waiting is None and self._answer is None:
            # Unasked for: whatever it is, it is nobody's answer.
            self.abort()
            return
        reader = self._reader
        reader.feed(data)
        if reader.head is not None and self._waiting is not None and not reader.broken:
            self._begin_answer(reader.head)
        pieces = reader.take_pieces()
        if pieces and self._answer is not None:
            self._allow(self._limits.silence_s)
            self._answer.body_came(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if reader.broken:
            self._give_up(AnswerBroken(reader.broken))
        elif reader.is_complete and self._answer is not None:
            self._finish(self._answer)

    def _begin_answer(self, head: AnswerHead) -> None:
        waiting, self._waiting = cast("Deferred[Answer]", self._waiting), None
        self._answer = Answer(self, head)
        self._allow(self._limits.silence_s)
        waiting.callback(self._answer)

    def _finish(self, answer: Answer) -> None:
        """Let go of a complete answer; the connection is free, or of no more use."""
        reader = self._reader
        self._answer = None
        self.deadline = NEVER
        if reader.surplus or self._uploading:
            self.abort()
        elif not reader.keeps_alive:
            self.close()
        elif self.is_open:
            self.resume()
            # Free before the answer's end is told: the next request may follow it.
            self._free(self)
        self._is_ending = True
        answer.ended(COMPLETE)
        self._is_ending = False

    def _give_up(self, because: WireError) -> None:
        self._ended_because = because
        self.abort()
        if self._waiting is not None:
            self._fail(because)
        else:
            self._end_answer(failure_of(because))

    def _fail(self, because: WireError) -> None:
        waiting, self._waiting = cast("Deferred[Answer]", self._waiting), None
        waiting.errback(because)

    def _end_answer(self, end: Failure) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.ended(end)

    # -- pace ------------------------------------------------------------------

    def pause(self) -> None:
        """Read no more for now; the server's silence is our doing then."""
        if not self._paused:
            self._paused = True
            self.deadline = NEVER
            self._transport().pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            self._allow(self._limits.silence_s)
            if self.is_open:
                self._transport().resumeProducing()

    def keep_for(self, seconds: float) -> None:
        """Wait *seconds* for the next request, then end."""
        self._was_kept = True
        self._allow(seconds)

    def overdue(self, now: float) -> None:  # noqa: ARG002 - a deadline has one reason
        """Give up on a server that is silent, or on being used again."""
        self.deadline = NEVER
        self._give_up(AnswerTimedOut("the server was silent for too long"))

    def _allow(self, seconds: float) -> None:
        self.deadline = self._clock.seconds() + seconds

    def _transport(self) -> ISocket:
        return cast(ISocket, self.transport)


def _request_head(method: bytes, target: bytes, headers: Headers, size: int) -> bytes:
    has_length = bool(size) or method in _WITH_BODY
    length = b"content-length: %d\r\n" % size if has_length else b""
    lines = [b"%s: %s\r\n" % field for field in headers]
    head = b"".join((method, b" ", target, b" HTTP/1.1\r\n", *lines, length, b"\r\n"))
    if not is_clean(head) or head.count(b"\n") != len(lines) + 2 + has_length:
        raise ValueError("a line of a request holds a line break or a control byte")
    if not OF_THE_CONNECTION.isdisjoint([name for name, _ in headers]):
        raise ValueError("a request's framing is the connection's own affair")
    return head
