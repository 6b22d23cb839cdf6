"""
Reads a request's head, and refuses each that another server could read otherwise.

llhttp reads; what it lets pass is refused here. The RFCs let a server repair much
of this, but whoever stands before or behind us may repair it in another way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from httptools import (
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from byok.wire.errors import Unreadable
from byok.wire.limits import ServerLimits

Field = tuple[bytes, bytes]
Headers = tuple[Field, ...]

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})

# Exactly one space, an uppercase method, and a version that names this protocol:
# llhttp takes two spaces, no version, and HTTP/2.0.
_REQUEST_LINE = re.compile(
    rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+) ([^ \r\n]+) HTTP/1\.([01])\r\n"
)
_METHOD_ALONE = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+ ")
_OTHER_VERSION = re.compile(
    rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+ [^ \r\n]+ HTTP/(?!1\.[01]\r)[0-9]+(?:\.[0-9]+)?\r\n"
)
# RFC 3986 3.2.2, as a filter for bytes: no server of ours ever uses the value.
_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?"
)
# One spelling of each number: no sign, no leading zero, 19 digits at most.
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,18}")
_NOT_IN_A_HEAD = bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100)) + b"\t\r\n"
_PADDING = b" \t"
_PADDED = (b" \r\n", b"\t\r\n")
# Found where there is exactly one, in a head that was read already.
_LENGTH_LINE = re.compile(
    rb"\n[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]:[ \t]*([0-9]+)"
)
_TELLING = frozenset({b"content-length", b"transfer-encoding", b"host", b"expect"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """
    A request up to its body.

    Header names are lower case, values without outer white space, repeats apart.
    *length* is in bytes, 0 where no body was announced, None where it is *chunked*.
    """

    method: bytes
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    minor: int
    length: int | None
    keeps_alive: bool
    expects_continue: bool

    @property
    def chunked(self) -> bool:
        """Does the body come in chunks?"""
        return self.length is None


class _Reading:
    """What llhttp says while it reads one head."""

    __slots__ = ("fields", "keeps_alive", "parser")

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.keeps_alive = False
        self.parser = HttpRequestParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.keeps_alive = self.parser.should_keep_alive()


class HeadReader:
    """
    Reads the heads that come over one connection, most of them like the one before.

    A client repeats all of its head but for the length of the body. Then nothing but
    that is read: a reading is the same for the same bytes.
    """

    __slots__ = ("_before", "_behind", "_digits", "_last", "_limits")

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._last: RequestHead | None = None
        self._before = self._digits = self._behind = b""

    def read(self, raw: bytes) -> RequestHead | Unreadable:
        """Return what `read_request_head` makes of *raw*."""
        last = self._last
        if (
            last is not None
            and raw.startswith(self._before)
            and raw.endswith(self._behind)
        ):
            digits = raw[len(self._before) : len(raw) - len(self._behind)]
            if digits == self._digits:
                return last
            if self._digits and _LENGTH.fullmatch(digits):
                return self._of_another_length(last, digits)
        head = read_request_head(raw, self._limits)
        if isinstance(head, RequestHead):
            self._remember(raw, head)
        return head

    def _remember(self, raw: bytes, head: RequestHead) -> None:
        found = _LENGTH_LINE.search(raw)
        start, end = (len(raw), len(raw)) if found is None else found.span(1)
        self._before, self._digits, self._behind = (
            raw[:start],
            raw[start:end],
            raw[end:],
        )
        self._last = head

    def _of_another_length(self, last: RequestHead, digits: bytes) -> RequestHead:
        headers = tuple(
            (name, digits if name == b"content-length" else value)
            for name, value in last.headers
        )
        return replace(last, headers=headers, length=int(digits))


def read_request_head(raw: bytes, limits: ServerLimits) -> RequestHead | Unreadable:
    """
    Read *raw*, a head with the empty line that ends it, or say why not.

    The rules are those of RFC 9112 sections 2 to 6, each in its strict reading.
    """
    line = _read_line(raw, limits)
    if isinstance(line, Unreadable):
        return line
    if not is_clean(raw):
        return _LINES
    reading = _Reading()
    try:
        reading.parser.feed_data(raw)
    except HttpParserUpgrade:
        # An offer to change the protocol, which we need not take (RFC 9110 7.8).
        pass
    except HttpParserError as error:
        return _unreadable(str(error))
    return _head_of(raw, reading, line, limits)


def _read_line(raw: bytes, limits: ServerLimits) -> re.Match[bytes] | Unreadable:
    """Read the request line that *raw* begins with."""
    line = _REQUEST_LINE.match(raw)
    if line is None:
        return _VERSION if _OTHER_VERSION.match(raw) else _LINE
    method, target = line.group(1, 2)
    if method not in METHODS:
        return _METHOD
    if len(target) > limits.target_bytes:
        return _TARGET_TOO_LONG
    if not target.isascii():
        return _TARGET_BYTES
    if not target.startswith(b"/") and (method, target) != (b"OPTIONS", b"*"):
        return _TARGET
    return line


def is_clean(raw: bytes) -> bool:
    r"""
    Is *raw* made of lines that end in CRLF, hold no control byte and are not folded?

    Checked on the bytes themselves: a parser shows a field, and not how it stood.
    """
    ends = raw.count(b"\r\n")
    return (
        not raw.translate(None, _NOT_IN_A_HEAD)
        and ends == raw.count(b"\n") == raw.count(b"\r")
        and b"\n " not in raw
        and b"\n\t" not in raw
    )


def _head_of(
    raw: bytes,
    reading: _Reading,
    line: re.Match[bytes],
    limits: ServerLimits,
) -> RequestHead | Unreadable:
    method, target, minor = line[1], line[2], int(line[3])
    fields = reading.fields
    if len(fields) > limits.fields:
        return _TOO_MANY_FIELDS
    if any(end in raw for end in _PADDED):
        # llhttp leaves the white space behind a value to whoever reads it.
        fields = [(name, value.rstrip(_PADDING)) for name, value in fields]
    headers = tuple(fields)
    if len(raw) > limits.value_bytes and any(
        len(value) > limits.value_bytes for _, value in headers
    ):
        return _VALUE_TOO_LONG
    telling = [field for field in headers if field[0] in _TELLING]
    length = _length_of(telling, minor)
    if isinstance(length, Unreadable):
        return length
    expects = [value.lower() for name, value in telling if name == b"expect"]
    if minor and any(value != b"100-continue" for value in expects):
        return _EXPECTATION
    return _check_host(telling, minor) or RequestHead(
        method=method,
        target=target,
        headers=headers,
        minor=minor,
        length=length,
        keeps_alive=reading.keeps_alive,
        expects_continue=bool(minor and expects),
    )


def _length_of(telling: Sequence[Field], minor: int) -> int | Unreadable | None:
    """Return a body's length, None for chunks (RFC 9112 6.3, without its repairs)."""
    lengths = [value for name, value in telling if name == b"content-length"]
    codings = [value for name, value in telling if name == b"transfer-encoding"]
    if codings:
        plain = minor and not lengths and [each.lower() for each in codings]
        return None if plain == [b"chunked"] else _TRANSFER_ENCODING
    if not lengths:
        return 0
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        return _CONTENT_LENGTH
    return int(lengths[0])


def _check_host(telling: Sequence[Field], minor: int) -> Unreadable | None:
    hosts = [value for name, value in telling if name == b"host"]
    if len(hosts) > 1 or (minor and not hosts):
        return _HOST_COUNT
    return None if all(map(_HOST.fullmatch, hosts)) else _HOST_VALUE


def could_become_a_head(
    begun: bytes | bytearray, limits: ServerLimits
) -> Unreadable | None:
    """
    Refuse what has *begun* as something that no more bytes can make a request.

    Otherwise a TLS hello on a plain port would sit there until its deadline. It says
    what `read_request_head` would, so that an answer does not depend on segments.
    """
    first_line, newline, _ = begun.partition(b"\n")
    if newline:
        line = _read_line(bytes(first_line) + b"\n", limits)
        if isinstance(line, Unreadable):
            return line
    elif first_line and not _METHOD_ALONE.match(first_line + b" "):
        return _LINE
    return None if begun.count(b"\n") == begun.count(b"\r\n") else _LINES


def _unreadable(reason: str) -> Unreadable:
    # llhttp's reasons are fixed texts; they quote nothing of the request.
    return Unreadable(
        status=400,
        code="http.head",
        message=f"The request's head is not valid HTTP/1.1: {reason}.",
    )


_LINE = Unreadable(
    status=400,
    code="http.request-line",
    message="The request line is not `METHOD target HTTP/1.1` with single spaces.",
)
_VERSION = Unreadable(
    status=505,
    code="http.version",
    message="This server speaks HTTP/1.1 and HTTP/1.0.",
)
_METHOD = Unreadable(
    status=405,
    code="http.method",
    message="The method is none that is known here; methods are upper case.",
)
_TARGET = Unreadable(
    status=400,
    code="http.target",
    message=(
        "The target is not a path: this server is no forward proxy, so neither a"
        " whole URL nor CONNECT is taken."
    ),
)
_TARGET_BYTES = Unreadable(
    status=400,
    code="http.target",
    message="The target holds bytes that have to be percent-encoded (RFC 3986).",
)
_TARGET_TOO_LONG = Unreadable(
    status=414, code="http.target-too-long", message="The request target is too long."
)
_LINES = Unreadable(
    status=400,
    code="http.lines",
    message=(
        "The head holds a control byte, a folded line, or a line that does not end"
        " in CRLF."
    ),
)
_TOO_MANY_FIELDS = Unreadable(
    status=431, code="http.too-many-fields", message="The head has too many fields."
)
_VALUE_TOO_LONG = Unreadable(
    status=431, code="http.value-too-long", message="A header's value is too long."
)
HEAD_TOO_LONG = Unreadable(
    status=431, code="http.head-too-long", message="The request's head is too long."
)
HEAD_TOO_SLOW = Unreadable(
    status=408,
    code="http.head-too-slow",
    message="The request's head was not complete in time.",
)
_CONTENT_LENGTH = Unreadable(
    status=400,
    code="http.content-length",
    message="Content-Length is not one plain number.",
)
_TRANSFER_ENCODING = Unreadable(
    status=400,
    code="http.transfer-encoding",
    message=(
        "Transfer-Encoding must be exactly `chunked`, once, in HTTP/1.1, and without"
        " Content-Length."
    ),
)
_HOST_VALUE = Unreadable(
    status=400, code="http.host", message="Host is no host, with or without a port."
)
_HOST_COUNT = Unreadable(
    status=400, code="http.host", message="HTTP/1.1 wants exactly one Host line."
)
_EXPECTATION = Unreadable(
    status=417,
    code="http.expectation",
    message="The only expectation that can be met is 100-continue.",
)
