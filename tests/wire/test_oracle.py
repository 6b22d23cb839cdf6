"""Another parser of good name, h11, sees the same in the same bytes."""

from dataclasses import replace

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.corpus import PAYLOADS
from tests.wire.requests import cut, cuts, valid
from tests.wire.serving import Request, converse

# h11 keeps no connection to a client that speaks HTTP/1.0, which is safe as well.
_OURS_ALONE = frozenset({"http10-keep-alive"})
_DISPATCHED = [
    each for each in PAYLOADS if each.dispatched and each.name not in _OURS_ALONE
]


def read_with_h11(raw: bytes, most: int) -> list[Request]:
    """Return the first *most* requests that h11 sees in *raw*."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    reader.receive_data(raw)
    requests: list[Request] = []
    head: h11.Request | None = None
    body = b""
    while len(requests) < most:
        event = reader.next_event()
        if isinstance(event, h11.Request):
            head, body = event, b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            requests.append(
                Request(
                    method=head.method,
                    target=head.target,
                    headers=tuple((bytes(n), bytes(v)) for n, v in head.headers),
                    body=body,
                )
            )
            answer_with_h11(reader)
        else:
            pytest.fail(f"h11 waits at {event!r} after {len(requests)}")
    return requests


def as_h11_says(request: Request) -> Request:
    """Write the one value in lower case that h11 does."""
    headers = tuple(
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in request.headers
    )
    return replace(request, headers=headers)


def answer_with_h11(reader: h11.Connection) -> None:
    reader.send(h11.Response(status_code=200, headers=[(b"content-length", b"0")]))
    reader.send(h11.EndOfMessage())
    if reader.our_state is h11.DONE and reader.their_state is h11.DONE:
        reader.start_next_cycle()


@pytest.mark.parametrize(
    "payload", _DISPATCHED, ids=[each.name for each in _DISPATCHED]
)
def test_what_is_dispatched_of_the_corpus_is_what_h11_reads(payload):
    # RFC 9112 lets a server skip an empty line, and h11 does not.
    raw = payload.raw.replace(b"abc\r\nGET", b"abcGET").removeprefix(b"\r\n")
    outcome = converse([payload.raw])

    read = read_with_h11(raw, payload.dispatched)
    assert [as_h11_says(each) for each in outcome.requests] == read


@settings(max_examples=150)
@given(st.lists(valid(), min_size=1, max_size=4), cuts)
def test_what_is_dispatched_is_what_h11_reads(sequence, points):
    raw = b"".join(each.raw for each in sequence)
    outcome = converse(cut(raw, points))

    assert len(outcome.requests) == len(sequence)
    assert list(outcome.requests) == read_with_h11(raw, len(sequence))
