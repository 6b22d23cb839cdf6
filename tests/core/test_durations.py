"""Durations in LiteLLM's spelling."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.durations import Duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("60s", 60),
        ("5m", 300),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        (" 30d ", 2_592_000),
    ],
)
def test_a_number_and_a_unit_is_a_duration(text, seconds):
    assert parse_duration(text) == Duration(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "d", "30", "30 d", "-1", "0s", "0mo", "1.5h", "30D", "1y", "٣d"),
        *("1d1h", "99999d", "9999999999w", "1201mo", "1" * 5000 + "s"),
    ],
)
def test_anything_else_is_none(text):
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("start", "text", "end"),
    [
        ("2026-01-15", "1mo", "2026-02-15"),
        ("2026-01-31", "1mo", "2026-02-28"),
        ("2028-01-31", "1mo", "2028-02-29"),
        ("2026-12-05", "1mo", "2027-01-05"),
        ("2026-11-30", "14mo", "2028-01-30"),
    ],
)
def test_a_month_later_is_the_same_day_of_the_next_month(start, text, end):
    duration = parse_duration(text)

    assert duration is not None
    moment = duration.after(half_past_seven(start))
    assert moment == half_past_seven(end)


def half_past_seven(day: str) -> float:
    """Return that moment of *day* in UTC."""
    return (
        datetime.fromisoformat(day).replace(hour=7, minute=30, tzinfo=UTC).timestamp()
    )


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,10}(mo|[smhdw])", fullmatch=True))
def test_whatever_is_accepted_lies_ahead(text):
    duration = parse_duration(text)

    assert duration is None or duration.after(1_800_000_000.0) > 1_800_000_000.0
