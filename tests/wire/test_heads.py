"""Each limit of a request is where it says: at it is served, one over is refused."""

import pytest

from byok.wire.errors import Unreadable
from byok.wire.heads import RequestHead, could_become_a_head, read_request_head
from byok.wire.limits import ServerLimits
from tests.wire.serving import converse
from tests.wire.sockets import bytewise

LIMITS = ServerLimits(
    head_bytes=2048, target_bytes=100, value_bytes=200, fields=10, body_bytes=50
)
LINE = b"GET / HTTP/1.1\r\nHost: a\r\n"


def head_of(size: int) -> bytes:
    """A head of *size* bytes, no line of which is too long."""
    left = size - len(LINE) - 2
    lines = [b"X: " + b"v" * 195 + b"\r\n"] * (left // 200 - 1)
    left -= sum(map(len, lines))
    lines += [b"Y: " + b"v" * (left // 2 - 5) + b"\r\n"]
    lines += [b"Z: " + b"v" * (left - left // 2 - 5) + b"\r\n"]
    return LINE + b"".join(lines) + b"\r\n"


def target_of(size: int) -> bytes:
    return b"GET /" + b"t" * (size - 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def value_of(size: int) -> bytes:
    return LINE + b"X: " + b"v" * size + b"\r\n\r\n"


def fields_of(count: int) -> bytes:
    return LINE + b"X: 1\r\n" * (count - 1) + b"\r\n"


def body_of(size: int) -> bytes:
    length = b"Content-Length: %d\r\n\r\n" % size
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + length + b"b" * size


def chunks_of(size: int) -> bytes:
    chunk = b"%x\r\n" % (size - 10) + b"b" * (size - 10) + b"\r\n"
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + (
        b"a\r\n" + b"b" * 10 + b"\r\n" + chunk + b"0\r\n\r\n"
    )


@pytest.mark.parametrize("segment", [lambda raw: [raw], bytewise])
@pytest.mark.parametrize(
    ("made", "limit", "status"),
    [
        (head_of, LIMITS.head_bytes, 431),
        (target_of, LIMITS.target_bytes, 414),
        (value_of, LIMITS.value_bytes, 431),
        (fields_of, LIMITS.fields, 431),
        (body_of, LIMITS.body_bytes, 413),
        (chunks_of, LIMITS.body_bytes, 413),
    ],
)
def test_a_limit_is_met_exactly(made, limit, status, segment):
    wide = ServerLimits(
        head_bytes=LIMITS.head_bytes if made is head_of else 16_384,
        target_bytes=LIMITS.target_bytes,
        value_bytes=LIMITS.value_bytes,
        fields=LIMITS.fields if made is fields_of else 64,
        body_bytes=LIMITS.body_bytes,
    )
    for over, expected in ((-1, 200), (0, 200), (1, status)):
        outcome = converse(segment(made(limit + over)), limits=wide)

        assert [each.status for each in outcome.replies] == [expected]
        assert len(outcome.requests) == (expected == 200)


@pytest.mark.parametrize("length", [0, 9])
def test_a_head_says_whether_its_body_is_chunked(length):
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length
    counted = read_request_head(raw, LIMITS)
    chunked = read_request_head(LINE + b"Transfer-Encoding: chunked\r\n\r\n", LIMITS)

    assert isinstance(counted, RequestHead)
    assert isinstance(chunked, RequestHead)
    assert (counted.chunked, chunked.chunked) == (False, True)
    assert counted.length == length


def test_a_head_shows_none_of_its_values():
    raw = LINE.replace(b"/ ", b"/?key=sesame ") + b"X-Api-Key: sesame\r\n\r\n"

    assert "sesame" not in repr(read_request_head(raw, LIMITS))


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00sesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nsesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX(sesame): 1\r\n\r\n",
        b"SESAME /sesame HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET sesame HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / sesame/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/sesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: sesame\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: sesame\r\n\r\n",
    ],
)
def test_a_refusal_quotes_nothing_of_what_it_refuses(raw):
    refusal = read_request_head(raw, LIMITS)

    assert isinstance(refusal, Unreadable)
    assert "sesame" not in refusal.message.lower()


@pytest.mark.parametrize("size", range(1, len(LINE)))
def test_every_beginning_of_a_head_could_become_one(size):
    assert could_become_a_head(LINE[:size], LIMITS) is None
