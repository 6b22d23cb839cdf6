"""A server's connection: request after request, answers in order, an orderly end."""

from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from zope.interface import implementer

from byok.wire.errors import PeerGone
from byok.wire.limits import ServerLimits
from byok.wire.request import ServerRequest
from tests.wire.serving import Server, reply
from tests.wire.sockets import Socket, TCPSocket, UnixSocket

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
GET_10 = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


class Held:
    """A server whose handler leaves each request to the test."""

    def __init__(self, limits: ServerLimits | None = None) -> None:
        self.requests: list[ServerRequest] = []
        self.server = Server(limits, self.requests.append)

    def connect(self, socket: Socket | None = None) -> Socket:
        return self.server.connect(socket)


def test_a_pipelined_request_waits_until_the_one_before_is_answered():
    held = Held()
    socket = held.connect()
    socket.receive(GET + GET)
    assert len(held.requests) == 1

    reply(held.requests[0], 200, b"first")
    assert len(held.requests) == 2
    reply(held.requests[1], 200, b"second")

    assert socket.taken.index(b"first") < socket.taken.index(b"second")


def test_what_is_pipelined_beyond_a_head_waits_in_the_kernel():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    segments = 0
    while socket.is_reading and segments < 100:
        socket.receive(GET * 100)
        segments += 1
    assert segments == 7

    # A segment must not come in with each answer either.
    while not socket.is_reading:
        reply(held.requests[-1], 200, b"")
    assert len(held.requests) > 50
    assert socket.protocol is not None
    assert len(cast(Any, socket.protocol)._begun) <= 16 * 1024


def test_a_client_that_reads_no_answer_cannot_send_for_ever():
    held = Held()
    socket = held.connect(TCPSocket(reads=False))
    socket.receive(GET)
    reply(held.requests[0], 200, bytes(100_000))
    sent = 0
    while socket.is_reading and sent < 1_000_000:
        socket.receive(GET * 10)
        sent += len(GET) * 10

    assert sent < 20_000
    assert len(held.requests) == 1

    socket.reads = True
    socket.take()
    assert len(held.requests) == 2
    while held.requests[-1].responded is False:
        reply(held.requests[-1], 200, b"")
    assert len(held.requests) == 1 + sent // len(GET)
    assert socket.is_reading


def test_a_handler_that_fails_ends_the_connection_without_an_answer():
    def fail(request: ServerRequest) -> None:
        raise LookupError("of the handler")

    server = Server(handler=fail)
    socket = server.connect()
    with capturedLogs() as events:
        socket.receive(GET + GET)

    assert [each["log_failure"].type for each in events] == [LookupError]
    assert socket.is_aborted
    assert not socket.taken


def test_a_handler_that_fails_in_mid_answer_leaves_it_visibly_incomplete():
    def fail(request: ServerRequest) -> None:
        request.respond(200, ())
        request.write(b"part")
        raise LookupError("of the handler")

    server = Server(handler=fail)
    socket = server.connect()
    with capturedLogs() as events:
        socket.receive(GET)

    assert [each["log_failure"].type for each in events] == [LookupError]
    assert socket.is_over
    assert not socket.is_aborted
    assert socket.taken.endswith(b"4\r\npart\r\n")


def test_an_answer_that_only_its_end_would_complete_is_reset_when_cut():
    held = Held()
    socket = held.connect()
    socket.receive(GET_10)
    held.requests[0].respond(200, ())
    held.requests[0].write(b"part")

    held.requests[0].abort()

    assert socket.is_aborted


def test_an_answer_without_a_length_ends_an_old_clients_connection():
    held = Held()
    socket = held.connect()
    socket.receive(GET_10)
    held.requests[0].respond(200, ())
    held.requests[0].write(b"all")
    held.requests[0].finish()
    socket.settle()

    assert b"\r\nconnection: close\r\n" in socket.taken
    assert socket.taken.endswith(b"\r\n\r\nall")
    assert socket.is_over


def test_an_old_client_that_asks_for_it_keeps_its_connection():
    held = Held()
    socket = held.connect()
    socket.receive(GET_10)
    reply(held.requests[0], 200, b"one")
    socket.receive(GET_10)

    assert b"\r\nconnection: keep-alive\r\n" in socket.taken
    assert len(held.requests) == 2


def test_a_request_that_is_gone_tells_its_watchers_once():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    told: list[str] = []
    request = held.requests[0]
    request.on_gone(lambda: told.append("gone"))

    socket.lose()

    assert told == ["gone"]
    assert request.gone
    assert request.gone_because == "client gone"


def test_nobody_is_told_of_a_client_that_leaves_after_its_answer():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    told: list[str] = []
    held.requests[0].on_gone(lambda: told.append("gone"))
    reply(held.requests[0], 200, b"")

    socket.lose()

    assert not told
    assert not held.requests[0].gone


def test_writing_to_a_client_that_is_gone_does_nothing():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    request = held.requests[0]
    socket.lose()

    request.respond(200, ())
    request.write(b"late")
    request.finish()
    request.abort()

    assert not socket.taken
    assert held.server.serving.open_connections == 0


def read(request: ServerRequest) -> Deferred[bytes]:
    return Deferred.fromCoroutine(request.read_body())


def result_of(reading: Deferred[bytes]) -> bytes | Failure:
    results: list[bytes | Failure] = []
    reading.addBoth(results.append)
    assert results, "it waits"
    return results[0]


def test_a_client_that_leaves_in_mid_body_ends_the_reading_of_it():
    held = Held()
    socket = held.connect()
    socket.receive(POST + b"abc")
    reading = read(held.requests[0])
    assert held.requests[0].received_bytes == 3

    socket.lose()

    failure = result_of(reading)
    assert isinstance(failure, Failure)
    assert failure.check(PeerGone)


def test_a_reading_that_was_given_up_is_not_told_of_the_body():
    held = Held()
    socket = held.connect()
    socket.receive(POST + b"abc")
    reading = read(held.requests[0])
    reading.addErrback(lambda _: b"given up")
    reading.cancel()

    socket.receive(b"de")

    assert result_of(reading) == b"given up"
    assert result_of(read(held.requests[0])) == b"abcde"


def test_leave_to_send_a_body_is_given_when_somebody_reads_it():
    held = Held()
    socket = held.connect()
    socket.receive(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert not socket.taken

    reading = read(held.requests[0])
    assert socket.taken == b"HTTP/1.1 100 Continue\r\n\r\n"

    socket.receive(b"abcde")
    assert result_of(reading) == b"abcde"


def test_no_leave_is_given_once_the_answer_has_begun():
    held = Held()
    socket = held.connect()
    socket.receive(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    held.requests[0].respond(401, ((b"content-length", b"2"),))
    held.requests[0].flush()
    read(held.requests[0]).addErrback(lambda _: b"")

    assert b"100 Continue" not in socket.taken
    assert b"\r\nconnection: close\r\n" in socket.taken


def test_an_early_answer_reaches_a_client_that_still_sends():
    held = Held(ServerLimits(linger_s=5))
    socket = held.connect()
    socket.receive(POST + b"ab")
    reply(held.requests[0], 401, b"no")
    assert socket.is_half_closed
    assert b"\r\nconnection: close\r\n" in socket.taken

    socket.receive(b"cd", GET, GET)
    assert len(held.requests) == 1

    held.server.pass_time(4.5, socket)
    assert not socket.is_over
    held.server.pass_time(1, socket)
    assert socket.is_aborted


def test_a_body_over_the_limit_is_read_to_its_end_and_dropped():
    held = Held(ServerLimits(body_bytes=4))
    socket = held.connect()
    socket.receive(POST + b"ab")
    reply(held.requests[0], 413, b"no")
    socket.receive(b"cd")
    assert not socket.is_over

    socket.receive(b"e")

    assert socket.is_over
    assert not socket.is_aborted
    assert socket.taken.endswith(b"no")


def test_a_body_over_the_limit_that_is_all_here_ends_with_its_answer():
    held = Held(ServerLimits(body_bytes=4))
    socket = held.connect()
    socket.receive(POST + b"abcde")
    reply(held.requests[0], 413, b"no")
    socket.settle()

    assert socket.is_over
    assert not socket.is_aborted


@pytest.mark.parametrize("socket", [UnixSocket(), TCPSocket()])
def test_a_refused_client_may_read_why(socket):
    held = Held()
    held.connect(socket)
    socket.receive(b"nonsense\r\n")

    assert socket.taken.startswith(b"HTTP/1.1 400 ")
    assert socket.taken.endswith(b"http.request-line")
    assert not socket.is_over
    assert socket.is_half_closed == isinstance(socket, TCPSocket)
    socket.receive(b"more", GET)
    assert not held.requests
    held.server.pass_time(5.5, socket)
    assert socket.is_aborted


@implementer(IPushProducer)
class Producer:
    """Counts how often it is paused, and whether it is."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def pauseProducing(self) -> None:
        self.said.append("pause")

    def resumeProducing(self) -> None:
        self.said.append("resume")

    def stopProducing(self) -> None:
        self.said.append("stop")


def test_a_producer_is_held_to_the_clients_pace():
    held = Held()
    socket = held.connect(TCPSocket(reads=False))
    socket.receive(GET)
    producer = Producer()
    request = held.requests[0]
    request.respond(200, ())
    request.register_producer(producer)
    request.write(bytes(70_000))
    assert producer.said == ["pause"]

    late = Producer()
    request.register_producer(late)
    assert late.said == ["pause"]
    socket.take()
    assert late.said == ["pause", "resume"]

    request.unregister_producer()
    request.write(bytes(70_000))
    socket.take()
    assert late.said == ["pause", "resume"]


def test_a_producer_for_a_client_that_is_gone_is_left_alone():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    socket.lose()
    producer = Producer()

    held.requests[0].register_producer(producer)

    assert not producer.said
    assert held.requests[0]._producer is None


def test_a_refusal_that_fills_the_buffer_waits_for_its_reader():
    held = Held()
    socket = held.connect(TCPSocket(reads=False))
    socket.receive(GET + b"nonsense\r\n")
    reply(held.requests[0], 200, bytes(65_480))
    assert socket.is_half_closed
    held.server.pass_time(30, socket)
    assert not socket.is_over

    socket.take()

    assert socket.taken.endswith(b"http.request-line")
    held.server.pass_time(5.25, socket)
    assert socket.is_aborted


def test_a_client_may_read_an_early_answer_while_it_still_sends():
    held = Held()
    socket = held.connect(TCPSocket(reads=False))
    socket.receive(POST + b"ab")
    request = held.requests[0]
    request.respond(200, ())
    request.write(bytes(100_000))
    held.server.pass_time(30, socket)
    socket.take()
    held.server.pass_time(0.5, socket)
    socket.receive(b"cde")
    request.finish()
    socket.reads = True
    socket.take()

    assert result_of(read(request)) == b"abcde"
    assert socket.taken.endswith(b"0\r\n\r\n")


def test_a_request_is_answered_once():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    reply(held.requests[0], 200, b"one")
    with pytest.raises(RuntimeError):
        reply(held.requests[0], 200, b"two")
    held.requests[0].finish()
    held.requests[0].abort()

    assert socket.taken.count(b"HTTP/1.1 ") == 1
    assert not socket.is_over


def test_an_answer_may_not_be_longer_than_it_said():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    held.requests[0].respond(200, ((b"content-length", b"3"),))
    held.requests[0].write(b"abc")
    with pytest.raises(ValueError, match="longer"):
        held.requests[0].write(b"d")
    held.requests[0].finish()

    assert socket.taken.endswith(b"\r\n\r\nabc")
    assert not socket.is_over


def test_an_answer_that_is_shorter_than_it_said_is_cut():
    held = Held()
    socket = held.connect()
    socket.receive(GET + GET)
    held.requests[0].respond(200, ((b"content-length", b"3"),))
    held.requests[0].write(b"ab")
    held.requests[0].finish()
    socket.settle()

    assert socket.taken.endswith(b"\r\n\r\nab")
    assert socket.is_over
    assert len(held.requests) == 1


@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)]
)
def test_an_answer_without_a_body_has_none_whatever_is_written(method, status):
    held = Held()
    socket = held.connect()
    socket.receive(GET.replace(b"GET", method) * 2)
    held.requests[0].respond(status, ((b"x", b"1"),))
    held.requests[0].write(b"body")
    held.requests[0].finish()

    assert socket.taken.endswith(b"\r\nx: 1\r\n\r\n")
    assert len(held.requests) == 2


def test_an_empty_piece_does_not_end_a_chunked_answer():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    held.requests[0].respond(200, ())
    for piece in (b"", b"a", b"", b"bc"):
        held.requests[0].write(piece)
    held.requests[0].finish()

    assert socket.taken.endswith(b"\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")


def test_a_transport_that_is_done_for_stops_nothing_by_itself():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    assert socket.producer is not None
    socket.producer.stopProducing()
    assert not held.requests[0].gone

    socket.lose()
    assert held.requests[0].gone


def test_a_request_that_was_answered_cannot_be_lost():
    held = Held()
    socket = held.connect()
    socket.receive(GET)
    request = held.requests[0]
    told: list[str] = []
    request.on_gone(lambda: told.append("gone"))
    reply(request, 200, b"")
    request.lost("client gone")

    assert not told
    assert not request.gone
