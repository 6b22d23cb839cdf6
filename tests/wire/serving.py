"""A server on fake sockets that remembers every request and answers each at once."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from byok.wire.channel import ServerChannel
from byok.wire.deadlines import Deadlines
from byok.wire.errors import BodyTooLarge, BodyTooSlow, BodyUnreadable, PeerGone
from byok.wire.errors import Unreadable as Refused
from byok.wire.heads import Headers
from byok.wire.limits import ServerLimits
from byok.wire.request import ServerRequest
from byok.wire.serving import Serving
from tests.wire.sockets import Socket, TCPSocket

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")
_LENGTH = re.compile(rb"content-length: (\d+)\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as the handler got it, with all of its body."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as the client got it."""

    status: int
    headers: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one connection: requests, answers, and whether it goes on."""

    requests: tuple[Request, ...]
    replies: tuple[Reply, ...]
    goes_on: bool


class Server:
    """
    A `Serving` with a clock of its own, on sockets without a network.

    The handler reads the body, notes the request, and answers with its number.
    """

    def __init__(
        self,
        limits: ServerLimits | None = None,
        handler: Callable[[ServerRequest], None] | None = None,
    ) -> None:
        self.clock = Clock()
        self.requests: list[Request] = []
        self.errors: list[Failure] = []
        self.started = 0
        self.serving = Serving(
            handler=handler or self.handle,
            refuse=refuse,
            limits=limits or ServerLimits(),
            deadlines=Deadlines(self.clock),
        )

    def connect(self, socket: Socket | None = None) -> Socket:
        """Open a connection, on *socket* if it is given."""
        socket = TCPSocket() if socket is None else socket
        socket.connect(ServerChannel(self.serving))
        return socket

    def pass_time(self, seconds: float, *sockets: Socket, step: float = 0.25) -> None:
        """Let *seconds* pass, and the *sockets* end where they were told to."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            for socket in sockets:
                socket.settle()

    def handle(self, request: ServerRequest) -> None:
        self.started += 1
        answering = Deferred.fromCoroutine(self._answer(request))
        answering.addErrback(self.errors.append)

    async def _answer(self, request: ServerRequest) -> None:
        try:
            body = await request.read_body()
        except PeerGone:
            return
        except (BodyTooLarge, BodyTooSlow, BodyUnreadable) as error:
            reply(request, status_of(error), b"no")
            return
        self.requests.append(
            Request(
                method=request.method,
                target=request.target,
                headers=request.headers,
                body=body,
            )
        )
        reply(request, 200, b"%d" % len(self.requests))


def status_of(error: Exception) -> int:
    """Return the status for a body that did not come as it should."""
    if isinstance(error, BodyUnreadable):
        return error.unreadable.status
    return 413 if isinstance(error, BodyTooLarge) else 408


def reply(request: ServerRequest, status: int, body: bytes) -> None:
    """Answer *request* with *body*."""
    request.respond(status, ((b"content-length", b"%d" % len(body)),))
    request.write(body)
    request.finish()


def refuse(unreadable: Refused, peer: str) -> tuple[Headers, bytes]:
    """Word the answer to what is no request: by the code alone."""
    body = unreadable.code.encode()
    return ((b"content-length", b"%d" % len(body)),), body


def converse(
    segments: Iterable[bytes], *, limits: ServerLimits | None = None
) -> Outcome:
    """Send *segments* on one connection, and return all that came of it."""
    server = Server(limits)
    socket = server.connect()
    socket.receive(*segments)
    assert not server.errors
    heads = b"\r\n".join(bytes(socket.taken).split(b"HTTP/1.1 100 Continue\r\n\r\n"))
    replies = read_replies(heads, server.requests)
    goes_on = not (socket.is_over or socket.is_half_closed)
    socket.lose()
    assert not server.serving.open_connections
    assert not server.clock.getDelayedCalls()
    return Outcome(
        requests=tuple(server.requests), replies=tuple(replies), goes_on=goes_on
    )


def read_replies(raw: bytes, requests: list[Request]) -> list[Reply]:
    """Cut *raw* into answers; those to HEAD requests have no body."""
    replies: list[Reply] = []
    raw = raw.lstrip(b"\r\n")
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        found = _STATUS.match(head + b"\r\n")
        size = _LENGTH.search(head + b"\r\n")
        assert end, raw
        assert found, raw
        assert size, raw
        number = len(replies)
        bodyless = number < len(requests) and requests[number].method == b"HEAD"
        length = 0 if bodyless else int(size.group(1))
        replies.append(
            Reply(status=int(found.group(1)), headers=head, body=rest[:length])
        )
        assert len(rest) >= length
        raw = rest[length:].lstrip(b"\r\n")
    return replies
