"""
The agent under treq: sends exactly what was approved, shows treq nothing else.

treq wraps every agent in three of its own, which add an Accept-Encoding, keep
cookies and decode bodies. This one takes no header from above and gives none
back, so none of them finds anything to do; the exchange reads the answer from
the agent itself.
"""

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime, ITCPTransport
from twisted.web._newclient import HTTP11ClientProtocol, HTTPClientParser, Request
from twisted.web.client import HTTPConnectionPool
from twisted.web.http_headers import Headers as WebHeaders
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from byok.core.facts import Headers
from byok.upstream.connection import until_given_up
from byok.upstream.faults import not_connected
from byok.upstream.link import Link
from byok.upstream.outgoing import Outgoing


@implementer(IResponse)
class ProviderAnswer:
    """
    An answer's status and headers, its body still on the way.

    `fields` are the headers in lower case without framing, `nominated` the names
    its Connection line made hop-by-hop. `headers`, which treq looks at, is empty.
    """

    def __init__(
        self,
        response: IResponse,
        *,
        nominated: frozenset[bytes],
        abort: Callable[[], None],
    ) -> None:
        self._response = response
        self._abort = abort
        self.nominated = nominated
        self.status: int = response.code
        self.fields: Headers = tuple(
            (name.lower(), value)
            for name, values in response.headers.getAllRawHeaders()
            for value in values
        )
        self.length_bytes: int | None = (
            None if response.length is UNKNOWN_LENGTH else int(response.length)
        )
        self.version = response.version
        self.code = response.code
        self.phrase = b""
        self.headers = WebHeaders()
        self.length = response.length
        self.request = None
        self.previousResponse = None

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to *protocol*, at the pace it asks for."""
        self._response.deliverBody(protocol)

    def setPreviousResponse(self, response: IResponse) -> None:
        """Do nothing: there is none where no redirect is followed."""

    def abort(self) -> None:
        """Drop the connection if this answer is still arriving on it."""
        self._abort()


@implementer(IAgent)
class ExchangeAgent:
    """Sends one approved request over one link."""

    def __init__(
        self,
        outgoing: Outgoing,
        *,
        link: Link,
        pool: HTTPConnectionPool,
        clock: IReactorTime,
    ) -> None:
        self._outgoing = outgoing
        self._link = link
        self._pool = pool
        self._clock = clock
        self.answer: ProviderAnswer | None = None

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: WebHeaders | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send the approved request; only the body's producer is taken from above."""
        del method, uri, headers
        return Deferred.fromCoroutine(self._send(bodyProducer))

    async def _send(self, body: IBodyProducer | None) -> IResponse:
        link = self._link
        connecting = self._pool.getConnection(link.key, link.endpoint).addTimeout(
            link.connect_timeout_s, self._clock, onTimeoutCancel=not_connected
        )
        connection = await until_given_up(connecting)
        arriving = connection.request(self._lines(body))
        parser = connection._parser  # noqa: SLF001 - see _nominated
        response = await arriving
        self.answer = ProviderAnswer(
            response,
            nominated=_nominated(parser),
            abort=lambda: _abort(connection, parser),
        )
        return self.answer

    def _lines(self, body: IBodyProducer | None) -> Request:
        lines = WebHeaders()
        for name, value in self._outgoing.headers:
            lines.addRawHeader(name, value)
        return Request(
            self._outgoing.method, self._outgoing.target, lines, body, persistent=True
        )


def _nominated(parser: HTTPClientParser | None) -> frozenset[bytes]:
    # twisted hides connection headers from the response; only its parser has them.
    lines = (
        () if parser is None else parser.connHeaders.getRawHeaders(b"connection", ())
    )
    return frozenset(
        token.strip().lower() for line in lines for token in line.split(b",")
    )


def _abort(connection: HTTP11ClientProtocol, parser: HTTPClientParser | None) -> None:
    # Once the answer is complete the connection may carry somebody else's.
    if parser is not None and connection._parser is parser:  # noqa: SLF001
        # The first keeps it out of the pool even if the rest of the answer is read
        # in this very turn; the second does not wait for what is still unsent.
        connection.abort()
        cast(ITCPTransport, connection.transport).abortConnection()
