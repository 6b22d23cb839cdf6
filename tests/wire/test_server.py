"""Connections are counted, capped, and ended in good order."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.logger import capturedLogs

from byok.wire.limits import ServerLimits
from byok.wire.request import ServerRequest
from byok.wire.server import HTTPServer
from tests.wire.serving import Server, reply
from tests.wire.sockets import Socket, TCPSocket

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def address(host: str) -> IPv4Address:
    return IPv4Address("TCP", host, 40000)


def accept(factory: HTTPServer, host: str) -> Socket | None:
    """Let *factory* take a connection from *host*, if it does."""
    channel = factory.buildProtocol(address(host))
    if channel is None:
        return None
    socket = TCPSocket(peer=host)
    socket.connect(channel)
    return socket


def test_an_address_may_have_no_more_than_its_connections():
    server = Server(ServerLimits(connections_per_ip=2))
    factory = HTTPServer(server.serving)
    first, second = accept(factory, "192.0.2.1"), accept(factory, "192.0.2.1")
    assert first
    assert second

    assert accept(factory, "192.0.2.1") is None
    assert accept(factory, "192.0.2.2") is not None

    second.lose()
    assert accept(factory, "192.0.2.1") is not None


def test_all_addresses_together_may_have_no_more_than_their_connections():
    server = Server(ServerLimits(connections=3))
    factory = HTTPServer(server.serving)
    sockets = [accept(factory, f"192.0.2.{n}") for n in range(3)]
    assert server.serving.open_connections == 3

    assert accept(factory, "192.0.2.9") is None

    assert sockets[0] is not None
    sockets[0].lose()
    assert accept(factory, "192.0.2.9") is not None


def test_a_cap_counts_the_connections_of_every_listener():
    server = Server(ServerLimits(connections=1))
    accept(HTTPServer(server.serving), "192.0.2.1")

    assert accept(HTTPServer(server.serving), "192.0.2.2") is None


def test_a_flood_of_connections_is_one_line_of_the_log():
    server = Server(ServerLimits(connections=1))
    factory = HTTPServer(server.serving)
    socket = accept(factory, "192.0.2.1")
    assert socket

    with capturedLogs() as events:
        for _ in range(100):
            accept(factory, "192.0.2.2")
        socket.lose()
        socket = accept(factory, "192.0.2.2")
        accept(factory, "192.0.2.2")

    assert len(events) == 2
    assert events[0]["most"] == 1


def test_every_kind_of_address_has_a_name():
    server = Server()
    addresses: list[tuple[IAddress | None, str]] = [
        (address("192.0.2.1"), "192.0.2.1"),
        (IPv6Address("TCP", "2001:db8::1", 1), "2001:db8::1"),
        (UNIXAddress("/run/byok"), "unix"),
        (None, "unix"),
    ]
    for each, name in addresses:
        channel = HTTPServer(server.serving).buildProtocol(each)
        assert channel
        socket = TCPSocket()
        socket.getPeer = lambda each=each: each  # type: ignore[method-assign,misc]
        socket.connect(channel)
        assert channel.peer == name


def fired(waiting: Deferred[None]) -> bool:
    return waiting.called


def test_a_server_drains_at_once_where_nobody_is_connected():
    server = Server()

    assert fired(server.serving.drain())
    assert fired(server.serving.drain())
    assert accept(HTTPServer(server.serving), "192.0.2.1") is None


def test_a_draining_server_ends_idle_connections_and_finishes_busy_ones():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    idle, fresh, busy, midhead = (server.connect() for _ in range(4))
    idle.receive(GET)
    reply(held.pop(), 200, b"")
    busy.receive(GET + GET)
    midhead.receive(GET[:10])

    drained, again = server.serving.drain(), server.serving.drain()
    for socket in (idle, fresh, busy, midhead):
        socket.settle()
    assert [each.is_over for each in (idle, fresh, busy, midhead)] == [
        True,
        True,
        False,
        False,
    ]

    reply(held.pop(), 200, b"busy")
    busy.settle()
    assert busy.is_over
    assert b"\r\nconnection: close\r\n" in busy.taken
    assert not held

    midhead.receive(GET[10:])
    reply(held.pop(), 200, b"midhead")
    assert not fired(drained)
    midhead.settle()
    assert midhead.is_over
    assert b"\r\nconnection: close\r\n" in midhead.taken
    assert fired(drained)
    assert fired(again)


def test_a_draining_server_gives_a_slow_head_no_more_than_its_time():
    server = Server()
    socket = server.connect()
    socket.receive(GET[:10])
    drained = server.serving.drain()

    server.pass_time(16, socket)

    assert socket.taken.startswith(b"HTTP/1.1 408 ")
    assert fired(drained)


def test_a_cut_ends_every_connection_at_once():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    sockets = [server.connect() for _ in range(3)]
    sockets[0].receive(GET)
    drained = server.serving.drain()

    server.serving.cut()
    for socket in sockets:
        socket.settle()

    assert sockets[0].is_aborted
    assert fired(drained)
    assert held[0].gone
