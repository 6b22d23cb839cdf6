"""
Connects to a host, but only where the operator lets connections go.

The name is looked up once, and what is connected to is one of the addresses that
came out of it and were looked at: a second look-up might lead somewhere else.
"""

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from byok.upstream.reach import AddressRefused, Place, Reach, place_of


@implementer(IStreamClientEndpoint)
class CheckedEndpoint:
    """
    Connects to *host*, by whichever of its addresses within *reach* answers first.

    Addresses out of reach are passed over. Where there are no others, connecting
    fails with AddressRefused.
    """

    def __init__(
        self, reactor: Any, host: str, port: int, *, reach: Reach, timeout_s: float
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._reach = reach
        self._timeout_s = timeout_s

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; the first of several addresses that answers is used."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        within = Within(self._reactor, self._reach)
        endpoint = HostnameEndpoint(
            within, self._host, self._port, timeout=self._timeout_s
        )
        try:
            return await endpoint.connect(factory)
        except DNSLookupError as error:
            if within.refused:
                raise AddressRefused(frozenset(within.refused)) from error
            raise


@implementer(IReactorPluggableNameResolver)
class Within:
    """As much of a reactor as connecting takes, in which nothing is out of reach."""

    def __init__(self, reactor: Any, reach: Reach) -> None:
        self._reactor = reactor
        self._reach = reach
        self.refused: set[Place] = set()
        self.callLater = reactor.callLater
        self.seconds = reactor.seconds
        self.nameResolver: IHostnameResolver = _Permitted(
            reactor.nameResolver, self._is_permitted
        )

    def connectTCP(self, host: str, *rest: Any, **options: Any) -> Any:
        """Connect to an address, after a last look at it."""
        if not self._is_permitted(host):
            raise AddressRefused(frozenset(self.refused))
        return self._reactor.connectTCP(host, *rest, **options)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Refuse: the reactor's own is asked."""
        raise NotImplementedError

    def _is_permitted(self, host: str) -> bool:
        place = place_of(host)
        if self._reach.covers(place):
            return True
        if place is not None:
            self.refused.add(place)
        return False


@implementer(IHostnameResolver)
class _Permitted:
    """Asks another resolver, and tells only of the addresses that are permitted."""

    def __init__(
        self, resolver: IHostnameResolver, permits: Callable[[str], bool]
    ) -> None:
        self._resolver = resolver
        self._permits = permits

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Look *hostName* up."""
        return self._resolver.resolveHostName(
            _Sieve(resolutionReceiver, self._permits),
            hostName,
            portNumber,
            addressTypes,
            transportSemantics,
        )


@implementer(IResolutionReceiver)
class _Sieve:
    """Passes permitted addresses on, both families in turns."""

    def __init__(
        self, receiver: IResolutionReceiver, permits: Callable[[str], bool]
    ) -> None:
        self._receiver = receiver
        self._permits = permits
        self._found: list[IPv4Address | IPv6Address] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        if isinstance(address, IPv4Address | IPv6Address) and self._permits(
            address.host
        ):
            self._found.append(address)

    def resolutionComplete(self) -> None:
        for address in _in_turns(self._found):
            self._receiver.addressResolved(address)
        self._receiver.resolutionComplete()


def _in_turns(
    found: Sequence[IPv4Address | IPv6Address],
) -> list[IPv4Address | IPv6Address]:
    """
    Put the families in turns, the one that was named first at the beginning.

    They are tried a moment after each other, so that several dead addresses of one
    family do not keep the other one waiting (RFC 8305, section 4).
    """
    first = [each for each in found if type(each) is type(found[0])]
    others = [each for each in found if type(each) is not type(found[0])]
    pairs = chain.from_iterable(zip_longest(first, others))
    return [each for each in pairs if each is not None]
