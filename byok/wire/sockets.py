"""What Twisted's transports have in common, and what they do not tell by themselves."""

from select import POLLIN, poll
from socket import MSG_PEEK
from typing import cast

from OpenSSL import SSL
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IPushProducer,
    ISystemHandle,
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


def number_of(transport: ITransport) -> int | None:
    """Return the file descriptor of the socket under *transport*, if there is one."""
    fileno = getattr(transport, "fileno", None)
    return None if fileno is None else int(fileno())


def has_news(number: int) -> bool:
    """
    Has the peer of the socket *number* closed, or sent what was not read yet?

    The kernel is asked, which knows before the reactor comes round to tell.
    """
    watch = poll()
    watch.register(number, POLLIN)
    return bool(watch.poll(0))


def has_unread_record(transport: ITransport) -> bool:
    """Has the peer closed TLS, or sent under it what was read and not given on yet?"""
    try:
        handle = cast(ISystemHandle, transport).getHandle()
        cast(SSL.Connection, handle).recv(1, MSG_PEEK)
    except SSL.WantReadError:
        return False
    except SSL.Error:
        return True
    return True


def unsent_bytes(transport: ITransport) -> int:
    """
    Return how much of what was written to *transport* the kernel has not taken.

    Twisted keeps that to itself: a transport without these fields counts as empty.
    """
    under = getattr(transport, "transport", None) or transport
    waiting = len(getattr(under, "dataBuffer", b"")) - getattr(under, "offset", 0)
    return int(waiting + getattr(under, "_tempDataLen", 0))
