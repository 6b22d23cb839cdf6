"""One request as a server has it, and the way to answer it once."""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer

from byok.wire.answers import head_bytes
from byok.wire.bodies import BodyReader
from byok.wire.errors import PeerGone, WireError
from byok.wire.heads import Headers, RequestHead

_BODYLESS = frozenset({204, 304})

GONE = "client gone"
STALLED = "client stalled"


class Connection(Protocol):
    """What a request needs of the connection it came on."""

    def send(self, *pieces: bytes) -> None:
        """Write *pieces*, one after the other."""

    def send_now(self, data: bytes) -> None:
        """Write *data*, at once where nothing waits before it."""

    def closes_after(self, request: "ServerRequest") -> bool:
        """Will the connection end with the answer that is about to begin?"""

    def answered(self, request: "ServerRequest") -> None:
        """The answer is complete."""

    def cut(self, *, shows: bool) -> None:
        """End the connection in mid-answer; *shows* if its framing gives that away."""

    @property
    def is_paused(self) -> bool:
        """Does the client read slower than it is written to?"""


class ServerRequest:
    """
    A client's request, handed over once its head is complete.

    Header names are lower case, repeats apart. *peer* is the client's IP address,
    or `unix`. *gone* turns true when the client hung up or was cut off, for the
    reason in *gone_because*.
    """

    __slots__ = (
        "_bodyless",
        "_chunked",
        "_connection",
        "_ended",
        "_expects_continue",
        "_failed",
        "_head",
        "_left",
        "_minor",
        "_producer",
        "_reader",
        "_waiting",
        "_watchers",
        "gone",
        "gone_because",
        "headers",
        "method",
        "peer",
        "responded",
        "target",
    )

    def __init__(
        self,
        connection: Connection,
        head: RequestHead,
        reader: BodyReader,
        *,
        peer: str,
    ) -> None:
        self.method = head.method
        self.target = head.target
        self.headers: Headers = head.headers
        self.peer = peer
        self.gone = False
        self.gone_because = ""
        self.responded = False
        self._connection = connection
        self._minor = head.minor
        self._expects_continue = head.expects_continue
        self._reader = reader
        self._failed: WireError | None = None
        self._waiting: Deferred[None] | None = None
        self._watchers: list[Callable[[], None]] = []
        self._producer: IPushProducer | None = None
        self._ended = False
        self._bodyless = self.method == b"HEAD"
        self._chunked = False
        self._left: int | None = None
        self._head = b""

    @property
    def received_bytes(self) -> int:
        """How much of the body has come in."""
        return self._reader.received

    @property
    def keeps_client_waiting(self) -> bool:
        """Does the client still wait for leave to send the body?"""
        return self._expects_continue and not self._reader.received

    async def read_body(self) -> bytes:
        """
        Return the whole body once it is here.

        A client that waits for leave to send it (`Expect: 100-continue`) gets that
        now. Raises BodyTooLarge, BodyTooSlow, BodyUnreadable or PeerGone.
        """
        if self._failed is None and not self._reader.is_complete:
            if self.keeps_client_waiting and not self.responded:
                self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects_continue = False
            self._waiting = Deferred()
            await self._waiting
        if self._failed is not None:
            raise self._failed
        return self._reader.value()

    def respond(self, status: int, headers: Headers) -> None:
        """
        Send status and headers, with the standard reason phrase.

        They leave with the first part of the body, or with `flush`. Without a
        content-length among *headers* the body is chunked, or ends with the
        connection where the client knows no chunks.
        """
        if self.responded:
            raise RuntimeError("a request is answered once")
        self.responded = True
        if self.gone:
            return
        length = next((v for name, v in headers if name == b"content-length"), None)
        self._bodyless = self._bodyless or status in _BODYLESS
        self._left = None if length is None else int(length)
        unframed = length is None and not self._bodyless
        self._chunked = unframed and self._minor > 0
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        if self._connection.closes_after(self) or (unframed and not self._chunked):
            framing += b"connection: close\r\n"
        elif self._minor == 0:
            framing += b"connection: keep-alive\r\n"
        self._head = head_bytes(status, headers, framing)

    def flush(self) -> None:
        """Send the head, if it still waits for the body to go with it."""
        if self._head and not self.gone:
            head, self._head = self._head, b""
            self._connection.send_now(head)

    @property
    def is_framed(self) -> bool:
        """Can the client tell by the framing whether it got the whole answer?"""
        return self._chunked or self._left is not None or self._bodyless

    def write(self, data: bytes) -> None:
        """Send a part of the body."""
        if self.gone or self._bodyless or not data:
            return
        if self._left is not None:
            if len(data) > self._left:
                raise ValueError("an answer is longer than its content-length")
            self._left -= len(data)
        head, self._head = self._head, b""
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._connection.send_now(head + data if head else data)

    def finish(self) -> None:
        """End the answer as complete; one that is not all there is cut instead."""
        if self.gone or self._ended:
            return
        if self._left and not self._bodyless:
            self.abort()
            return
        self._ended = True
        end, self._head = self._head, b""
        if self._chunked:
            end += b"0\r\n\r\n"
        if end:
            self._connection.send_now(end)
        self._connection.answered(self)

    def abort(self) -> None:
        """
        End the answer so that the client can tell it is incomplete.

        What was sent before is still delivered where the framing shows the cut by
        itself; an answer that the closing connection would seem to complete has to
        be reset.
        """
        if self.gone or self._ended:
            return
        self.flush()
        self._ended = self.gone = True
        self._watchers = []
        self._connection.cut(shows=self.responded and self.is_framed)

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call *callback* once if the client hangs up before the answer ended."""
        self._watchers.append(callback)

    def register_producer(self, producer: IPushProducer) -> None:
        """Pause *producer* whenever the client reads slower than it produces."""
        if self.gone:
            return
        self._producer = producer
        if self._connection.is_paused:
            producer.pauseProducing()

    def unregister_producer(self) -> None:
        """Stop steering the registered producer."""
        self._producer = None

    def steer(self, *, paused: bool) -> None:
        """Pass on what the connection says of the client's pace."""
        if self._producer is None:
            return
        if paused:
            self._producer.pauseProducing()
        else:
            self._producer.resumeProducing()

    def body_complete(self) -> None:
        """All of the body is here."""
        self._go_on()

    def body_failed(self, error: WireError) -> None:
        """The rest of the body will not come, or not be taken."""
        self._failed = error
        self._go_on()

    def lost(self, because: str) -> None:
        """The connection is gone."""
        if self.gone or self._ended:
            return
        self.gone = True
        self.gone_because = because
        self._failed = PeerGone("the client hung up")
        self._producer = None
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher()
        self._go_on()

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)
