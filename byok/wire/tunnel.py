"""
A connection through an HTTP proxy, which is asked for it with CONNECT.

The proxy's answer is read as far as its head. What comes behind that is the other
end's, so there must be nothing yet: whoever connects through a tunnel speaks first.
"""

import re
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from byok.wire.errors import TunnelBroken, TunnelRefused, TunnelUnreachable
from byok.wire.heads import is_clean
from byok.wire.sockets import ISocket

_MAX_HEAD_BYTES = 16 * 1024
_MAX_INTERIM = 16
_BEGINNING = b"HTTP/1."
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: .*)?")
_SWITCHING = 101
_INTERIM, _SUCCESS = range(100, 200), range(200, 300)


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """
    Connects to *authority* (`host:port`) through the proxy that *proxy* connects to.

    *authorization* is asked each time for what to show the proxy, if anything. Fails
    with TunnelUnreachable where there is no connection to the proxy, TunnelRefused
    where it opens no tunnel, and TunnelBroken where it does not answer as a proxy does.
    """

    def __init__(
        self,
        proxy: IStreamClientEndpoint,
        authority: bytes,
        *,
        authorization: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self._proxy = proxy
        self._authority = authority
        self._authorization = authorization

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; a protocol is made once the tunnel is open."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        tunnel = _Tunnel(factory, self._head())
        try:
            await self._proxy.connect(_Dig(tunnel))
        except CancelledError:
            raise
        except Exception as error:
            raise TunnelUnreachable(error) from error
        return await tunnel.open

    def _head(self) -> bytes:
        lines = [
            b"CONNECT %s HTTP/1.1" % self._authority,
            b"host: %s" % self._authority,
        ]
        shown = self._authorization()
        if shown is not None:
            lines.append(b"proxy-authorization: %s" % shown)
        head = b"\r\n".join([*lines, b"", b""])
        if not is_clean(head) or head.count(b"\n") != len(lines) + 1:
            raise ValueError("what is shown to a proxy holds a control byte")
        return head


class _Dig(Factory):
    """Makes the one protocol of one connection to a proxy."""

    noisy = False

    def __init__(self, tunnel: "_Tunnel") -> None:
        self._tunnel = tunnel

    def buildProtocol(self, addr: IAddress | None) -> "_Tunnel":  # noqa: ARG002
        return self._tunnel


class _Tunnel(Protocol):
    """Asks for a tunnel, then stands aside for the protocol that uses it."""

    def __init__(self, factory: IProtocolFactory, head: bytes) -> None:
        self._factory = factory
        self._head = head
        self._answer = b""
        self._interim = 0
        self._inner: IProtocol | None = None
        self.open: Deferred[IProtocol] = Deferred(self._cancelled)

    def connectionMade(self) -> None:
        """Ask for the tunnel."""
        head, self._head = self._head, b""
        self._transport().write(head)

    def dataReceived(self, data: bytes) -> None:
        """Read the proxy's answer, or give on what is for the other end."""
        if self._inner is not None:
            self._inner.dataReceived(data)
        elif not self.open.called:
            self._answer += data
            self._read()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell who uses the tunnel, or waits for it."""
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self.open.called:
            self.open.errback(TunnelBroken("it closed the connection"))

    def _read(self) -> None:
        while not self.open.called:
            head, end, rest = self._answer.partition(b"\r\n\r\n")
            beginning = head[: len(_BEGINNING)]
            if len(head) > _MAX_HEAD_BYTES or not _BEGINNING.startswith(beginning):
                self._give_up(TunnelBroken("it does not speak HTTP"))
            elif end:
                self._answer = rest
                self._read_head(head)
            else:
                return

    def _read_head(self, head: bytes) -> None:
        found = _STATUS.fullmatch(head.partition(b"\r\n")[0])
        status = int(found[1]) if found else 0
        if not status:
            self._give_up(TunnelBroken("it does not speak HTTP"))
        elif status in _INTERIM and status != _SWITCHING:
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                self._give_up(TunnelBroken("it does not come to an answer"))
        elif status not in _SUCCESS:
            self._give_up(TunnelRefused(status))
        elif self._answer:
            self._give_up(TunnelBroken("it sent more than its answer"))
        else:
            self._stand_aside()

    def _stand_aside(self) -> None:
        inner = self._factory.buildProtocol(self._transport().getPeer())
        if inner is None:
            self._give_up(NoProtocol())
            return
        self._inner = inner
        inner.makeConnection(self._transport())
        self.open.callback(inner)

    def _cancelled(self, _: object) -> None:
        self._transport().abortConnection()

    def _give_up(self, because: Exception) -> None:
        self.open.errback(because)
        self._transport().abortConnection()

    def _transport(self) -> ISocket:
        return cast(ISocket, self.transport)
