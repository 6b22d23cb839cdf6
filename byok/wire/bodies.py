"""
Takes a request's body out of the bytes that follow its head, and says where it ends.

llhttp does not say that, and what follows may be the next request. One body is held
once: a single piece as it came, more of them in one growing buffer.
"""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Protocol

from byok.wire.errors import BodyTooLarge, BodyUnreadable, Unreadable
from byok.wire.limits import MIB

# RFC 9112 7.1. Extensions mean nothing here (7.1.1) and are passed over. White space
# before one, which nobody sends, is where other readers differ.
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_FIELD_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
# RFC 9110 6.5.1: no trailer says how a message is framed. It is too late for that, and
# readers differ on what to make of one that does.
_FRAMING = (b"transfer-encoding:", b"content-length:")
_CHUNK_LINE_BYTES = 256
_TRAILER_BYTES = 8 * 1024
# Chunks of a byte each cost a hundred times what their data do.
_SPARE_FRAMING_BYTES = MIB


_Read = Callable[[bytes, memoryview, int], int]


class BodyReader(Protocol):
    """Reads one body; *received* counts its bytes so far, framing left out."""

    received: int
    is_complete: bool

    def feed(self, data: bytes) -> bytes:
        """
        Take what belongs to the body from *data*, and return what does not.

        Raises BodyTooLarge or BodyUnreadable; it is not to be fed again then.
        """

    def value(self) -> bytes:
        """Return the whole body."""


class _Kept:
    """The pieces of a body, one after the other."""

    __slots__ = ("_all", "_first")

    def __init__(self) -> None:
        self._first = b""
        self._all: BytesIO | None = None

    def add(self, piece: bytes | memoryview) -> None:
        if self._all is not None:
            self._all.write(piece)
        elif not self._first:
            self._first = bytes(piece)
        else:
            self._all = BytesIO()
            self._all.write(self._first)
            self._all.write(piece)
            self._first = b""

    def value(self) -> bytes:
        return self._first if self._all is None else self._all.getvalue()


class CountedBody:
    """A body of *length* bytes (RFC 9112 6.2)."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._kept = _Kept()
        self.received = 0
        self.is_complete = length == 0

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body from *data*, and return what does not."""
        missing = self._length - self.received
        if len(data) < missing:
            self.received += len(data)
            self._kept.add(data)
            return b""
        self.received = self._length
        self.is_complete = True
        if len(data) == missing:
            self._kept.add(data)
            return b""
        self._kept.add(data[:missing])
        return data[missing:]

    def value(self) -> bytes:
        """Return the whole body."""
        return self._kept.value()


class ChunkedBody:
    """A body in chunks (RFC 9112 7.1) of at most *limit* bytes, trailers dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = _Kept()
        self._line = bytearray()
        self._read: _Read = self._read_size
        self._missing = 0
        self._framing = 0
        self._trailers = 0
        self.received = 0
        self.is_complete = False

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body from *data*, and return what does not."""
        view, at = memoryview(data), 0
        while at < len(data) and not self.is_complete:
            at = self._read(data, view, at)
        return data[at:]

    def value(self) -> bytes:
        """Return the whole body."""
        return self._kept.value()

    def _read_size(self, data: bytes, _: memoryview, at: int) -> int:
        line, at = self._take_line(data, at, _CHUNK_LINE_BYTES)
        if line is None:
            return at
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise BodyUnreadable(_CHUNK)
        size = int(found.group(1), 16)
        if self.received + size > self._limit:
            raise BodyTooLarge
        self._missing = size
        self._read = self._read_data if size else self._read_trailer
        return at

    def _read_data(self, _: bytes, view: memoryview, at: int) -> int:
        piece = view[at : at + self._missing]
        self._kept.add(piece)
        self.received += len(piece)
        self._missing -= len(piece)
        if not self._missing:
            self._read = self._read_data_end
        return at + len(piece)

    def _read_data_end(self, data: bytes, _: memoryview, at: int) -> int:
        line, at = self._take_line(data, at, 0)
        if line is not None:
            self._read = self._read_size
        return at

    def _read_trailer(self, data: bytes, _: memoryview, at: int) -> int:
        line, at = self._take_line(data, at, _TRAILER_BYTES)
        if line is None:
            return at
        self._trailers += len(line)
        if not line:
            self.is_complete = True
        elif (
            self._trailers > _TRAILER_BYTES
            or not _FIELD_LINE.fullmatch(line)
            or line.lower().startswith(_FRAMING)
        ):
            raise BodyUnreadable(_TRAILER)
        return at

    def _take_line(self, data: bytes, at: int, limit: int) -> tuple[bytes | None, int]:
        """Return the line that ends in *data*, if one does, and where to go on."""
        end = data.find(b"\n", at)
        stop = len(data) if end < 0 else end + 1
        self._framing += stop - at
        self._line += data[at:stop]
        # Two bytes for its end; a line that has none yet may have one of them.
        if len(self._line) > limit + 2:
            raise BodyUnreadable(_CHUNK)
        if self._framing > self.received + _SPARE_FRAMING_BYTES:
            raise BodyUnreadable(_SMALL_CHUNKS)
        if end < 0:
            return None, stop
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r\n"):
            raise BodyUnreadable(_CHUNK)
        return line[:-2], stop


_CHUNK = Unreadable(
    status=400,
    code="http.chunk",
    message="The request's body is not framed as chunks are (RFC 9112 7.1).",
)
_TRAILER = Unreadable(
    status=400,
    code="http.trailer",
    message=(
        "What follows the last chunk of the request's body is no header field, or one"
        " about framing."
    ),
)
_SMALL_CHUNKS = Unreadable(
    status=400,
    code="http.chunk-overhead",
    message="The request's body comes in chunks so small that they are mostly framing.",
)
