"""Connections that wait for their next request, kept apart by key."""

from collections import defaultdict, deque
from collections.abc import Hashable
from typing import Never

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from byok.wire.connection import ClientConnection
from byok.wire.deadlines import Deadlines
from byok.wire.errors import ConnectTimedOut
from byok.wire.limits import ClientLimits


class _Dial(Factory):
    """Makes the one protocol of one connection attempt."""

    noisy = False

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: object) -> ClientConnection:  # noqa: ARG002
        return self._connection


class Pool:
    """
    Lends connections, and keeps them between two requests.

    Two exchanges share a connection only under one key; whatever must not meet, an
    origin, a CA file, an owner, belongs into it. At most *kept* idle ones wait under a
    key, each for *kept_s* at the longest.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        *,
        limits: ClientLimits | None = None,
        kept: int = 64,
        kept_s: float = 50.0,
    ) -> None:
        self._deadlines = deadlines
        self._clock = deadlines.clock
        self._limits = limits or ClientLimits()
        self._kept = kept
        self._kept_s = kept_s
        self._idle: defaultdict[Hashable, deque[ClientConnection]] = defaultdict(deque)
        self._keys: dict[ClientConnection, Hashable] = {}
        self._closing: Deferred[None] | None = None

    @property
    def open_connections(self) -> int:
        """How many connections there are, lent ones included."""
        return len(self._keys)

    async def connection(
        self,
        key: Hashable,
        endpoint: IStreamClientEndpoint,
        *,
        secure: bool,
        timeout_s: float,
    ) -> ClientConnection:
        """
        Return a connection that is free, or a new one to *endpoint*.

        Raises ConnectTimedOut where it is not ready within *timeout_s*, its handshake
        included, and whatever the endpoint raises.
        """
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            if connection.is_open and not connection.drop_if_stale():
                return connection
        connection = ClientConnection(
            secure=secure,
            limits=self._limits,
            deadlines=self._deadlines,
            free=self._freed,
            lost=self._forget,
        )
        self._keys[connection] = key
        dialling = Deferred.fromCoroutine(_dial(connection, endpoint))
        dialling.addTimeout(timeout_s, self._clock, onTimeoutCancel=_too_slow)
        try:
            await _until_given_up(dialling)
        except BaseException:
            self._forget(connection)
            if connection.transport is not None:
                connection.abort()
            raise
        return connection

    def close(self) -> Deferred[None]:
        """Close what is idle, and the rest when it is free; fires after the last."""
        if self._closing is None:
            self._closing = Deferred()
        for idle in tuple(self._idle.values()):
            for connection in tuple(idle):
                connection.close()
        done: Deferred[None] = Deferred()
        if self._keys:
            self._closing.chainDeferred(done)
        else:
            done.callback(None)
        return done

    def _freed(self, connection: ClientConnection) -> None:
        key = self._keys.get(connection)
        idle = self._idle[key]
        if self._closing is not None or len(idle) >= self._kept:
            connection.close()
            return
        connection.keep_for(self._kept_s)
        idle.append(connection)

    def _forget(self, connection: ClientConnection) -> None:
        key = self._keys.pop(connection, None)
        idle = self._idle.get(key)
        if idle is not None:
            if connection in idle:
                idle.remove(connection)
            if not idle:
                del self._idle[key]
        if not self._keys and self._closing is not None and not self._closing.called:
            self._closing.callback(None)


async def _dial(connection: ClientConnection, endpoint: IStreamClientEndpoint) -> None:
    await endpoint.connect(_Dial(connection))
    await connection.ready


def _until_given_up(dialling: Deferred[None]) -> Deferred[None]:
    """
    Return what ends as *dialling* does, and in CancelledError if it is cancelled.

    Twisted's endpoints, cancelled at looking up a name, fail as if there were none.
    """

    def give_up(waiting: Deferred[None]) -> None:
        waiting.errback(CancelledError())
        dialling.cancel()

    waiting: Deferred[None] = Deferred(give_up)

    def ended(result: Failure | None) -> None:
        if waiting.called:
            return
        if isinstance(result, Failure):
            waiting.errback(result)
        else:
            waiting.callback(None)

    dialling.addBoth(ended)
    return waiting


def _too_slow(_result: object, _timeout_s: float) -> Never:
    raise ConnectTimedOut("no connection in time")
