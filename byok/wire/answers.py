"""The head of an answer, as bytes, from values that may come from anywhere."""

from functools import lru_cache
from http import HTTPStatus

from byok.wire.heads import Headers, is_clean

_NOT_OURS_TO_TAKE = frozenset({b"connection", b"transfer-encoding", b"keep-alive"})


@lru_cache(maxsize=64)
def status_line(status: int) -> bytes:
    """Return the line for *status*, with the phrase that is standard for it."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        # RFC 9112 4: the phrase may be empty, the space before it may not be missing.
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))


def head_bytes(status: int, headers: Headers, framing: bytes) -> bytes:
    """
    Return an answer's head; *framing* are finished lines of the connection's own.

    Raises ValueError where a name or value would make a line of its own, and where
    *headers* say how the connection frames or ends this answer.
    """
    head = b"".join(
        (
            status_line(status),
            *[b"%s: %s\r\n" % field for field in headers],
            framing,
            b"\r\n",
        )
    )
    if not is_clean(head) or head.count(b"\n") != (
        len(headers) + framing.count(b"\n") + 2
    ):
        raise ValueError("a header of an answer holds a line break or a control byte")
    if not _NOT_OURS_TO_TAKE.isdisjoint([name for name, _ in headers]):
        raise ValueError("an answer's framing is the connection's own affair")
    return head
