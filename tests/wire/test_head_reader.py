"""Heads of one connection are read as if each came by itself."""

from hypothesis import given
from hypothesis import strategies as st

from byok.wire.heads import HeadReader, RequestHead, read_request_head
from byok.wire.limits import ServerLimits

LIMITS = ServerLimits()
BEFORE = (b"POST /v1/messages HTTP/1.1", b"host: a")
LENGTHS = (
    b"content-length: 1",
    b"Content-Length: 12",
    b"content-length:\t12 ",
    b"content-length: 999999",
    b"content-length: 012",
    b"content-length: +1",
    b"content-length: 1 2",
    b"content-length: 1, 1",
    b"content-length: ",
    b"content-length: 99999999999999999999999",
    b"transfer-encoding: chunked",
    b"x-content-length: 5",
    b"content-length: 1\r\ncontent-length: 2",
)
lines = st.sampled_from((*LENGTHS, b"x-api-key: one", b"x-api-key: two", b"x: 3"))
heads = st.builds(
    lambda first, rest: b"\r\n".join((first, *rest)) + b"\r\n\r\n",
    st.sampled_from((BEFORE[0], b"GET / HTTP/1.1", b"POST / HTTP/1.0")),
    st.lists(lines, max_size=3).map(lambda rest: (BEFORE[1], *rest)),
)


@given(st.lists(heads, min_size=2, max_size=6))
def test_a_head_is_read_as_if_it_were_the_first(raws):
    reader = HeadReader(LIMITS)

    for raw in raws:
        assert reader.read(raw) == read_request_head(raw, LIMITS)


def test_a_head_that_comes_again_is_the_same_object():
    reader = HeadReader(LIMITS)
    raw = b"\r\n".join((*BEFORE, b"content-length: 12", b"x: y", b"", b""))
    first = reader.read(raw)

    assert reader.read(raw) is first
    longer = reader.read(raw.replace(b"12", b"1234"))

    assert isinstance(longer, RequestHead)
    assert longer.length == 1234
    assert longer.headers[1:] == ((b"content-length", b"1234"), (b"x", b"y"))
    assert reader.read(raw) is first
