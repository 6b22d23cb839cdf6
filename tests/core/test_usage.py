import itertools
import json
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.event_stream import MAX_EVENT_BYTES
from byok.core.usage import MAX_JSON_BYTES, Usage, UsageReader
from tests.support import sse


def read_whole(*pieces):
    reader = UsageReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.usage()


def read(*pieces):
    """Read all but the usage object itself."""
    return replace(read_whole(*pieces), raw=None)


def data(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


STARTED = sse.event(
    "message_start",
    message={
        "type": "message",
        "model": "claude-sonnet-5-5",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 1,
            "cache_read_input_tokens": 2000,
            "cache_creation_input_tokens": 300,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 100,
                "ephemeral_1h_input_tokens": 200,
            },
        },
    },
)
TEXT = (
    sse.event("content_block_start", index=0, content_block={"type": "text"}),
    sse.PING,
    sse.COMMENT,
    sse.event("content_block_delta", index=0, delta={"text": '{"usage": 99}'}),
    sse.event("content_block_delta", index=0, delta={}, usage={"output_tokens": 2**40}),
)
ENDED = sse.closing(stop_reason="tool_use", output_tokens=42)
ANTHROPIC = b"".join((STARTED, *TEXT, *ENDED))
OPENAI = b"".join(
    (
        data({"model": "gpt-5", "choices": [{"delta": {}, "finish_reason": None}]}),
        data({"model": "gpt-5", "choices": [{"delta": {}, "finish_reason": "stop"}]}),
        data(
            {
                "model": "gpt-5",
                "choices": [],
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 7,
                    "prompt_tokens_details": {"cached_tokens": 60},
                },
            }
        ),
        b"data: [DONE]\n\n",
    )
)
FROM_ANTHROPIC = Usage(
    input_tokens=10,
    output_tokens=42,
    cache_read_input_tokens=2000,
    cache_creation_input_tokens=300,
    cache_creation_5m_input_tokens=100,
    cache_creation_1h_input_tokens=200,
    model="claude-sonnet-5-5",
    stop_reason="tool_use",
    saw_terminal=True,
)
FROM_OPENAI = Usage(
    input_tokens=40,
    output_tokens=7,
    cache_read_input_tokens=60,
    model="gpt-5",
    stop_reason="stop",
    saw_terminal=True,
)


# -- Streams ---------------------------------------------------------------------


def test_an_anthropic_stream_is_read():
    assert read(STARTED, *TEXT, *ENDED) == FROM_ANTHROPIC


def test_an_openai_stream_is_read():
    assert read(OPENAI) == FROM_OPENAI


@pytest.mark.parametrize(
    "stream",
    [
        ANTHROPIC.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf\n\n" + ANTHROPIC,
        ANTHROPIC.replace(b": ", b":"),
        b"\n".join(
            line for line in ANTHROPIC.split(b"\n") if not line.startswith(b"event:")
        ),
        ANTHROPIC.replace(b', "', b',\ndata: "').replace(b',"', b',\ndata: "'),
    ],
    ids=["crlf", "bom", "without spaces", "without names", "several data lines"],
)
def test_the_spellings_of_an_event_stream_are_read_alike(stream):
    assert read(stream) == FROM_ANTHROPIC


def test_a_stream_without_its_last_event_is_not_complete():
    usage = read(STARTED, *TEXT, ENDED[0])

    assert not usage.saw_terminal
    assert usage.output_tokens == 42


def test_a_stream_that_was_cut_keeps_the_figures_of_its_start():
    usage = read(STARTED, *TEXT, ENDED[0][:-1])

    assert (usage.input_tokens, usage.output_tokens) == (10, 4)
    assert usage.estimated
    assert usage.stop_reason is None


@pytest.mark.parametrize(
    "failed",
    [
        sse.error_event("overloaded_error", "Overloaded"),
        b"event: error\ndata: no JSON\n\n",
        data({"error": {"message": "The server had an error"}}),
        data({"type": "error"}),
    ],
)
def test_an_error_in_the_stream_is_seen(failed):
    usage = read(STARTED + failed)

    assert usage.saw_error
    assert not usage.saw_terminal
    assert usage.input_tokens == 10


def test_a_text_that_looks_like_an_ending_is_none():
    usage = read(
        STARTED,
        sse.event("content_block_delta", delta={"text": "message_stop [DONE]"}),
        b": data: [DONE]\n\n",
        b"event: message_stop\n\n",
        b"event: content_block_delta\ndata: [DONE]\n\n",
    )

    assert not usage.saw_terminal
    assert not usage.saw_error


def test_zeros_at_the_end_do_not_undo_what_was_counted():
    late = sse.event(
        "message_delta", delta={}, usage={"input_tokens": 0, "output_tokens": 5}
    )

    assert read(STARTED, late).input_tokens == 10


@pytest.mark.parametrize(
    "odd",
    [
        data({"type": "message_start", "message": None}),
        data({"type": "message_start"}),
        data({"type": "message_delta", "delta": [], "usage": []}),
        data({"type": "message_delta"}),
        data({"type": 1, "model": 1, "choices": 7, "usage": {"cache_creation": 1}}),
        data({"choices": [1]}),
        data({"choices": [{"finish_reason": 1}]}),
        data({"model": "x" * 2000, "stop_reason": ""}),
        data({"usage": {"input_tokens": -1, "output_tokens": True}}),
        data({"usage": {"input_tokens": 1.5, "output_tokens": 2**60}}),
        data({"usage": {"prompt_tokens": "1", "completion_tokens": None}}),
        data([]),
        b"data\n\n",
        b"data:\n\n",
        b"data: " + b"[" * 5000 + b"\n\n",
        b'data: {"model": "\xff"}\n\n',
        b"<html><body>Bad gateway</body></html>",
    ],
)
def test_what_makes_no_sense_leaves_no_figure(odd):
    assert read(odd) == Usage()


def test_cached_tokens_beyond_those_of_the_prompt_are_not_believed():
    used = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}

    assert read(data({"usage": used})) == Usage(input_tokens=5)


# -- JSON ------------------------------------------------------------------------


def test_an_anthropic_message_is_read():
    body = sse.dumps(
        sse.message((sse.tool_block("f", {"usage": {"input_tokens": 99}}),))
    )

    usage = read(body)

    assert usage == Usage(
        input_tokens=12,
        output_tokens=7,
        cache_read_input_tokens=0,
        cache_creation_input_tokens=0,
        service_tier="standard",
        model=sse.MODEL,
        stop_reason="end_turn",
        saw_terminal=True,
    )


def test_an_openai_completion_is_read():
    body = {
        "model": "gpt-5",
        "choices": [{"message": {"content": "hi"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }

    assert read(json.dumps(body, indent=1).encode()) == Usage(
        input_tokens=3,
        output_tokens=4,
        model="gpt-5",
        stop_reason="length",
        saw_terminal=True,
    )


def test_an_error_body_is_an_error():
    usage = read(sse.error_body("overloaded_error", "Overloaded"))

    assert usage == Usage(saw_terminal=True, saw_error=True)


@pytest.mark.parametrize("body", [b"", b" ", b'{"usage":{"input_tokens":1}'])
def test_a_json_answer_that_is_not_whole_has_no_figures(body):
    assert read(body) == Usage()


# -- What the figures say ------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "writes"),
    [
        ({}, (None, None)),
        ({"cache_creation_input_tokens": 9}, (9, None)),
        ({"cache_creation_5m_input_tokens": 9}, (9, None)),
        (
            {
                "cache_creation_input_tokens": 9,
                "cache_creation_5m_input_tokens": 2,
                "cache_creation_1h_input_tokens": 4,
            },
            (5, 4),
        ),
        (
            {
                "cache_creation_input_tokens": 0,
                "cache_creation_5m_input_tokens": 2,
                "cache_creation_1h_input_tokens": 4,
            },
            (2, 4),
        ),
    ],
)
def test_no_write_to_a_cache_is_lost(figures, writes):
    usage = Usage(**figures)

    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == writes


def test_an_ending_is_seen_beside_a_text_of_unknown_form():
    choice = {"delta": {"tool_calls": 7}, "finish_reason": "stop"}

    assert read(data({"choices": [choice]})) == Usage(stop_reason="stop")


def test_calls_of_no_function_are_no_text():
    choice = {"delta": {"content": 1, "tool_calls": [{"function": None}]}}

    assert read(data({"choices": [choice, {"delta": None}]})) == Usage()


def test_a_usage_object_that_is_no_text_has_no_figures():
    assert read_whole(b'{"usage":{"input_tokens":1,"a":"\xff"}}') == Usage(
        saw_terminal=True
    )


def test_the_figures_of_a_huge_usage_object_are_read_and_it_is_not_kept():
    huge = {"input_tokens": 3, "iterations": [{"type": "message"}] * 2_000 + [1]}

    assert read_whole(data({"usage": huge})) == Usage(input_tokens=3)


def test_odd_counts_of_a_compaction_are_passed_over():
    turn = {"type": "compaction", "input_tokens": 4, "output_tokens": "many"}

    usage = read(data({"usage": {"input_tokens": 3, "iterations": [turn, turn]}}))

    assert usage == Usage(input_tokens=11)


def test_a_word_of_unknown_meaning_is_no_figure():
    assert read(
        data({"usage": {"input_tokens": 3, "mood": "good", "moods": []}})
    ) == Usage(input_tokens=3)


def test_a_word_that_could_be_a_key_is_no_service_tier():
    assert read(data({"service_tier": "sk-1234"})) == Usage()


# -- Laws ------------------------------------------------------------------------

LONG = b"data: " + b"x" * (MAX_EVENT_BYTES + 1) + b"\n"
streams = st.lists(
    st.sampled_from(
        [
            STARTED,
            *TEXT,
            *ENDED,
            OPENAI,
            sse.error_event("overloaded_error", "Overloaded"),
            b"event: error\n" + LONG + b"\n",
            LONG,
            b"\n",
            b"\r\n",
            b"\r",
            b"event: content_block_delta\n",
            b"data: [DONE]\n",
        ]
    )
    | st.binary(max_size=4)
).map(b"".join)
answers = (
    streams
    | st.just(json.dumps(sse.message(())).encode())
    | st.binary(max_size=30).map(lambda tail: b'{"model":"x"' + tail)
)


@given(answers, st.lists(st.integers(0, 400_000)))
def test_the_figures_do_not_depend_on_how_the_bytes_are_split(answer, cuts):
    places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    pieces = [answer[start:end] for start, end in itertools.pairwise(places)]

    assert read_whole(*pieces) == read_whole(answer)


@pytest.mark.parametrize("answer", [ANTHROPIC, OPENAI])
def test_byte_by_byte_gives_the_same_figures(answer):
    assert read(*(answer[at : at + 1] for at in range(len(answer)))) == read(answer)


@given(st.lists(st.binary()))
def test_no_bytes_at_all_raise(pieces):
    assert read(*pieces) == read(b"".join(pieces))


@pytest.mark.parametrize("prefix", [b"data: ", b'{"content":"', b"event: "])
def test_a_line_of_a_hundred_megabytes_is_not_kept(prefix):
    reader = UsageReader()
    piece = b"x" * 65_536

    tracemalloc.start()
    try:
        reader.feed(STARTED if prefix != b'{"content":"' else b"")
        reader.feed(prefix)
        for _ in range(1_600):
            reader.feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reader.feed(b"\n\n" + b"".join(ENDED))

    assert peak < MAX_JSON_BYTES + 100_000
    assert reader.usage().saw_terminal == (prefix != b'{"content":"')


def test_many_lines_of_one_event_are_not_kept_either():
    reader = UsageReader()
    line = b"data: " + b"x" * 1000 + b"\n"

    tracemalloc.start()
    try:
        for _ in range(10_000):
            reader.feed(line)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reader.feed(b"\n" + ANTHROPIC)

    assert peak < 2 * MAX_EVENT_BYTES
    assert replace(reader.usage(), raw=None) == FROM_ANTHROPIC
