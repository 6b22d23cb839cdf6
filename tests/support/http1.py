"""
Reads HTTP/1.1 requests off raw bytes and forgets nothing of how they looked.

The provider and the wiretap use it as a witness. It is written here, and not
borrowed from a library, so that a test can assert on the exact bytes a peer
sent: the case of a name, the order of lines, the framing.
"""

from dataclasses import dataclass, field
from hashlib import sha256

HeaderLines = tuple[tuple[bytes, bytes], ...]


class Unreadable(ValueError):
    """What arrived is not a request this reader can frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request's first lines, known before its body is."""

    raw: bytes
    method: bytes
    target: bytes
    version: bytes
    lines: HeaderLines
    length: int | None
    chunked: bool

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came over the wire."""

    connection: int
    head: Head
    body: bytes
    raw_body: bytes

    @property
    def method(self) -> bytes:
        return self.head.method

    @property
    def target(self) -> bytes:
        return self.head.target

    @property
    def path(self) -> bytes:
        return self.head.path

    @property
    def lines(self) -> HeaderLines:
        """Names in the case they had, values without the space around them."""
        return self.head.lines

    @property
    def raw(self) -> bytes:
        """Every byte of the request, framing included."""
        return self.head.raw + self.raw_body

    @property
    def body_sha256(self) -> str:
        return sha256(self.body).hexdigest()

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """All values of the header *name*, in order of arrival."""
        wanted = name.lower()
        return tuple(value for key, value in self.lines if key.lower() == wanted)

    def names(self) -> tuple[bytes, ...]:
        """The header names in lower case, in order of arrival, repeats kept."""
        return tuple(key.lower() for key, _ in self.lines)


def read_head(raw: bytes) -> Head:
    """Take the head *raw* (blank line included) apart, or raise `Unreadable`."""
    first, *rest = raw[:-4].split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
        raise Unreadable(f"request line {first!r}")
    lines = []
    for line in rest:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or b"\n" in line:
            raise Unreadable(f"header line of {len(line)} bytes, name {name!r}")
        lines.append((name, value.strip(b" \t")))
    lengths = [value for name, value in lines if name.lower() == b"content-length"]
    codings = [value for name, value in lines if name.lower() == b"transfer-encoding"]
    if len(lengths) > 1 or (lengths and not lengths[0].isdigit()):
        raise Unreadable(f"content-length {lengths!r}")
    if len(codings) > 1 or (codings and codings[0].lower() != b"chunked"):
        raise Unreadable(f"transfer-encoding {codings!r}")
    if lengths and codings:
        raise Unreadable("content-length beside transfer-encoding")
    return Head(
        raw=raw,
        method=parts[0],
        target=parts[1],
        version=parts[2],
        lines=tuple(lines),
        length=int(lengths[0]) if lengths else None,
        chunked=bool(codings),
    )


@dataclass(slots=True)
class ChunkReader:
    """Decodes one chunked body from a buffer that grows between calls."""

    body: bytearray = field(default_factory=bytearray)
    at: int = 0
    in_trailers: bool = False

    def read(self, data: bytearray) -> int | None:
        """Return the size of the framed body in *data*, None until it is whole."""
        while not self.in_trailers:
            line = self._line(data)
            if line is None:
                return None
            try:
                size = int(line.partition(b";")[0].strip(), 16)
            except ValueError:
                raise Unreadable(f"chunk size {line!r}") from None
            start = self.at + len(line) + 2
            if size == 0:
                self.at, self.in_trailers = start, True
                break
            if len(data) < start + size + 2:
                return None
            if data[start + size : start + size + 2] != b"\r\n":
                raise Unreadable("a chunk longer than it says")
            self.body += data[start : start + size]
            self.at = start + size + 2
        while (line := self._line(data)) is not None:
            self.at += len(line) + 2
            if not line:
                return self.at
        return None

    def _line(self, data: bytearray) -> bytes | None:
        end = data.find(b"\r\n", self.at)
        return None if end < 0 else bytes(data[self.at : end])


@dataclass(slots=True)
class RequestReader:
    """
    Cuts the bytes of one connection into requests.

    `head` is the head whose body is still arriving. Bytes behind a complete
    request stay in `pending` until the next `feed`, so pipelining is read too.
    """

    connection: int = 0
    head: Head | None = None
    pending: bytearray = field(default_factory=bytearray)
    _chunks: ChunkReader = field(default_factory=ChunkReader)

    def feed(self, data: bytes) -> list[Request]:
        """Take *data*; return the requests it completed."""
        self.pending += data
        complete: list[Request] = []
        while (request := self._next()) is not None:
            complete.append(request)
        return complete

    def _next(self) -> Request | None:
        if self.head is None:
            end = self.pending.find(b"\r\n\r\n")
            if end < 0:
                return None
            raw = self._take(end + 4)
            self.head = read_head(raw)
            self._chunks = ChunkReader()
        head = self.head
        size = self._chunks.read(self.pending) if head.chunked else head.length or 0
        if size is None or len(self.pending) < size:
            return None
        raw_body = self._take(size)
        self.head = None
        return Request(
            connection=self.connection,
            head=head,
            body=bytes(self._chunks.body) if head.chunked else raw_body,
            raw_body=raw_body,
        )

    def _take(self, size: int) -> bytes:
        taken = bytes(self.pending[:size])
        del self.pending[:size]
        return taken
