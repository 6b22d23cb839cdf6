"""The size of what was written, told by bytes alone, is what JSON says it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.event_stream import EventStream, chunk_size, written_size

words = st.text(st.sampled_from('ab"\\:{},\n é\u4e2d') | st.characters(codec="utf-8"))
separators = st.sampled_from([(",", ":"), (", ", ": ")])


class Sink:
    def __init__(self) -> None:
        self.seen: list[object] = []

    def note_event(self, name: bytes) -> None:
        self.seen.append(name)

    def read_data(self, text: bytes) -> None:
        self.seen.append(text)

    def wrote(self, size: int) -> None:
        self.seen.append(size)


def dumps(value: object, spelt: tuple[str, str]) -> bytes:
    return json.dumps(value, separators=spelt, ensure_ascii=False).encode()


def delta(kind: str, name: str, text: str, spelt: tuple[str, str]) -> bytes:
    inner = {"type": kind, name: text}
    return dumps({"type": "content_block_delta", "index": 0, "delta": inner}, spelt)


@given(
    words,
    separators,
    st.sampled_from(
        [
            ("text_delta", "text"),
            ("thinking_delta", "thinking"),
            ("input_json_delta", "partial_json"),
        ]
    ),
)
def test_a_text_is_as_long_as_its_json(text, spelt, kind):
    quoted = len(json.dumps(text, ensure_ascii=False).encode()) - 2
    type_of_delta, name = kind
    if text in {":", ": "}:
        quoted = 0

    assert written_size(delta(type_of_delta, name, text, spelt)) == quoted


@given(words, separators)
def test_a_signature_is_not_written_by_the_model(text, spelt):
    assert written_size(delta("signature_delta", "signature", text, spelt)) == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b'{"type":1}', b'":"', b'text":"', b'text":"abc', b"[DONE]", b'"'],
)
def test_what_is_no_delta_has_no_size(data):
    assert written_size(data) == 0


@given(words)
def test_a_chunk_is_as_long_as_its_json(text):
    chunk = dumps(
        {
            "choices": [
                {"index": 0, "delta": {"content": text}, "finish_reason": None}
            ],
            "usage": None,
        },
        (",", ":"),
    )

    assert chunk_size(chunk) == len(json.dumps(text, ensure_ascii=False).encode()) - 2


@pytest.mark.parametrize(
    "choice",
    [
        '{"delta":{"content":"a"},"finish_reason":"stop"}',
        '{"delta":{"content":null},"finish_reason":null}',
        '{"delta":{"content":"a"}}',
        '{"delta":{"content":"a"},"finish_reason":null,"usage":{}}',
        '{"delta":{"content":"a"},"finish_reason":null,"error":{}}',
        '{"finish_reason":null,"delta":{"content":"a"}}',
    ],
)
def test_a_chunk_with_more_in_it_is_read(choice):
    assert chunk_size(b'{"choices":[%b]}' % choice.encode()) is None


EVENT = b"event: content_block_delta\ndata: " + delta(
    "text_delta", "text", "abc", (",", ":")
)
OTHER = b'event: message_delta\ndata: {"type":"message_delta"}'


def heard(*pieces: bytes) -> list[object]:
    sink = Sink()
    stream = EventStream(sink)
    for piece in pieces:
        stream.feed(piece)
    return sink.seen


@pytest.mark.parametrize(
    ("stream", "seen"),
    [
        (EVENT + b"\n\n", [3]),
        (EVENT + b"\r\n\n", [3]),
        (EVENT + b"\n\n" + EVENT + b"\n\n", [3, 3]),
        (
            EVENT + b"\n\n" + OTHER + b"\n\n" + EVENT + b"\n\n",
            [3, b"message_delta", b'{"type":"message_delta"}', 3],
        ),
        (EVENT + b"\n\nevent: ping\n\n" + EVENT + b"\n\n", [3, 3]),
        (EVENT + b"\n\n\n\n" + EVENT + b"\n\n", [3, 3]),
        (EVENT + b"\n:\n\n" + EVENT + b"\n\n", [3, 3]),
        (EVENT + b"\n\n" + EVENT[:-1] + b" " * 70_000 + b"}\n\n", [3, 3]),
        (EVENT[:-1] + b" " * 70_000 + b"}\n\n", [3]),
        (EVENT[:-1] + b" " * 300_000 + b"}\n\n", [0]),
        (EVENT.removeprefix(b"event: content_block_delta\n") + b"\n\n", [b"", 3]),
    ],
)
def test_whole_events_and_pieces_of_them_are_heard_alike(stream, seen):
    assert heard(stream) == seen
    size = 1 if len(stream) < 1000 else 1021
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert heard(*pieces) == seen
    assert heard(stream[:40], stream[40:]) == seen
