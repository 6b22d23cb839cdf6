"""The bodies of requests, and where they end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.wire.bodies import BodyReader, ChunkedBody, CountedBody
from byok.wire.errors import BodyTooLarge, BodyUnreadable
from tests.wire.requests import bodies, chunked, cut, cuts


def feed(reader: BodyReader, segments: list[bytes]) -> bytes:
    """Feed *segments* until the body is complete, and return what is left."""
    left = b""
    for segment in segments:
        left += segment if reader.is_complete else reader.feed(segment)
    return left


@given(bodies, st.binary(max_size=20), cuts)
def test_a_counted_body_leaves_what_follows_it(body, rest, points):
    reader = CountedBody(len(body))

    assert feed(reader, cut(body + rest, points)) == rest
    assert reader.is_complete
    assert reader.value() == body
    assert reader.received == len(body)


@given(st.data(), bodies, st.binary(max_size=20), cuts)
def test_a_chunked_body_leaves_what_follows_it(data, body, rest, points):
    reader = ChunkedBody(len(body))
    raw = data.draw(chunked(body))

    assert feed(reader, cut(raw + rest, points)) == rest
    assert reader.is_complete
    assert reader.value() == body
    assert reader.received == len(body)


def test_a_chunk_is_refused_before_it_comes_if_it_would_be_too_much():
    reader = ChunkedBody(10)
    reader.feed(b"a\r\n0123456789\r\n")

    with pytest.raises(BodyTooLarge):
        reader.feed(b"1\r\n")


def test_a_body_of_mostly_framing_is_refused():
    reader = ChunkedBody(1 << 30)
    chunk = b"1;" + b"x" * 250 + b"\r\nb\r\n"
    with pytest.raises(BodyUnreadable) as raised:
        reader.feed(chunk * 5000)

    assert raised.value.unreadable.code == "http.chunk-overhead"
    assert 4000 < reader.received < 4500


def test_a_long_body_in_sensible_chunks_is_not():
    reader = ChunkedBody(1 << 30)
    chunk = b"400\r\n" + bytes(1024) + b"\r\n"
    for _ in range(2000):
        reader.feed(chunk * 8)
    reader.feed(b"0\r\n\r\n")

    assert reader.is_complete
    assert reader.received == len(reader.value()) == 2000 * 8 * 1024


def test_a_body_of_one_piece_is_held_as_it_came():
    piece = bytes(1000)
    reader = CountedBody(len(piece))
    reader.feed(piece)

    assert reader.value() is piece


@pytest.mark.parametrize(
    "trailer",
    [
        b"Transfer-Encoding: chunked;",
        b"transfer-encoding: chunked",
        b"Content-Length: 3",
    ],
)
def test_a_trailer_says_nothing_about_framing(trailer):
    reader = ChunkedBody(100)
    with pytest.raises(BodyUnreadable) as raised:
        reader.feed(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n" + trailer + b"\r\n\r\n")

    assert raised.value.unreadable.code == "http.trailer"
