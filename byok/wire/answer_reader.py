"""Reads a server's answers with llhttp, one after the other."""

from collections.abc import Collection
from dataclasses import dataclass, field

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from byok.wire.heads import Headers
from byok.wire.limits import ClientLimits

_INTERIM = frozenset(range(100, 200)) - {101}
_FINAL = range(200, 600)
_VERSIONS = frozenset({"1.0", "1.1"})
_BODYLESS = frozenset({204, 304})
OF_THE_CONNECTION = frozenset(
    {b"connection", b"content-length", b"keep-alive", b"transfer-encoding"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """
    An answer up to its body.

    *fields* are in their order and in lower case, without the lines about this
    connection; *nominated* are the names its Connection line made hop-by-hop.
    *length_bytes* is None where it was not said; *ends_by_close* where nothing but
    the end of the connection ends the body.
    """

    status: int
    minor: int
    fields: Headers = field(repr=False)
    nominated: Collection[bytes] = field(repr=False)
    length_bytes: int | None
    ends_by_close: bool


class AnswerReader:
    """
    What llhttp makes of the bytes on one connection.

    After each `feed` it is to be asked: for the `head`, once it is there; for the
    `pieces` of the body since; whether the answer `is_complete`; whether `surplus`
    followed it; and how it is `broken`, if it is. `start` comes before each answer.
    """

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._parser = HttpResponseParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.start(bodyless=False)

    def start(self, *, bodyless: bool) -> None:
        """Expect the next answer, which has no body if its request was a HEAD."""
        self._bodyless = bodyless
        self._fields.clear()
        self._field_count = 0
        self._barren_bytes = 0
        self._interim = 0
        self.pieces = []
        self.head: AnswerHead | None = None
        self.is_complete = False
        self.keeps_alive = False
        self.surplus = False
        self.broken = ""

    def feed(self, data: bytes) -> None:
        """Read *data*."""
        pieces = len(self.pieces)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._break(str(error))
        # Trailers and the framing of chunks count as well: nothing else bounds them.
        if self.head is None or len(self.pieces) == pieces:
            self._barren_bytes += len(data)
            if self._barren_bytes > self._limits.head_bytes:
                self._break("its head or a trailer is too long")
        else:
            self._barren_bytes = 0

    def take_pieces(self) -> list[bytes]:
        """Return what came of the body since this was last asked."""
        pieces, self.pieces = self.pieces, []
        return pieces

    def _break(self, reason: str) -> None:
        # What cannot be read behind a complete answer does not break that answer.
        if self.is_complete:
            self.surplus = True
        elif not self.broken:
            self.broken = reason

    def on_message_begin(self) -> None:
        """Llhttp has seen the first byte of an answer."""
        if self.is_complete:
            self.surplus = True
        self._fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Llhttp has read a header field, or one of a trailer."""
        self._field_count += 1
        if self._field_count > self._limits.fields:
            self._break("it has too many header fields")
            raise ValueError(self.broken)
        if self.head is None:
            self._fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Llhttp has read a head."""
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status in _INTERIM:
            self._interim += 1
            if self._interim > self._limits.interim:
                self._break("it has too many interim answers")
                raise ValueError(self.broken)
            return
        # A 101 would change the protocol, which was not asked for.
        if status not in _FINAL:
            self._break("it has no status of an answer")
            raise ValueError(self.broken)
        self.head = self._read_head(status)
        if self._bodyless and status not in _BODYLESS:
            # llhttp does not know that this was a HEAD, and waits for a body.
            self.is_complete = True

    def on_body(self, data: bytes) -> None:
        """Llhttp has read a piece of the body."""
        if not self.is_complete:
            self.pieces.append(data)

    def on_message_complete(self) -> None:
        """Llhttp has read all of an answer."""
        if self.head is not None and not self.is_complete:
            self.is_complete = True
            self.keeps_alive = (
                self._parser.should_keep_alive() and not self.head.ends_by_close
            )

    def _read_head(self, status: int) -> AnswerHead:
        lengths = {value for name, value in self._fields if name == b"content-length"}
        codings = [
            value for name, value in self._fields if name == b"transfer-encoding"
        ]
        if codings and [each.lower() for each in codings] != [b"chunked"]:
            self._break("it has a transfer coding that is not chunked")
            raise ValueError(self.broken)
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            self._break("it is not of HTTP/1.1 or HTTP/1.0")
            raise ValueError(self.broken)
        bodyless = self._bodyless or status in _BODYLESS
        return AnswerHead(
            status=status,
            minor=0 if version == "1.0" else 1,
            fields=tuple(
                field for field in self._fields if field[0] not in OF_THE_CONNECTION
            ),
            nominated=frozenset(
                token.strip().lower()
                for name, value in self._fields
                if name == b"connection"
                for token in value.split(b",")
            ),
            length_bytes=int(next(iter(lengths))) if len(lengths) == 1 else None,
            ends_by_close=not (lengths or codings or bodyless),
        )
