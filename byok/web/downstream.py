"""
The client's side of an exchange: one small Protocol, and twisted.web behind it.

Everything that answers a client speaks `Downstream`, so that what carries HTTP
underneath can be replaced without touching an exchange.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Protocol, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from byok.core.body import MAX_BODY_BYTES
from byok.core.facts import Headers

CUT_GRACE_S = 5.0
"""How long a client may take to read what came before a cut."""


class Downstream(Protocol):
    """One request of a client, and the way to answer it once."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    peer: str
    too_large: bool

    @property
    def gone(self) -> bool:
        """Has the client hung up, or have we cut it off?"""

    @property
    def responded(self) -> bool:
        """Has an answer begun?"""

    def respond(self, status: int, headers: Headers) -> None:
        """Send status and headers, with the standard reason phrase."""

    def write(self, data: bytes) -> None:
        """Send a part of the body."""

    def finish(self) -> None:
        """End the answer as complete."""

    def abort(self) -> None:
        """End the answer so that the client can tell it is incomplete."""

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call *callback* once if the client hangs up before the answer ended."""

    def register_producer(self, producer: IPushProducer) -> None:
        """Pause *producer* whenever the client reads slower than it produces."""

    def unregister_producer(self) -> None:
        """Stop steering the registered producer."""


class BoundedBody(BytesIO):
    """
    Holds a request body in memory, up to a limit and never on disk.

    Behind the limit the bytes are dropped and only remembered as `too_large`;
    they are still read, because a client that is cut off in mid-upload sees a
    reset connection and not the reason.
    """

    def __init__(self, limit_bytes: int) -> None:
        super().__init__()
        self._limit_bytes = limit_bytes
        self.too_large = False

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Keep *data* unless it is over the limit."""
        if self.too_large:
            return len(data)
        if self.tell() + len(data) > self._limit_bytes:
            self.too_large = True
            self.seek(0)
            self.truncate()
            return len(data)
        return super().write(data)


class WebDownstream:
    """`Downstream` over a twisted.web request."""

    def __init__(self, request: Request, *, clock: IReactorTime) -> None:
        self._request = request
        self._clock = clock
        self._ended = False
        self._watchers: list[Callable[[], None]] = []
        self.gone = False
        self.responded = False
        self.method: bytes = request.method
        self.target: bytes = request.uri
        self.headers: Headers = tuple(
            (name.lower(), value)
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        )
        content = request.content
        self.too_large = isinstance(content, BoundedBody) and content.too_large
        self.body: bytes = content.getvalue() if content is not None else b""
        self.peer = _host_of(request.getClientAddress())
        request.notifyFinish().addErrback(self._lost)

    def respond(self, status: int, headers: Headers) -> None:
        """Send status and headers, with the standard reason phrase."""
        if self.responded:
            raise RuntimeError("an exchange is answered once")
        self.responded = True
        if self.gone:
            return
        request = self._request
        # Nothing is put beside the headers given; the empty write sends them
        # now, ahead of a body that may be minutes away.
        request.defaultContentType = None
        request.setResponseCode(status)
        for name, value in headers:
            request.responseHeaders.addRawHeader(name, value)
        request.write(b"")

    def write(self, data: bytes) -> None:
        """Send a part of the body."""
        if not self.gone:
            self._request.write(data)

    def finish(self) -> None:
        """End the answer as complete."""
        if self.gone or self._ended:
            return
        self._ended = True
        self._request.finish()

    def abort(self) -> None:
        """
        End the answer so that the client can tell it is incomplete.

        What the provider sent before the cut is still delivered where the
        framing shows the cut by itself; an answer that the closing connection
        would seem to complete has to be reset.
        """
        if self.gone or self._ended:
            return
        self._ended = self.gone = True
        channel = self._request.channel
        transport = cast(ITCPTransport, channel.transport)
        shows_cut = self._request.chunked or self._request.responseHeaders.hasHeader(
            b"content-length"
        )
        if not shows_cut:
            transport.abortConnection()
            return
        late = self._clock.callLater(CUT_GRACE_S, transport.abortConnection)
        self._watchers = [lambda: late.cancel() if late.active() else None]
        channel.loseConnection()

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call *callback* once if the client hangs up before the answer ended."""
        self._watchers.append(callback)

    def register_producer(self, producer: IPushProducer) -> None:
        """Pause *producer* whenever the client reads slower than it produces."""
        if not self.gone:
            self._request.registerProducer(producer, streaming=True)

    def unregister_producer(self) -> None:
        """Stop steering the registered producer."""
        # twisted.web has no channel left to unregister from once it is lost.
        if not self.gone:
            self._request.unregisterProducer()

    def _lost(self, _: object) -> None:
        self.gone = True
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher()


class GatewayRequest(Request):
    """A twisted.web request that goes to the site's handler, not to resources."""

    site: "GatewaySite"

    def process(self) -> None:
        """Hand the complete request over."""
        self.site = self.channel.site  # type: ignore[attr-defined]
        self.site.handler(WebDownstream(self, clock=self.site.reactor))


class GatewaySite(Site):
    """
    Listens for HTTP/1.1 and nothing else.

    Forms are not parsed, bodies stay in memory under a limit, and twisted's
    access log is off: it writes whole URLs, and ours knows more.
    """

    # Names the channel itself: the generic one would offer HTTP/2 where the
    # package for it happens to be installed.
    protocol = HTTPChannel  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        handler: Callable[[Downstream], None],
        *,
        reactor: IReactorTime,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        super().__init__(
            Resource(),
            requestFactory=GatewayRequest,
            parsePOSTFormSubmission=False,
            reactor=reactor,
        )
        self.handler = handler
        self._max_body_bytes = max_body_bytes

    def getContentFile(self, length: int | None) -> BoundedBody:  # noqa: ARG002
        """Give the channel a place to put one request's body."""
        return BoundedBody(self._max_body_bytes)

    def acceptableProtocols(self) -> list[bytes]:
        """Offer a TLS client nothing but HTTP/1.1."""
        return [b"http/1.1"]

    def log(self, request: object) -> None:
        """Write nothing: the exchange has its own access line."""


def _host_of(address: IAddress) -> str:
    if isinstance(address, IPv4Address | IPv6Address):
        return address.host
    return "unix"
