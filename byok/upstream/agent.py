"""
The agent under treq: sends exactly what was approved, shows treq nothing else.

treq wraps every agent in three of its own, which add an Accept-Encoding, keep
cookies and decode bodies. This one takes no header from above and gives none
back, so none of them finds anything to do; the exchange reads the answer from
the agent itself.
"""

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers as WebHeaders
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from byok.upstream.link import Link
from byok.upstream.outgoing import Outgoing
from byok.wire.answer import Answer
from byok.wire.pool import Pool


@implementer(IAgent)
class ExchangeAgent:
    """Sends one approved request over one link."""

    def __init__(self, outgoing: Outgoing, *, link: Link, pool: Pool) -> None:
        self._outgoing = outgoing
        self._link = link
        self._pool = pool
        self.answer: Answer | None = None

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: WebHeaders | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send the approved request; nothing from above has a part in it."""
        del method, uri, headers, bodyProducer
        return Deferred.fromCoroutine(self._send())

    async def _send(self) -> IResponse:
        link, outgoing = self._link, self._outgoing
        connection = await self._pool.connection(
            link,
            link.endpoint,
            secure=link.is_secure,
            timeout_s=link.connect_timeout_s,
        )
        try:
            answering = connection.request(
                outgoing.method, outgoing.target, outgoing.headers, outgoing.body
            )
        except BaseException:
            # Nothing is under way on it that would end it or free it.
            connection.abort()
            raise
        self.answer = await answering
        return self.answer
