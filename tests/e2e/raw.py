"""A client that speaks bytes: it sends what it is told and keeps what it gets."""

from dataclasses import dataclass
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from typing import cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.support.moments import Moment
from tests.support.provider import ISocket

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer as it arrived; `body` without the chunks, if it was chunked."""

    status: int
    reason: str
    headers: Pairs
    body: bytes
    complete: bool

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def names(self) -> set[str]:
        return {key.lower() for key, _ in self.headers}


class RawClient(Protocol):
    """One connection to the gateway."""

    transport: ISocket

    def __init__(self) -> None:
        self.received = bytearray()
        self.closed: Moment[None] = Moment()
        self.reset = False
        self._waiting: list[tuple[bytes, int, Deferred[None]]] = []

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        for waiting in list(self._waiting):
            marker, count, deferred = waiting
            if self.received.count(marker) >= count:
                self._waiting.remove(waiting)
                deferred.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reset = reason.check(ConnectionLost) is not None
        self.closed.happen(None)
        waiting, self._waiting = self._waiting, []
        for marker, _, deferred in waiting:
            deferred.errback(AssertionError(f"closed before {marker!r} came"))

    def until(self, marker: bytes, count: int = 1) -> Deferred[None]:
        """Wait until *marker* has come *count* times."""
        deferred: Deferred[None] = Deferred()
        self._waiting.append((marker, count, deferred))
        self.dataReceived(b"")
        return deferred

    async def end(self) -> Answer:
        """Wait for the connection to be closed; return the answer that came."""
        await self.closed.wait()
        return self.answer()

    def answer(self, method: str = "POST") -> Answer:
        """Read what has come so far as one answer."""
        return read_answer(bytes(self.received), method)


class _Bytes:
    """What `http.client` needs of a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> BytesIO:
        return BytesIO(self._raw)


def read_answer(raw: bytes, method: str = "POST") -> Answer:
    """Take one answer off *raw*; `complete` says whether its framing was closed."""
    response = HTTPResponse(cast("object", _Bytes(raw)), method=method)  # type: ignore[arg-type]
    response.begin()
    try:
        body, complete = response.read(), True
    except IncompleteRead as error:
        body, complete = error.partial, False
    return Answer(
        status=response.status,
        reason=response.reason,
        headers=tuple(response.getheaders()),
        body=body,
        complete=complete,
    )


def request(
    target: str = "/v1/messages?beta=true",
    *,
    method: str = "POST",
    headers: Pairs = (),
    body: bytes = b"",
    close: bool = True,
    version: str = "1.1",
) -> bytes:
    """Write a request."""
    lines = [f"{method} {target} HTTP/{version}", "Host: gateway.test"]
    lines += [f"{name}: {value}" for name, value in headers]
    if close:
        lines.append("Connection: close")
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def connect(port: int) -> RawClient:
    """Open a connection to the gateway at *port*."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    factory = Factory.forProtocol(RawClient)
    factory.noisy = False
    return cast(RawClient, await endpoint.connect(factory))
