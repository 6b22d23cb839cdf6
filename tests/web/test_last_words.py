"""Where a stream of events can be ended in words, and how."""

import json

import pytest

from byok.core.routes import Dialect
from byok.web.last_words import STOPPING, LastWords, last_words
from byok.wire.answer import Answer
from byok.wire.answer_reader import AnswerHead

EVENTS = {"content-type": "Text/Event-Stream; charset=utf-8"}


class Nowhere:
    """A connection on which nothing arrives any more."""

    def pause(self) -> None:
        """There is nothing to pause."""

    def resume(self) -> None:
        """There is nothing to resume."""

    def abort(self) -> None:
        """There is nothing to end."""


def words_for(status: int, headers: dict[str, str], length: int | None = None):
    fields = tuple((name.encode(), value.encode()) for name, value in headers.items())
    head = AnswerHead(
        status=status,
        minor=1,
        fields=fields,
        nominated=frozenset(),
        length_bytes=length,
        ends_by_close=False,
    )
    answer = Answer(Nowhere(), head)
    return last_words(answer, dialect=Dialect.ANTHROPIC, request_id="req_1")


@pytest.mark.parametrize(
    "headers", [EVENTS, {**EVENTS, "content-encoding": "identity"}]
)
def test_a_plain_stream_of_events_can_be_ended_in_words(headers):
    assert words_for(200, headers) is not None


@pytest.mark.parametrize(
    ("status", "headers", "length"),
    [
        (529, EVENTS, None),
        (200, {"content-type": "application/json"}, None),
        (200, {}, None),
        (200, {**EVENTS, "content-encoding": "gzip"}, None),
        (200, EVENTS, 400),
    ],
)
def test_nothing_else_can(status, headers, length):
    assert words_for(status, headers, length) is None


@pytest.mark.parametrize(
    ("pieces", "gap"),
    [
        ([], b""),
        ([b"data: 1\n\n"], b""),
        ([b"data: 1\n", b"\n"], b""),
        ([b"data: 1\r\n\r\n"], b""),
        ([b"data: 1\r\n", b"\r", b"\n"], b""),
        ([b"data: 1\n"], b"\n"),
        ([b"data: 1\r\n"], b"\n"),
        ([b"data: 1"], b"\n\n"),
        ([b"data: 1\n\n", b"", b"d"], b"\n\n"),
    ],
)
@pytest.mark.parametrize("dialect", Dialect)
def test_the_event_begins_where_the_last_one_is_over(pieces, gap, dialect):
    words = LastWords(dialect=dialect, request_id="req_1")
    for piece in pieces:
        words.passed(piece)

    said = words.say(STOPPING)

    name = b"event: error\n" if dialect is Dialect.ANTHROPIC else b""
    begin = gap + name + b"data: "
    assert said.startswith(begin)
    assert said.endswith(b"\n\n")
    assert STOPPING.message in json.dumps(json.loads(said[len(begin) :]))
