"""Requests of every kind, for hypothesis to put together, and ways to cut them."""

from dataclasses import dataclass

from hypothesis import strategies as st

from byok.wire.heads import Headers

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FRAMING = {
    b"connection",
    b"content-length",
    b"expect",
    b"host",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"upgrade",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as bytes, and what has to come of it; None if it is none."""

    raw: bytes
    method: bytes = b""
    target: bytes = b""
    headers: Headers = ()
    body: bytes | None = None


names = st.text(TOKEN, min_size=1, max_size=12).map(str.encode)
values = (
    st.binary(max_size=30)
    .map(lambda raw: bytes(b for b in raw if b >= 0x20 and b != 0x7F).strip(b" \t"))
    .filter(lambda value: len(value) < 31)
)
fields = st.tuples(names.filter(lambda name: name.lower() not in _FRAMING), values)
targets = st.text([chr(n) for n in range(0x21, 0x7F)], max_size=20).map(
    lambda text: b"/" + text.encode()
)
bodies = st.one_of(st.just(b""), st.binary(max_size=300))
padding = st.sampled_from([b"", b" ", b"\t", b"  "])


def behind(name: bytes) -> st.SearchStrategy[bytes]:
    """White space that may stand behind the value of *name*: llhttp is strict."""
    return padding if name.lower() not in _FRAMING else st.sampled_from([b"", b" "])


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """Frame *body* in chunks of any size, with extensions and trailers."""
    framed = b""
    at = 0
    while at < len(body):
        size = draw(st.integers(1, len(body) - at))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="x y"']))
        zeros = draw(st.sampled_from([b"", b"0", b"00"]))
        framed += zeros + b"%x%b\r\n" % (size, extension)
        framed += body[at : at + size] + b"\r\n"
        at += size
    trailer = draw(st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: b\r\nHost: evil\r\n"]))
    return framed + b"0\r\n" + trailer + b"\r\n"


@st.composite
def valid(draw: st.DrawFn) -> Sent:
    """Make a request that keeps its connection open."""
    headers = [(b"Host", b"byok.test"), *draw(st.lists(fields, max_size=5))]
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS"]))
    target = draw(targets)
    body = draw(bodies)
    framed = body
    framing = draw(st.sampled_from(["length", "chunks"]))
    if framing == "chunks":
        headers.append((b"Transfer-Encoding", b"chunked"))
        framed = draw(chunked(body))
    elif body or draw(st.booleans()):
        headers.append((b"Content-Length", b"%d" % len(body)))
    headers = draw(st.permutations(headers))
    lines = [
        b"%b:%b%b%b\r\n" % (name, draw(padding), value, draw(behind(name)))
        for name, value in headers
    ]
    return Sent(
        raw=b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, target, b"".join(lines), framed),
        method=method,
        target=target,
        headers=tuple((name.lower(), value) for name, value in headers),
        body=body,
    )


_BAD_LINES = (
    b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    b"Content-Length: +3",
    b"Content-Length: 3\r\nContent-Length: 3",
    b"Transfer-Encoding: identity",
    b"Host: second.test",
    b"X-A : 1",
    b"X-A: 1\r\n folded",
    b"X-A: \x00",
    b"X-A: a\nb",
    b"no colon",
    b"Expect: something",
)
_BAD_BODIES = (b"3 \r\nabc\r\n", b"0x3\r\n", b"3\r\nabcd\r\n", b"-1\r\n", b"3\nabc\n")

invalid = st.one_of(
    st.sampled_from(_BAD_LINES).map(
        lambda line: b"POST / HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n\r\n"
    ),
    st.sampled_from(_BAD_BODIES).map(
        lambda body: (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        )
    ),
    st.sampled_from(
        [
            b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
        ]
    ),
).map(lambda raw: Sent(raw=raw))


def cut(raw: bytes, points: list[int]) -> list[bytes]:
    """Cut *raw* at each of *points*, which may lie anywhere."""
    at = sorted({point % (len(raw) + 1) for point in points})
    pieces = zip([0, *at], [*at, len(raw)], strict=True)
    return [raw[start:end] for start, end in pieces if end > start]


cuts = st.lists(st.integers(0, 1 << 20), max_size=8)
