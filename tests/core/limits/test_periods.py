"""Periods end when people expect it: at midnight, on Monday, on the first."""

from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.limits.periods import (
    MONTH,
    TOTAL,
    parse_period,
)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = at("2026-11-24T12:30:00")


@pytest.mark.parametrize(
    ("word", "start", "end"),
    [
        ("day", "2026-11-24", "2026-11-25"),
        ("1d", "2026-11-24", "2026-11-25"),
        ("24h", "2026-11-24", "2026-11-25"),
        ("week", "2026-11-23", "2026-11-30"),
        ("7d", "2026-11-23", "2026-11-30"),
        ("1w", "2026-11-23", "2026-11-30"),
        (" Monthly ", "2026-11-01", "2026-12-01"),
        ("30d", "2026-11-01", "2026-12-01"),
        ("1mo", "2026-11-01", "2026-12-01"),
        ("2mo", "2026-11-01", "2027-01-01"),
        ("3mo", "2026-10-01", "2027-01-01"),
        ("12mo", "2026-01-01", "2027-01-01"),
        ("12h", "2026-11-24T12:00:00", "2026-11-25T00:00:00"),
        ("90s", "2026-11-24T12:30:00", "2026-11-24T12:31:30"),
    ],
)
def test_a_period_begins_and_ends_where_its_word_says(word, start, end):
    period = parse_period(word)

    assert period is not None
    assert period.span(NOW) == (at(start), at(end))


@pytest.mark.parametrize(
    ("month", "start", "end"),
    [
        ("2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("2027-01-01", "2027-01-01", "2027-02-01"),
        ("2028-02-29", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_month_is_a_month_of_the_calendar(month, start, end):
    assert MONTH.span(at(month)) == (at(start), at(end))


def test_other_spans_follow_on_themselves_from_their_anchor():
    made = at("2026-11-01T09:00:00")
    period = parse_period("10d", anchor=made)

    assert period is not None
    assert period.span(made) == (made, at("2026-11-11T09:00:00"))
    assert period.span(NOW) == (at("2026-11-21T09:00:00"), at("2026-12-01T09:00:00"))
    assert period.span(made - 1)[1] == made


@pytest.mark.parametrize(("word", "length"), [("1d", 86_400), ("1mo", 2_592_000)])
def test_what_lives_with_its_first_use_ends_so_long_after_it(word, length):
    period = parse_period(word, from_first_use=True)

    assert period is not None
    assert period.span(NOW) == (NOW, NOW + length)
    assert period.word == f"in {word}"


def test_no_duration_is_a_period_without_an_end():
    assert parse_period(None) is TOTAL
    assert TOTAL.span(NOW) == (0.0, inf)


@pytest.mark.parametrize("word", ["", "0d", "fortnight", "1y", "-1d"])
def test_what_is_no_period_is_none(word):
    assert parse_period(word) is None


def test_a_day_of_a_session_is_no_word():
    assert parse_period("day", from_first_use=True) is None


def test_equal_periods_have_one_key_and_others_another():
    texts = ["day", "week", "month", "2mo", "12h", "10d", None]

    def keys(anchor: float) -> list[str]:
        found = [parse_period(text, anchor=anchor) for text in texts]
        return [period.key for period in found if period is not None]

    assert keys(0.0) == keys(0.0)
    assert len({*keys(0.0), *keys(7.0)}) == len(texts) + 2
    assert MONTH.key in keys(7.0)


repeating = st.sampled_from(["day", "week", "month", "5mo", "12h", "10d", "7s"])


@given(repeating, st.floats(0, 4e9), st.floats(0, 4e9))
def test_every_moment_is_in_one_period_and_the_next_begins_at_its_end(
    word, now, anchor
):
    period = parse_period(word, anchor=anchor)

    assert period is not None
    span = period.span(now)
    assert span.start <= now + 1e-6
    assert now < span.end + 1e-6
    assert period.span(span.end + 1e-3).start == pytest.approx(span.end)
