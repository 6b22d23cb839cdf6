"""
One connection to a provider, as strict as keeping it for another's request asks for.

twisted's own hands out a connection before TLS has begun on it, and keeps one on
which more came than the answer.
"""

from typing import TypeVar, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web.client import HTTPConnectionPool, _HTTP11ClientFactory
from zope.interface import implementer

T = TypeVar("T")


@implementer(IHandshakeListener)
class ProviderConnection(HTTP11ClientProtocol):
    """
    Carries requests one after the other, until something comes that nobody asked for.

    Bytes behind an answer would be taken for the beginning of the next one, which
    is somebody else's.
    """

    _is_secured = False
    _waiting: Deferred[None] | None = None

    def secured(self) -> Deferred[None]:
        """Fire when the handshake is over; cancelling it drops the connection."""
        if self._is_secured:
            return succeed(None)
        if self.state == "CONNECTION_LOST":
            return fail(ConnectionLost())
        self._waiting = Deferred(lambda _: self._give_up())
        return self._waiting

    def handshakeCompleted(self) -> None:
        """Let the connection be used."""
        self._is_secured = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Read on in the answer; where none is awaited, drop the connection."""
        if self._parser is not None:
            super().dataReceived(data)
        elif self.state == "QUIESCENT":
            self._drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell whoever waits for it, be it for an answer or for the handshake."""
        super().connectionLost(reason)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(reason)

    def _finishResponse_WAITING(self, rest: bytes) -> None:
        if rest and self._currentRequest is not None:
            self._currentRequest.persistent = False
        super()._finishResponse_WAITING(rest)

    def _give_up(self) -> None:
        # Whoever cancels is told that, and not how the connection ended.
        self._waiting = None
        self._drop()

    def _drop(self) -> None:
        # The first keeps it out of the pool at once, the second does not wait.
        self.abort()
        cast(ITCPTransport, self.transport).abortConnection()


class ConnectionFactory(_HTTP11ClientFactory):
    """Makes the pool's connections."""

    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> ProviderConnection:  # noqa: ARG002
        """Make the protocol of one connection."""
        return ProviderConnection(self._quiescentCallback)


class ConnectionPool(HTTPConnectionPool):
    """Keeps connections of ours."""

    _factory = ConnectionFactory


def until_given_up(connecting: Deferred[T]) -> Deferred[T]:
    """
    Return what comes of *connecting*, or that it was cancelled.

    A name that is being looked up, and an address that is being tried, end in words
    of their own when they are cancelled: it would read as the provider's fault.
    """
    is_given_up = False

    def give_up(_: object) -> None:
        nonlocal is_given_up
        is_given_up = True
        connecting.cancel()

    def fail_with(failure: Failure) -> None:
        if not is_given_up:
            result.errback(failure)

    result: Deferred[T] = Deferred(give_up)
    connecting.addCallbacks(result.callback, fail_with)
    return result


@implementer(IStreamClientEndpoint)
class SecuredEndpoint:
    """
    Connects by *tls*, and is not done before the handshake is.

    A limit on the time to connect then covers a server that takes the connection
    and never says a word.
    """

    def __init__(self, tls: IStreamClientEndpoint) -> None:
        self._tls = tls

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, and shake hands."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        connection = await self._tls.connect(factory)
        if isinstance(connection, ProviderConnection):
            await connection.secured()
        return connection
