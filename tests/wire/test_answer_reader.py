"""Answers as servers write them, good, hostile and cut anywhere; h11 as witness."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from byok.wire.answer_reader import OF_THE_CONNECTION
from byok.wire.errors import AnswerBroken, ClosedEarly, WireError
from byok.wire.heads import Headers
from byok.wire.limits import ClientLimits
from tests.wire.calling import Call, Client
from tests.wire.requests import bodies, chunked, cut, cuts, fields
from tests.wire.sockets import bytewise, halves

HEAD = b"HTTP/1.1 200 OK\r\n"
LIMITS = ClientLimits()
PRINTED = b"x" * 1000

# What no client may take for an answer.
BROKEN = {
    "garbage": b"\x00\x01\x02 nonsense\r\n\r\n",
    "tls": b"\x15\x03\x01\x00\x02\x02\x28",
    "smtp": b"220 mail.test ESMTP\r\n",
    "no-space": b"HTTP/1.1200 OK\r\n\r\n",
    "version-2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "version-0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "icy": b"ICY 200 OK\r\n\r\n",
    "a-request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "status-99999": b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n",
    "status-099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "status-000": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "status-600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "status-999": b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
    "status-20": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status-negative": b"HTTP/1.1 -1 OK\r\nContent-Length: 0\r\n\r\n",
    "status-101": (
        b"HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n\x00\x00"
    ),
    "status-101-plain": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "cl-te": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te-cl": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "cl-different": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "cl-list": HEAD + b"Content-Length: 2, 3\r\n\r\nhi!",
    "cl-plus": HEAD + b"Content-Length: +2\r\n\r\nhi",
    "cl-negative": HEAD + b"Content-Length: -2\r\n\r\nhi",
    "cl-huge": HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\nhi",
    "te-identity": HEAD + b"Transfer-Encoding: identity\r\n\r\nhi",
    "te-gzip": HEAD + b"Transfer-Encoding: gzip\r\n\r\nhi",
    "te-gzip-chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "te-twice": HEAD + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "folded": HEAD + b"X-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
    "name-space": HEAD + b"X A: 1\r\nContent-Length: 0\r\n\r\n",
    "name-space-colon": HEAD + b"X-A : 1\r\nContent-Length: 0\r\n\r\n",
    "name-empty": HEAD + b": 1\r\nContent-Length: 0\r\n\r\n",
    "value-nul": HEAD + b"X-A: \x00\r\nContent-Length: 0\r\n\r\n",
    "value-cr": HEAD + b"X-A: a\rb\r\nContent-Length: 0\r\n\r\n",
    "value-esc": HEAD + b"X-A: a\x1bb\r\nContent-Length: 0\r\n\r\n",
    "fields-20000": HEAD + b"X-A: 1\r\n" * 20_000 + b"Content-Length: 0\r\n\r\n",
    "interim-50": b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + HEAD + b"\r\n",
    "head-endless": HEAD + b"X-A: " + PRINTED * 100,
    "phrase-endless": b"HTTP/1.1 200 " + PRINTED * 100,
    "interim-endless": (b"HTTP/1.1 103 E\r\nX: " + PRINTED * 9 + b"\r\n\r\n") * 9,
}
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# What begins as an answer, and goes wrong in its body.
BROKEN_BODIES = {
    "size": CHUNKED + b"2\r\nhi\r\nzz\r\n",
    "size-space": CHUNKED + b"2\r\nhi\r\n2 x\r\n",
    "size-negative": CHUNKED + b"2\r\nhi\r\n-2\r\n",
    "size-huge": CHUNKED + b"2\r\nhi\r\nfffffffffffffffff\r\n",
    "longer": CHUNKED + b"2\r\nhi!\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"2\r\nhi\r\n0\r\nno colon\r\n\r\n",
    "trailer-endless": CHUNKED + b"2\r\nhi\r\n0\r\nX: " + PRINTED * 200,
    "trailer-name-endless": CHUNKED + b"2\r\nhi\r\n0\r\n" + PRINTED * 200,
    "trailers-endless": CHUNKED + b"2\r\nhi\r\n0\r\n" + b"X: 1\r\n" * 300,
    "extension-endless": CHUNKED + b"2\r\nhi\r\n2;" + PRINTED * 200,
}


def converse(segments: list[bytes], method: bytes = b"GET") -> tuple[Client, Call]:
    """Let a server answer in *segments*, and then close."""
    client = Client()
    call = client.call(method)
    client.receive(*segments)
    client.socket.lose()
    return client, call


def pieces(raw: bytes) -> list[bytes]:
    """Cut *raw* as a socket would."""
    return [raw[at : at + 4096] for at in range(0, len(raw), 4096)]


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("segment", [pieces, bytewise])
def test_what_is_no_answer_is_given_to_nobody(raw, segment):
    client, call = converse(segment(raw))

    assert call.answer is None
    assert call.ended_as is AnswerBroken
    assert client.socket.is_aborted
    assert not client.freed


@pytest.mark.parametrize("raw", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
@pytest.mark.parametrize("segment", [pieces, bytewise])
def test_a_body_that_goes_wrong_does_not_look_complete(raw, segment):
    client, call = converse(segment(raw))

    assert call.ended_as is AnswerBroken
    assert call.reader is not None
    # Whether it began depends on the segments; that it failed does not.
    assert call.body in {b"", b"hi"}
    assert client.socket.is_aborted
    assert not client.freed


def test_a_phrase_with_control_bytes_goes_nowhere():
    _, call = converse([b"HTTP/1.1 200 \x1b[2J\xff\r\nContent-Length: 2\r\n\r\nhi"])

    assert call.body == b"hi"
    assert call.answer is not None
    assert call.answer.phrase == b""


def with_fields(count: int) -> bytes:
    return HEAD + b"X: 1\r\n" * (count - 1) + b"Content-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "taken"),
    [
        (with_fields(LIMITS.fields), True),
        (with_fields(LIMITS.fields + 1), False),
        (b"HTTP/1.1 100 C\r\n\r\n" * LIMITS.interim + with_fields(1), True),
        (b"HTTP/1.1 100 C\r\n\r\n" * (LIMITS.interim + 1) + with_fields(1), False),
    ],
)
def test_a_limit_is_where_it_says(raw, taken):
    _, call = converse([raw])

    assert (call.ended_as is ResponseDone) == taken


@pytest.mark.parametrize(("over", "taken"), [(0, True), (1, False)])
def test_a_head_that_is_over_the_limit_is_waited_for_no_longer(over, taken):
    end = b"\r\nContent-Length: 0\r\n\r\n"
    value = b"x" * (LIMITS.head_bytes - len(HEAD + b"X: " + end) + 1 + over)
    raw = HEAD + b"X: " + value + end
    _, call = converse([raw[:-1], raw[-1:]])

    assert (call.ended_as is ResponseDone) == taken


WHOLE = {
    "length": HEAD + b"Content-Length: 2\r\n\r\nhi",
    "chunks": CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"2\r\nhi\r\n0\r\nX: 1\r\n\r\n",
    "no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not-modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    "close": HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi",
}
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("surplus", [EVIL, b"x", b"0\r\n\r\n", b"\x00", EVIL[:20]])
def test_a_connection_with_something_behind_its_answer_is_never_used_again(
    whole, surplus
):
    raw = whole + surplus
    for first, second in [(raw, b""), *halves(raw)]:
        client = Client()
        call = client.call()
        client.receive(first)
        client.receive(second)

        assert call.ended_as is ResponseDone
        assert call.body in {b"", b"hi"}
        assert not client.connection.is_open
        assert client.call().ended_as is ClosedEarly


def test_an_empty_line_behind_an_answer_never_reaches_the_next():
    client = Client()
    client.call()
    client.receive(WHOLE["length"] + b"\r\n")
    again = client.call()
    client.receive(WHOLE["chunks"])

    assert again.ended_as is ResponseDone
    assert again.body == b"hi"


def test_an_answer_before_its_request_is_nobodys():
    client = Client()
    client.receive(EVIL)

    assert client.call().ended_as is ClosedEarly


def read_with_h11(raw: bytes, method: bytes) -> tuple[int, Headers, bytes]:
    """Return status, fields and body of the answer that h11 reads in *raw*."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    reader.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(raw)
    reader.receive_data(b"")
    status, headers, body = 0, [], b""
    while not isinstance(event := reader.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            status = event.status_code
            headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    kept = tuple(each for each in headers if each[0] not in OF_THE_CONNECTION)
    return status, kept, body


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes, bool]:
    """Make a request's method, an answer to it, and whether its end is the close."""
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 401, 429, 500, 529, 599]))
    method = draw(st.sampled_from([b"GET", b"GET", b"HEAD"]))
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 103 E\r\nX: 1\r\n\r\n"]))
    headers = draw(st.lists(fields, max_size=5))
    body = draw(bodies)
    framing = draw(st.sampled_from(["length", "chunks", "close"]))
    framed = body
    if framing == "length":
        headers.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunks":
        headers.append((b"Transfer-Encoding", b"chunked"))
        framed = draw(chunked(body))
    if method == b"HEAD" or status in {204, 304}:
        framed = b""
    headers = draw(st.permutations(headers))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    if framing == "chunks":
        version = b"1.1"
    lines = b"".join(b"%b: %b\r\n" % field for field in headers)
    head = b"HTTP/%b %d Phrase\r\n%b\r\n" % (version, status, lines)
    by_close = framing == "close" and method != b"HEAD" and status not in {204, 304}
    return method, interim + head + framed, by_close


@settings(max_examples=200)
@given(answers(), cuts)
def test_what_is_read_of_an_answer_is_what_h11_reads(made, points):
    method, raw, by_close = made
    client = Client()
    call = client.call(method)
    client.receive(*cut(raw, points))
    client.socket.lose()

    assert call.answer is not None
    read = (call.answer.status, call.answer.fields, call.body)
    assert read == read_with_h11(raw, method)
    assert call.ended_as is (PotentialDataLoss if by_close else ResponseDone)
    assert not (by_close and client.freed)


@settings(max_examples=100)
@given(answers(), cuts, st.integers(0, 1 << 20), st.binary(min_size=1, max_size=3))
def test_a_changed_answer_is_read_as_h11_does_or_not_at_all(made, points, at, change):
    method, raw, _ = made
    at %= len(raw)
    raw = raw[:at] + change + raw[at + 1 :]
    _, call = converse(cut(raw, points), method)

    assert call.ended_as is not None
    if call.ended_as is ResponseDone and call.answer is not None:
        try:
            read = read_with_h11(raw, method)
        except h11.RemoteProtocolError:
            return
        assert (call.answer.status, call.body) == (read[0], read[2])
    else:
        assert issubclass(call.ended_as, WireError | PotentialDataLoss)
