"""The head of an answer is exactly the lines it was given, or none."""

from http import HTTPStatus

import pytest

from byok.wire.answers import head_bytes, status_line


@pytest.mark.parametrize("status", list(HTTPStatus))
def test_a_status_has_its_standard_phrase(status):
    assert status_line(status) == b"HTTP/1.1 %d %s\r\n" % (
        status,
        status.phrase.encode(),
    )


@pytest.mark.parametrize("status", [299, 529, 599])
def test_a_status_without_a_phrase_keeps_the_space_before_it(status):
    assert status_line(status) == b"HTTP/1.1 %d \r\n" % status


def test_a_head_is_its_lines_in_their_order():
    headers = ((b"b", b"1"), (b"a", b"caf\xe9"), (b"b", b""))

    assert head_bytes(200, headers, b"connection: close\r\n") == (
        b"HTTP/1.1 200 OK\r\nb: 1\r\na: caf\xe9\r\nb: \r\nconnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    "field",
    [
        (b"x", b"1\r\nset-cookie: a"),
        (b"x", b"1\n"),
        (b"x", b"1\r"),
        (b"x", b"1\r\n folded"),
        (b"x", b"\x00"),
        (b"x", b"\x1b[2J"),
        (b"x", b"\x7f"),
        (b"x\r\ny", b"1"),
        (b"x", b"\r\n\r\n<html>"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"keep-alive", b"timeout=5"),
    ],
)
def test_a_field_that_would_be_more_than_itself_is_never_sent(field):
    with pytest.raises(ValueError, match="answer"):
        head_bytes(200, ((b"a", b"1"), field), b"")
