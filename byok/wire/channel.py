"""
A server's side of one connection: request after request, one at a time.

Whatever a client does here costs it more than us: a head has a deadline and a size,
a body a rate and a size, an answer has to be read, and a pipelined request waits
unread until its turn.
"""

from typing import cast

from twisted.internet.interfaces import IPushProducer, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from byok.wire.answers import head_bytes
from byok.wire.bodies import BodyReader, ChunkedBody, CountedBody
from byok.wire.deadlines import NEVER
from byok.wire.errors import BodyTooLarge, BodyTooSlow, Unreadable, WireError
from byok.wire.heads import (
    HEAD_TOO_LONG,
    HEAD_TOO_SLOW,
    HeadReader,
    RequestHead,
    could_become_a_head,
)
from byok.wire.request import GONE, STALLED, ServerRequest
from byok.wire.serving import Serving
from byok.wire.sockets import ISocket, host_of, send_now, unsent_bytes

_HEAD_ENDS = b"\r\n\r\n"

_log = Logger(namespace="byok.wire")


@implementer(IPushProducer)
class ServerChannel(Protocol):
    """
    Reads requests off one connection and gives each to the server's handler.

    It is the transport's producer from the first to the last: a client that does not
    read gets no second answer worked out, and its reading is watched here alone.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._limits = serving.limits
        self._clock = serving.deadlines.clock
        self._heads = HeadReader(serving.limits)
        self._begun = bytearray()
        self._searched = 0
        self._skipped = False
        self._request: ServerRequest | None = None
        self._reader: BodyReader | None = None
        self._body_began_at = 0.0
        self._taking = False
        self._holds = False
        self._is_idle = True
        self._discards = False
        self._to_discard: int | None = None
        self._closes = False
        self._has_asked = False
        self._unsent = 0
        self._because = GONE
        self.is_paused = False
        self.deadline = NEVER
        self.peer = ""

    # -- the connection ------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin to read, and to watch the clock."""
        transport = self._transport()
        self.peer = host_of(transport.getPeer())
        self._is_idle = False
        self._allow(self._limits.head_s)
        self._serving.opened(self)
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(enabled=True)
            transport.setTcpKeepAlive(enabled=True)
        transport.registerProducer(self, streaming=True)

    def dataReceived(self, data: bytes) -> None:
        """Take what came as a part of a body, of a head, or of nothing."""
        if self._discards:
            self._discard(len(data))
        elif self._reader is not None:
            self._feed(self._reader, data)
        else:
            self._begun += data
        if self._request is None:
            self._take_requests()
        self._hold_or_read()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Tell whoever works on a request that nobody waits for it any more."""
        self.deadline = NEVER
        self._discards = True
        self._reader = None
        request, self._request = self._request, None
        if request is not None:
            request.lost(self._because)
        # Last, since whoever waits for the last connection ends all that is left.
        self._serving.closed(self)

    def announce_end(self) -> None:
        """Take one more request at most, and say so with its answer."""
        self._closes = True

    def close_when_idle(self) -> None:
        """Take no further request; end at once where none is under way."""
        self._closes = True
        if self._request is None and not self._discards and not self._begun:
            self._close()

    def abort(self) -> None:
        """End the connection now, whatever is under way."""
        self._discards = True
        self._transport().abortConnection()

    # -- requests ------------------------------------------------------------

    def _take_requests(self) -> None:
        # A handler that answers at once must not bring us here inside ourselves.
        if self._taking:
            return
        self._taking = True
        try:
            while (
                self._begun
                and self._request is None
                and not self._discards
                and not self.is_paused
                and self._take_one()
            ):
                pass
        finally:
            self._taking = False

    def _hold_or_read(self) -> None:
        """Let what is pipelined beyond the size of a head wait in the kernel."""
        holds = len(self._begun) > self._limits.head_bytes
        if holds != self._holds:
            self._holds = holds
            if holds:
                self._transport().pauseProducing()
            else:
                self._transport().resumeProducing()

    def _take_one(self) -> bool:
        """Start on the next request if its head is here."""
        begun = self._begun
        if self._is_idle:
            self._is_idle = False
            self._allow(self._limits.head_s)
        # One empty line may stand before a request line (RFC 9112 2.2).
        if not self._searched and not self._skipped and begun.startswith(b"\r"):
            if len(begun) == 1:
                return False
            if begun.startswith(b"\r\n"):
                del begun[:2]
                self._skipped = True
        end = begun.find(_HEAD_ENDS, max(0, self._searched - len(_HEAD_ENDS)))
        size = len(begun) if end < 0 else end + len(_HEAD_ENDS)
        if size > self._limits.head_bytes:
            self._refuse(HEAD_TOO_LONG)
            return False
        if end < 0:
            self._searched = size
            hopeless = could_become_a_head(begun, self._limits)
            if hopeless is not None:
                self._refuse(hopeless)
            return False
        raw = bytes(begun[:size])
        del begun[:size]
        self._searched = 0
        self._skipped = False
        head = self._heads.read(raw)
        if isinstance(head, Unreadable):
            self._refuse(head)
            return False
        self._start(head)
        return True

    def _start(self, head: RequestHead) -> None:
        limit = self._limits.body_bytes
        reader: BodyReader = (
            ChunkedBody(limit) if head.length is None else CountedBody(head.length)
        )
        request = ServerRequest(self, head, reader, peer=self.peer)
        self._request = request
        self._has_asked = True
        self._closes = self._closes or not head.keeps_alive
        self.deadline = NEVER
        if head.length is not None and head.length > limit:
            self._give_up_body(BodyTooLarge("the body is over the limit"), head.length)
        elif not reader.is_complete:
            self._reader = reader
            self._body_began_at = self._clock.seconds()
            self._allow(self._limits.body_grace_s)
            if self._begun:
                data = bytes(self._begun)
                self._begun.clear()
                self._feed(reader, data)
        try:
            self._serving.handler(request)
        except Exception:  # noqa: BLE001 - one request must not end the server
            _log.failure("a request's handler failed")
            request.abort()

    def _feed(self, reader: BodyReader, data: bytes) -> None:
        try:
            rest = reader.feed(data)
        except WireError as error:
            self._give_up_body(error, None)
            return
        self._begun += rest
        if reader.is_complete and self._request is not None:
            self._reader = None
            self._rearm()
            self._request.body_complete()

    def _give_up_body(self, error: WireError, length: int | None) -> None:
        """Take no more of the current body: what still comes of it is dropped."""
        self._reader = None
        self._closes = self._discards = True
        self._to_discard = length
        self._discard(len(self._begun))
        self._begun.clear()
        self._rearm()
        # A body belongs to a request that is under way.
        cast(ServerRequest, self._request).body_failed(error)

    def _discard(self, size: int) -> None:
        if self._to_discard is not None:
            self._to_discard -= size
            if self._to_discard <= 0 and self._request is None:
                self._close()

    def _refuse(self, unreadable: Unreadable) -> None:
        """Answer what is no request, and read no further."""
        headers, body = self._serving.refuse(unreadable, self.peer)
        framing = b"connection: close\r\n"
        self.send(head_bytes(unreadable.status, headers, framing), body)
        self._begun.clear()
        self._discards = True
        self._linger()

    # -- answers (what a ServerRequest asks of its connection) -----------------

    def send(self, *pieces: bytes) -> None:
        """Write *pieces*, one after the other."""
        if self.is_paused:
            self._unsent += sum(map(len, pieces))
        self._transport().writeSequence(pieces)

    def send_now(self, data: bytes) -> None:
        """Write *data*, at once where nothing waits before it."""
        if self.is_paused:
            self._unsent += len(data)
        send_now(self._transport(), data)

    def closes_after(self, request: ServerRequest) -> bool:  # noqa: ARG002
        """Will the connection end with the answer that is about to begin?"""
        # What is left of an upload could only be read, not stopped.
        return self._closes or self._reader is not None

    def answered(self, request: ServerRequest) -> None:
        """Go on to the next request, or end the connection as it was announced."""
        self._request = None
        # Where nothing else ends an answer, the end of the connection does.
        self._closes = self._closes or not request.is_framed
        if self._reader is not None:
            self._reader = None
            self._discards = True
        if self._discards:
            self._linger()
        elif self._closes:
            self._close()
        else:
            self._is_idle = True
            self._rearm()
            self._take_requests()
            self._hold_or_read()

    def cut(self, *, shows: bool) -> None:
        """End the connection in mid-answer; *shows* if its framing gives that away."""
        self._request = None
        self._reader = None
        if shows:
            self._close()
        else:
            self.abort()

    def _close(self) -> None:
        """Close once everything is sent; a client that does not read is reset."""
        self._discards = True
        self._allow(self._limits.stall_s)
        transport = self._transport()
        # TLS waits for its producer before it says goodbye.
        transport.unregisterProducer()
        transport.loseConnection()

    def _linger(self) -> None:
        """
        Let the client read the answer before the connection ends.

        Closing while it still sends would reset the connection, and the answer with
        it (RFC 9112 9.6).
        """
        self._rearm()
        transport = self._transport()
        if self._to_discard is not None and self._to_discard <= 0:
            self._close()
        elif ITCPTransport.providedBy(transport) and not ISSLTransport.providedBy(
            transport
        ):
            transport.loseWriteConnection()

    # -- pace ----------------------------------------------------------------

    def pauseProducing(self) -> None:
        """The client reads slower than it is written to."""
        if not self.is_paused:
            # Twisted says it again with each further write.
            self.is_paused = True
            self._unsent = unsent_bytes(self._transport())
            # Who never shook hands for TLS cannot read that it was refused.
            limits = self._limits
            self._allow(limits.stall_s if self._has_asked else limits.linger_s)
        if self._request is not None:
            self._request.steer(paused=True)

    def resumeProducing(self) -> None:
        """Everything written so far is on its way."""
        self.is_paused = False
        self._rearm()
        if self._request is not None:
            self._request.steer(paused=False)
        else:
            self._take_requests()
            self._hold_or_read()

    def stopProducing(self) -> None:
        """The transport is done for; `connectionLost` says so as well."""

    def _rearm(self) -> None:
        """Set the deadline that fits what is going on."""
        if self.is_paused:
            return
        if self._reader is not None:
            self._allow(1.0)
        elif self._request is not None:
            self.deadline = NEVER
        elif self._discards:
            self._allow(self._limits.linger_s)
        else:
            self._allow(self._limits.idle_s)

    def overdue(self, now: float) -> None:
        """Act on the deadline of whatever the client is slow at."""
        if self.is_paused:
            self._judge_reading()
        elif self._reader is not None:
            self._judge_upload(now)
        elif self._request is None and not self._discards and not self._is_idle:
            self._refuse(HEAD_TOO_SLOW)
        elif self._request is None and not self._discards and not self._still_sends():
            self._close()
        else:
            self.abort()

    def _judge_reading(self) -> None:
        unsent = unsent_bytes(self._transport())
        if unsent < self._unsent:
            self._unsent = unsent
            self._allow(self._limits.stall_s)
        else:
            self._because = STALLED
            self.abort()

    def _judge_upload(self, now: float) -> None:
        elapsed = now - self._body_began_at
        reader, request = self._reader, self._request
        if request is not None and request.keeps_client_waiting:
            self._body_began_at = now
            self._allow(self._limits.body_grace_s)
        elif reader is not None and (
            reader.received >= elapsed * self._limits.body_bytes_per_s
        ):
            self._allow(1.0)
        else:
            self._give_up_body(BodyTooSlow("the body came too slowly"), None)

    def _still_sends(self) -> bool:
        return unsent_bytes(self._transport()) > 0

    def _allow(self, seconds: float) -> None:
        self.deadline = self._clock.seconds() + seconds

    def _transport(self) -> ISocket:
        return cast(ISocket, self.transport)
