"""Clients that are slow at something, on a clock of the test's own."""

import pytest

from byok.wire.limits import ServerLimits
from byok.wire.request import ServerRequest
from tests.wire.serving import Server, reply
from tests.wire.sockets import Socket, TCPSocket, bytewise

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITS = ServerLimits()


def post(size: int, *lines: bytes) -> bytes:
    length = b"Content-Length: %d" % size
    return b"\r\n".join((b"POST / HTTP/1.1", b"Host: a", length, *lines, b"", b""))


def statuses(socket: Socket) -> list[int]:
    parts = bytes(socket.taken).split(b"HTTP/1.1 ")[1:]
    return [int(part[:3]) for part in parts]


def test_a_byte_a_second_does_not_extend_the_time_for_a_head():
    server = Server()
    socket = server.connect()
    for byte in bytewise(GET)[:9]:
        server.pass_time(1, socket)
        socket.receive(byte)
    assert not socket.taken

    server.pass_time(1.25, socket)

    assert statuses(socket) == [408]
    assert not server.started


def test_a_head_that_takes_almost_all_its_time_is_served():
    server = Server()
    socket = server.connect()
    socket.receive(GET[:-1])
    server.pass_time(LIMITS.head_s - 0.25, socket)
    socket.receive(GET[-1:])

    assert statuses(socket) == [200]


def test_a_connection_that_never_says_anything_is_ended():
    server = Server()
    socket = server.connect()

    server.pass_time(LIMITS.head_s + LIMITS.linger_s + 0.5, socket)

    assert socket.is_over
    assert not server.serving.open_connections


def test_a_kept_connection_is_closed_when_it_was_idle_for_long():
    server = Server()
    socket = server.connect()
    socket.receive(GET)
    server.pass_time(LIMITS.idle_s - 0.25, socket)
    assert not socket.is_over

    server.pass_time(0.25, socket)

    assert socket.is_over
    assert not socket.is_aborted
    assert statuses(socket) == [200]


def test_the_first_byte_after_an_idle_time_starts_the_time_for_a_head():
    server = Server()
    socket = server.connect()
    socket.receive(GET)
    server.pass_time(LIMITS.idle_s - 1, socket)
    socket.receive(b"\r")
    server.pass_time(LIMITS.head_s - 0.25, socket)
    assert statuses(socket) == [200]

    server.pass_time(0.25, socket)

    assert statuses(socket) == [200, 408]


def test_a_client_that_left_its_last_answer_half_read_is_reset_when_idle():
    server = Server()
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(GET)
    server.pass_time(LIMITS.idle_s, socket)

    assert socket.is_aborted


@pytest.mark.parametrize(
    ("rate", "expected"), [(600, [200]), (500, [200]), (499, [408]), (100, [408])]
)
def test_a_body_may_be_slow_but_not_slower_than_the_least_rate(rate, expected):
    server = Server()
    socket = server.connect()
    size = rate * 60
    socket.receive(post(size))
    for _ in range(60):
        socket.receive(bytes(rate))
        server.pass_time(1, socket)

    assert statuses(socket) == expected
    assert len(server.requests) == (expected == [200])


def test_a_slow_body_is_refused_only_after_the_grace():
    server = Server()
    socket = server.connect()
    socket.receive(post(5))
    server.pass_time(LIMITS.body_grace_s - 0.25, socket)
    assert not socket.taken

    server.pass_time(0.25, socket)

    assert statuses(socket) == [408]


def test_a_slow_chunked_body_is_measured_without_its_framing():
    server = Server()
    socket = server.connect()
    socket.receive(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(25):
        for _ in range(20):
            socket.receive(b"1;" + b"x" * 50 + b"\r\na\r\n")
        server.pass_time(1, socket)

    assert statuses(socket) == [408]


def test_a_client_is_not_slow_while_it_waits_for_leave_to_send():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    socket = server.connect()
    socket.receive(post(5, b"Expect: 100-continue"))
    server.pass_time(LIMITS.body_grace_s * 2, socket)
    server.handle(held[0])
    assert socket.taken == b"HTTP/1.1 100 Continue\r\n\r\n"

    server.pass_time(LIMITS.body_grace_s - 0.5, socket)
    socket.receive(b"abcde")

    assert statuses(socket) == [100, 200]


def answering(size: int) -> Server:
    """A server that answers with *size* bytes."""

    def answer(request: ServerRequest) -> None:
        reply(request, 200, bytes(size))

    return Server(handler=answer)


def test_a_client_that_stops_reading_is_cut_off():
    server = answering(100_000)
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(GET)
    server.pass_time(LIMITS.stall_s - 0.25, socket)
    assert not socket.is_over

    server.pass_time(0.5, socket)

    assert socket.is_aborted
    assert not server.serving.open_connections


def test_a_client_that_stops_reading_in_mid_answer_is_said_to_have_stalled():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(GET)
    held[0].respond(200, ())
    held[0].write(bytes(100_000))

    server.pass_time(LIMITS.stall_s + 0.25, socket)

    assert socket.is_aborted
    assert held[0].gone
    assert held[0].gone_because == "client stalled"


def test_a_client_that_reads_slowly_but_steadily_is_not_cut_off():
    server = answering(100_000)
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(GET)
    for _ in range(20):
        server.pass_time(LIMITS.stall_s - 1, socket)
        assert not socket.is_aborted
        socket.take(100)
    socket.reads = True
    socket.take()

    assert len(socket.taken) > 100_000
    assert not socket.is_over


def test_an_answer_that_grows_does_not_hide_that_it_is_read():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(GET)
    held[0].respond(200, ())
    held[0].write(bytes(100_000))
    for _ in range(20):
        server.pass_time(LIMITS.stall_s - 1, socket)
        assert not socket.is_aborted
        held[0].write(bytes(200))
        socket.take(100)


def test_an_answer_that_grows_does_not_hide_that_it_is_not_read():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(GET)
    held[0].respond(200, ())
    held[0].write(bytes(100_000))
    for _ in range(int(LIMITS.stall_s) + 1):
        server.pass_time(1, socket)
        held[0].write(bytes(200))

    assert socket.is_aborted
    assert held[0].gone_because == "client stalled"


def test_a_refused_client_that_reads_slowly_has_its_time_to_go():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(post(10))
    reply(held[0], 413, bytes(100_000))
    server.pass_time(LIMITS.linger_s * 2, socket)
    assert not socket.is_over

    socket.take()
    server.pass_time(LIMITS.linger_s - 0.25, socket)
    assert not socket.is_over
    server.pass_time(0.5, socket)
    assert socket.is_aborted


def test_a_closed_connection_whose_client_does_not_read_is_reset():
    server = answering(10_000)
    socket = server.connect(TCPSocket(reads=False))
    socket.receive(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    server.pass_time(LIMITS.stall_s - 0.25, socket)
    assert not socket.is_over

    server.pass_time(0.5, socket)

    assert socket.is_aborted


def test_no_deadline_runs_while_the_handler_is_at_work():
    held: list[ServerRequest] = []
    server = Server(handler=held.append)
    socket = server.connect()
    socket.receive(GET)
    server.pass_time(3600, socket, step=60)

    reply(held[0], 200, b"late")

    assert statuses(socket) == [200]
