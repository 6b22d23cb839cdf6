"""The usage object of an answer: whole, small, and without anybody's secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.raw_usage import MAX_RAW_BYTES, RawUsage
from tests.support.keys import ALL_CANARIES


def kept(*parts):
    raw = RawUsage()
    for part in parts:
        raw.add(part, len(json.dumps(part)))
    text = raw.text()
    return None if text is None else json.loads(text)


def test_what_comes_later_is_put_over_what_came_before():
    assert kept(
        {"input_tokens": 5, "output_tokens": 1, "speed": None, "tier": "a", "in": {}},
        {"output_tokens": 9, "input_tokens": 0, "tier": None, "in": {"x": 1}},
        {"speed": "fast", "in": {"y": 2, "x": 0}, "turns": [{"n": 1}], "new": None},
    ) == {
        "input_tokens": 5,
        "output_tokens": 9,
        "speed": "fast",
        "tier": "a",
        "in": {"x": 1, "y": 2},
        "turns": [{"n": 1}],
        "new": None,
    }


def test_nothing_is_kept_of_nothing():
    assert kept() is None
    assert kept({}) is None


@pytest.mark.parametrize(
    "secret", [*ALL_CANARIES, "sk-1234", "a b", "x" * 17, "a." * 40 + "b", ""]
)
def test_a_text_that_is_no_plain_word_is_not_kept(secret: str):
    assert kept({"n": 1, "key": secret, "deep": [{"key": secret}], secret: 1}) == {
        "n": 1,
        "key": None,
        "deep": [{"key": None}],
    }


def test_what_is_nested_deeply_is_not_kept():
    deep: object = 1
    for _ in range(400):
        deep = [{"in": deep}]

    assert kept({"n": 1, "deep": deep}) == {
        "n": 1,
        "deep": [{"in": [{"in": [None]}]}],
    }


def test_the_longest_values_are_left_out_of_what_is_too_long():
    turns = [{"type": "message", "input_tokens": n} for n in range(500)]

    assert kept({"iterations": turns, "input_tokens": 7, "speed": "fast"}) == {
        "input_tokens": 7,
        "speed": "fast",
    }


def test_what_is_said_over_and_over_does_not_grow():
    parts = [{f"n{at}": at, "total": at} for at in range(10_000)]

    whole = kept(*parts)

    assert whole["total"] == 9_999
    assert "n0" not in whole


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=60),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=8), json_values, max_size=4), max_size=3)
)
def test_the_text_is_bounded_json_whatever_came(parts):
    raw = RawUsage()
    for part in parts:
        raw.add(part, len(json.dumps(part)))

    text = raw.text()

    assert text is None or len(text.encode()) <= MAX_RAW_BYTES
    assert text is None or isinstance(json.loads(text), dict)
