"""What Twisted's transports have in common, and what they do not tell by themselves."""

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IPushProducer,
    ITCPTransport,
    ITransport,
)


class ISocket(ITCPTransport, IConsumer, IPushProducer):
    """A stream transport as it is: TCP, TLS and Unix sockets all do these."""


def host_of(address: IAddress | None) -> str:
    """Return the IP address of a peer, or `unix`."""
    if isinstance(address, IPv4Address | IPv6Address):
        return address.host
    return "unix"


def unsent_bytes(transport: ITransport) -> int:
    """
    Return how much of what was written to *transport* the kernel has not taken.

    Twisted keeps that to itself: a transport without these fields counts as empty.
    """
    under = getattr(transport, "transport", None) or transport
    waiting = len(getattr(under, "dataBuffer", b"")) - getattr(under, "offset", 0)
    return int(waiting + getattr(under, "_tempDataLen", 0))
