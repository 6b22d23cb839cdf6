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
from twisted.internet.tcp import Connection


class ISocket(ITCPTransport, IConsumer, IPushProducer):
    """A stream transport as it is: TCP, TLS and Unix sockets all do these."""


def send_now(transport: ISocket, data: bytes) -> None:
    """
    Write *data*, at once where nothing waits before it.

    A transport of Twisted sends when its reactor comes round to it, which costs two
    calls of the system and a turn more. Only a socket that is a TCP or Unix one
    itself is written to: what stands in a TLS transport's name is encrypted there.
    """
    if (
        isinstance(transport, Connection)
        and transport.connected
        and not (
            transport.TLS
            or transport.disconnecting
            or transport.dataBuffer
            or transport._tempDataBuffer  # noqa: SLF001 - see unsent_bytes
            or transport._writeDisconnecting  # noqa: SLF001
            or transport._writeDisconnected  # noqa: SLF001
        )
    ):
        try:
            sent = transport.socket.send(data)
        except OSError:
            # Nothing fits in, or nobody is there: the transport will find out which.
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    transport.write(data)


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
