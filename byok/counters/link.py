"""
One connection to the server of counters, which is made again for as long as it takes.

What is asked of it is answered within a fifth of a second or not at all: whoever
waits is a developer's request. An answer that is late ends the connection, since all
that was asked behind it would be late as well.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from OpenSSL.SSL import Error as TLSError
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IReactorTime
from twisted.internet.ssl import (
    Certificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure

from byok.core.counters import CountersAddress
from byok.core.errors import CountersUnavailable
from byok.counters.scripts import SCRIPTS, Script

ANSWER_S = 0.18
_CONNECT_S = 2.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 1.0
_MOST_DOUBLINGS = 5
_TURNS = 10


class Link:
    """
    The connection: *made* is called when there is one, *lost* when there is none.

    *made* is not called again before *lost*. Raises CountersUnavailable where what
    it is built with is not installed.
    """

    def __init__(
        self,
        address: CountersAddress,
        *,
        reactor: Any,
        made: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        if find_spec("txredisapi") is None:
            raise CountersUnavailable(
                "counters: Valkey needs a client that is not installed."
                " Run: pip install 'byok[valkey]'"
            )
        self._address = address
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._made = made
        self._lost = lost
        self._prefix = b"{%b}:" % address.prefix.encode()
        self._api: Any = None
        self._factory: Any = None
        self._connection: Any = None
        self.trouble = ""
        self.failures = 0

    def start(self) -> None:
        """Begin to connect."""
        # It is not needed by those who have one gateway, and is not there for all.
        self._api = import_module("txredisapi")
        address = self._address
        factory = _factory_class(self._api, self)
        self._factory = factory(
            address.shown,
            address.database,
            1,
            charset=None,
            convertNumbers=False,
            username=address.user,
            password=None if address.password is None else address.password.reveal(),
        )
        self._factory.startConnecting(self._endpoint())

    async def stop(self) -> None:
        """Close it, and make no other."""
        if self._factory is not None:
            self._connection = None
            await self._factory.disconnect()

    async def load(self) -> None:
        """Let the server know every script."""
        for script in SCRIPTS:
            await self._ask("script_load", script.text)

    def run(self, script: Script, arguments: Sequence[bytes]) -> Deferred[list[bytes]]:
        """Run *script*; fails with CountersUnavailable."""
        return self._ask("evalsha", script.digest, keys=(self._prefix,), args=arguments)

    def drop(self, why: str) -> None:
        """Begin anew: the server is there, and of no use."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self.failures += 1
            self._lost(why)
            connection.transport.abortConnection()

    def _ask(self, command: str, *given: Any, **named: Any) -> Deferred[Any]:
        connection = self._connection
        if connection is None:
            return fail(CountersUnavailable(self.trouble or "it is not connected"))
        asked: Deferred[Any] = getattr(connection, command)(*given, **named)
        answered: Deferred[Any] = Deferred(lambda _: None)
        late = self._clock.callLater(ANSWER_S, self._late, connection, answered, _TURNS)

        def take(found: Any) -> None:
            if late.active():
                late.cancel()
            if not answered.called:
                answered.callback(found)

        def explain(failure: Failure) -> None:
            why = _words(failure)
            # What the server said no to, it will say no to again.
            if (
                failure.check(self._api.ResponseError)
                and self._connection is connection
            ):
                self.drop(why)
            take(Failure(CountersUnavailable(why)))

        asked.addCallbacks(take, explain)
        return answered

    def _late(self, connection: Any, answered: Deferred[Any], turns: int) -> None:
        if answered.called:
            return
        if turns:
            # Where this process was what was slow, the answer is there to be read.
            self._clock.callLater(0, self._late, connection, answered, turns - 1)
            return
        why = f"it did not answer within {ANSWER_S} s"
        if self._connection is connection:
            self.drop(why)
        answered.errback(CountersUnavailable(why))

    def _endpoint(self) -> Any:
        address = self._address
        endpoint = HostnameEndpoint(
            self._reactor, address.host, address.port, timeout=_CONNECT_S
        )
        if not address.secure:
            return endpoint
        trusted = None
        if address.ca_pem is not None:
            trusted = trustRootFromCertificates([Certificate.loadPEM(address.ca_pem)])
        return wrapClientTLS(
            optionsForClientTLS(address.host, trustRoot=trusted), endpoint
        )

    # What the factory tells.

    def has(self, connection: Any) -> None:
        """Take up a connection that was made and let in."""
        if connection.connected and self._connection is None:
            self._connection, self.trouble = connection, ""
            self._made()

    def has_not(self, connection: Any) -> None:
        """Note that a connection is gone."""
        if connection is self._connection:
            self._connection = None
            self._lost("the connection broke")

    def refused(self, why: str) -> None:
        """Note that the server did not let us in."""
        self.failures += 1
        self.trouble = why

    def wait_s(self) -> float:
        """Return the seconds until the next attempt."""
        doublings = min(self.failures, _MOST_DOUBLINGS)
        wait_s: float = _FIRST_WAIT_S * 2**doublings
        return min(_LONGEST_WAIT_S, wait_s)


def _factory_class(api: Any, link: Link) -> Any:
    class Factory(api.RedisFactory):  # type: ignore[misc]
        """Connects for ever, and tells the link."""

        def buildProtocol(self, addr: Any) -> Any:
            made = super().buildProtocol(addr)
            made.whenConnected().addCallback(
                # Not while the reactor is in the middle of it.
                lambda _: link._clock.callLater(0, link.has, made)  # noqa: SLF001
            )
            made.whenDisconnected().addCallback(lambda _: link.has_not(made))
            return made

        def stopTrying(self) -> Deferred[None]:
            # A wrong password may be put right on the other side.
            return succeed(None)

        def connectionError(self, why: str) -> None:
            link.refused("it does not let us in: " + why.rpartition(": ")[2])

        def retryDelay(self, attempt: int) -> float:
            if attempt > 1:
                link.failures += 1
            return link.wait_s()

    return Factory


def _words(failure: Failure) -> str:
    if failure.check(CancelledError, TLSError):
        return "the connection broke"
    return str(failure.value).strip() or "the connection broke"
