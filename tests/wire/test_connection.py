"""A client's connection: request after request, used again only when it is safe."""

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionAborted
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from byok.wire.answer import COMPLETE
from byok.wire.errors import AnswerBroken, AnswerTimedOut, ClosedEarly
from byok.wire.limits import ClientLimits
from tests.wire.calling import Client, Reader
from tests.wire.sockets import TCPSocket, UnixSocket

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LIMITS = ClientLimits()


def test_a_request_goes_out_as_it_was_given_with_its_length():
    client = Client()
    client.call(b"POST", b"body")

    assert client.socket.taken == (
        b"POST /a HTTP/1.1\r\nhost: up.test\r\ncontent-length: 4\r\n\r\nbody"
    )


@pytest.mark.parametrize(
    ("method", "length"), [(b"GET", 0), (b"DELETE", 0), (b"POST", 1), (b"PUT", 1)]
)
def test_a_length_of_0_is_said_where_a_body_is_usual(method, length):
    client = Client()
    client.call(method)

    assert client.socket.taken.count(b"content-length: 0\r\n") == length


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        (b"GET", b"/a\r\nx: y", ()),
        (b"GET\r\n", b"/a", ()),
        (b"GET", b"/a", ((b"x", b"1\r\ny: 2"),)),
        (b"GET", b"/a", ((b"x\r\ny", b"1"),)),
        (b"GET", b"/a", ((b"x", b"1\n"),)),
        (b"GET", b"/a", ((b"x", b"\x00"),)),
        (b"GET", b"/a", ((b"x", b"a\x1bb"),)),
        (b"GET", b"/a", ((b"x", b"1\r\n\r\nGET / HTTP/1.1"),)),
        (b"GET", b"/a", ((b"content-length", b"3"),)),
        (b"GET", b"/a", ((b"transfer-encoding", b"chunked"),)),
        (b"GET", b"/a", ((b"connection", b"close"),)),
        (b"GET", b"/a", ((b"keep-alive", b"1"),)),
    ],
)
def test_a_line_that_would_be_two_is_never_sent(method, target, headers):
    client = Client()

    with pytest.raises(ValueError, match="a request"):
        client.connection.request(method, target, headers)

    assert not client.socket.taken


def test_an_answer_is_given_and_the_connection_is_free_again():
    client = Client()
    for number in range(3):
        call = client.call()
        client.receive(OK)
        assert call.answer is not None
        assert (call.answer.status, call.answer.length) == (200, 2)
        assert call.body == b"hi"
        assert call.ended_as is ResponseDone
        assert client.freed == number + 1


def test_one_request_at_a_time():
    client = Client()
    client.call()
    with pytest.raises(RuntimeError):
        client.call()
    client.receive(OK[:-1])
    with pytest.raises(RuntimeError):
        client.call()


def test_a_request_on_a_closed_connection_fails_at_once():
    client = Client()
    client.socket.lose()

    assert client.call().ended_as is ClosedEarly


def test_a_request_after_the_connection_was_aborted_fails_at_once():
    client = Client()
    client.connection.abort()

    assert client.call().ended_as is ClosedEarly
    assert not client.socket.taken


def test_a_server_that_closes_before_its_answer_fails_the_request():
    client = Client()
    call = client.call()
    client.receive(b"HTTP/1.1 200 O")
    client.socket.lose()

    assert call.ended_as is ClosedEarly
    assert client.is_lost


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi",
    ],
)
def test_an_answer_that_is_cut_short_does_not_look_complete(begun):
    client = Client()
    call = client.call()
    client.receive(begun)
    client.socket.lose()

    assert call.body == b"hi"
    assert call.ended_as is ClosedEarly
    assert not client.freed


def test_an_answer_that_ends_with_its_connection_says_so():
    client = Client()
    call = client.call()
    client.receive(b"HTTP/1.1 200 OK\r\n\r\nhi")
    client.socket.lose()

    assert call.body == b"hi"
    assert call.ended_as is PotentialDataLoss
    assert not client.freed


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_head(status):
    client = Client()
    call = client.call()
    client.receive(b"HTTP/1.1 %d X\r\n\r\n" % status)

    assert call.ended_as is ResponseDone
    assert client.freed == 1


def test_the_answer_to_a_head_has_no_body_whatever_it_says():
    client = Client()
    call = client.call(b"HEAD")
    client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    assert call.answer is not None
    assert call.answer.length == 5
    assert call.ended_as is ResponseDone
    # llhttp waits for five bytes: they must not come out of the next answer.
    assert not client.freed
    assert client.socket.is_over


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
def test_a_connection_the_server_will_close_is_not_used_again(first):
    client = Client()
    call = client.call()
    client.receive(first)

    assert call.body == b"hi"
    assert call.ended_as is ResponseDone
    assert not client.freed
    assert client.socket.is_over


def test_interim_answers_are_passed_over():
    client = Client()
    call = client.call()
    client.receive(
        b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: a\r\n\r\n"
    )
    assert call.answer is None
    client.receive(OK)

    assert call.answer is not None
    assert call.answer.fields == ()
    assert call.body == b"hi"
    assert client.freed == 1


def test_what_concerns_the_connection_alone_is_not_among_the_fields():
    client = Client()
    call = client.call()
    client.receive(
        b"HTTP/1.1 200 OK\r\nConnection: X-Foo, keep-alive\r\nKeep-Alive: a\r\n"
        b"X-Foo: 1\r\nX-BAR: \t2 \r\nContent-Length: 2\r\nconnection: x-two\r\n\r\nhi"
    )

    assert call.answer is not None
    assert call.answer.fields == ((b"x-foo", b"1"), (b"x-bar", b"2"))
    assert set(call.answer.nominated) == {b"x-foo", b"keep-alive", b"x-two"}


def test_a_server_that_never_answers_is_given_up():
    client = Client(ClientLimits(answer_s=30))
    call = client.call()
    client.pass_time(29.75)
    assert call.ended_as is None

    client.pass_time(0.5)

    assert call.ended_as is AnswerTimedOut
    assert client.is_lost


def test_interim_answers_do_not_extend_the_time_for_an_answer():
    client = Client(ClientLimits(answer_s=5))
    call = client.call()
    for _ in range(6):
        client.receive(b"HTTP/1.1 102 Processing\r\n\r\n")
        client.pass_time(1)

    assert call.ended_as is AnswerTimedOut


def test_a_stream_may_be_silent_for_so_long_between_two_pieces():
    client = Client(ClientLimits(silence_s=30))
    call = client.call()
    client.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        client.pass_time(29.5)
        client.receive(b"2\r\nhi\r\n")
    assert call.ended_as is None

    client.pass_time(30.25)

    assert call.ended_as is AnswerTimedOut


def test_a_server_is_not_silent_while_nobody_listens():
    client = Client(ClientLimits(silence_s=30))
    reader = Reader()
    call = client.call(reader=reader)
    client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi")
    reader.pause()
    client.pass_time(300)
    assert call.ended_as is None
    assert not client.socket.is_reading

    reader.resume()
    client.receive(b"!!")
    assert call.ended_as is ResponseDone


def test_a_pause_asked_for_at_once_holds_though_something_was_here_already():
    client = Client()
    call = client.call(reads=False)
    client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi")
    assert not client.socket.is_reading
    reader = Reader(pauses=True)
    assert call.answer is not None

    call.answer.deliverBody(reader)

    assert reader.body == b"hi"
    assert not client.socket.is_reading
    reader.resume()
    client.receive(b"!!")
    assert reader.body == b"hi!!"


def test_a_body_nobody_asked_for_yet_is_not_read_on():
    client = Client()
    call = client.call(reads=False)
    client.receive(OK[:-1])
    assert not client.socket.is_reading
    assert call.answer is not None

    reader = Reader()
    call.answer.deliverBody(reader)
    client.receive(OK[-1:])

    assert reader.body == b"hi"
    assert client.freed == 1


def test_a_body_that_is_all_here_waits_for_its_reader_and_frees_the_connection():
    client = Client()
    call = client.call(reads=False)
    client.receive(OK)
    assert client.freed == 1
    assert client.socket.is_reading
    again = client.call()
    client.receive(OK)

    reader = Reader()
    assert call.answer is not None
    call.answer.deliverBody(reader)

    assert reader.body == again.body == b"hi"
    assert reader.end is not None
    assert reader.end.check(ResponseDone)


def test_a_body_is_delivered_once():
    client = Client()
    call = client.call()
    client.receive(OK)

    assert call.answer is not None
    with pytest.raises(RuntimeError):
        call.answer.deliverBody(Reader())


def test_an_answer_that_ended_has_no_power_over_the_next():
    client = Client()
    call = client.call()
    client.receive(OK)
    again = client.call()
    assert call.answer is not None

    call.answer.pauseProducing()
    call.answer.resumeProducing()
    call.answer.stopProducing()
    call.answer.loseConnection()
    client.receive(OK)

    assert again.ended_as is ResponseDone


def test_giving_up_an_answer_ends_the_connection():
    client = Client()
    call = client.call()
    client.receive(OK[:-1])
    assert call.answer is not None
    call.answer.stopProducing()
    client.receive(OK[-1:])
    client.socket.settle()

    assert client.socket.is_aborted
    assert call.ended_as is ClosedEarly
    assert not client.freed


def test_an_answer_shows_no_second_copy_of_its_headers():
    client = Client()
    call = client.call()
    client.receive(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n")
    assert call.answer is not None
    call.answer.setPreviousResponse(call.answer)

    assert list(call.answer.headers.getAllRawHeaders()) == []
    assert call.answer.previousResponse is None


def test_a_cancelled_request_ends_the_connection():
    client = Client()
    call = client.call()
    call.answering.cancel()
    client.receive(OK)

    assert call.ended_as is CancelledError
    assert client.socket.is_aborted
    assert not client.freed


@pytest.mark.parametrize("late", [OK, b"x", b"\r\n"])
def test_what_comes_unasked_for_ends_the_connection(late):
    client = Client()
    client.call()
    client.receive(OK)
    client.receive(late)

    assert client.socket.is_aborted
    assert not client.connection.is_open
    assert client.call().ended_as is ClosedEarly


def test_an_idle_connection_ends_when_its_time_is_over():
    client = Client()
    client.call()
    client.receive(OK)
    client.connection.keep_for(20)
    client.pass_time(19.75)
    assert not client.is_lost

    client.pass_time(0.5)

    assert client.is_lost


def test_a_server_that_does_not_take_leave_is_left():
    client = Client(socket=TCPSocket(reads=False))
    client.call(b"POST", b"body")
    client.connection.close()
    client.pass_time(4.75)
    assert not client.is_lost

    client.pass_time(0.5)

    assert client.is_lost


def test_a_connection_lost_in_its_handshake_was_never_ready():
    client = Client(secure=True)
    assert not client.connection.is_open
    failures: list[object] = []
    client.connection.ready.addErrback(failures.append)
    client.socket.lose(ConnectionAborted())

    assert client.connection.ready.called
    assert client.is_lost


def test_a_secure_connection_is_ready_after_its_handshake():
    client = Client(secure=True, socket=UnixSocket())
    assert not client.connection.ready.called

    client.connection.handshakeCompleted()

    assert client.connection.ready.called
    assert client.connection.is_open


def test_a_large_body_goes_out_at_the_pace_of_the_server():
    client = Client(socket=TCPSocket(reads=False))
    body = bytes(range(256)) * 4096
    client.call(b"POST", body)
    most = 0
    while client.socket.dataBuffer:
        most = max(most, len(client.socket.dataBuffer))
        client.socket.take()

    assert client.socket.taken.endswith(b"\r\n\r\n" + body)
    assert most < 200_000
    assert client.socket.producer is None
    client.receive(OK)
    assert client.freed == 1


def test_an_answer_before_the_end_of_an_upload_is_the_last_on_its_connection():
    client = Client(socket=TCPSocket(reads=False))
    call = client.call(b"POST", bytes(1_000_000))
    client.receive(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")

    assert call.body == b"no"
    assert call.ended_as is ResponseDone
    assert not client.freed
    assert client.socket.is_aborted


def test_an_upload_to_a_server_that_is_gone_ends_itself():
    client = Client(socket=TCPSocket(reads=False))
    call = client.call(b"POST", bytes(1_000_000))
    upload = client.socket.producer
    assert upload is not None
    upload.stopProducing()
    client.socket.lose()
    upload.resumeProducing()

    assert call.ended_as is ClosedEarly


def test_an_error_names_the_fault_and_nothing_that_came():
    client = Client()
    call = client.call()
    client.receive(b"HTTP/1.1 200 OK\r\nX-Secret sesame\r\n\r\n")

    assert call.ended_as is AnswerBroken
    assert call.failure is not None
    assert "sesame" not in str(call.failure.value)


class Impatient(Reader):
    """Gives an answer up with the first piece of it."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        assert self.transport is not None
        self.transport.loseConnection()


def test_a_connection_that_is_given_up_with_its_last_piece_is_not_free():
    client = Client()
    client.call(reader=Impatient())
    client.receive(OK)

    assert not client.freed
    assert client.socket.is_aborted


def test_what_comes_after_giving_up_is_not_read():
    client = Client()
    reader = Impatient()
    client.call(reader=reader)
    client.receive(OK[:-1])
    assert client.socket.is_over
    client.connection.dataReceived(OK[-1:])

    assert reader.body == b"h"


def test_a_paused_answer_that_is_given_up_is_not_read_on():
    client = Client(socket=TCPSocket())
    reader = Reader()
    call = client.call(reader=reader)
    client.receive(OK[:-1])
    reader.pause()
    reader.pause()
    assert call.answer is not None
    client.connection.abort()
    reader.resume()

    assert not client.socket.is_reading


def test_an_answer_tells_of_its_end_once():
    client = Client()
    call = client.call(reads=False)
    client.receive(OK)
    assert call.answer is not None
    answer, reader = call.answer, Reader()
    answer.deliverBody(reader)
    answer.ended(COMPLETE)

    assert reader.end is COMPLETE


def test_a_piece_that_comes_when_the_answer_is_over_pauses_nobody():
    client = Client()
    call = client.call(reads=False)
    client.receive(OK)
    assert call.answer is not None
    call.answer.body_came(b"!")

    assert client.socket.is_reading
