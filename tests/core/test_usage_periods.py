"""From when until when, as people write it."""

import pytest

from byok.core.usage_periods import Period, read_period

MIDNIGHT = 1_799_971_200.0  # 2027-01-15T00:00:00Z
DAY = 86_400.0
NOW = MIDNIGHT + DAY / 2


@pytest.mark.parametrize(
    ("since", "at"),
    [
        ("1d", MIDNIGHT),
        ("7d", MIDNIGHT - 6 * DAY),
        ("1w", MIDNIGHT - 6 * DAY),
        ("1mo", MIDNIGHT - 30 * DAY),
        ("12h", NOW - 43_200),
        ("100000m", NOW - 6_000_000),
        ("2027-01-14", MIDNIGHT - DAY),
        ("2027-01-14T06:00:00Z", MIDNIGHT - DAY * 3 / 4),
        ("2027-01-14 06:00", MIDNIGHT - DAY * 3 / 4),
        ("2027-01-14T00:00:00+06:00", MIDNIGHT - DAY * 5 / 4),
        ("1815-12-10", 0.0),
        ("1200mo", 0.0),
    ],
)
def test_a_beginning_is_read(since, at):
    assert read_period(since, None, now=NOW) == Period(since=at)


@pytest.mark.parametrize(
    ("until", "at", "last"),
    [
        ("2027-01-14", MIDNIGHT, "2027-01-14"),
        ("2027-01-14T12:00:00Z", MIDNIGHT - DAY / 2, "2027-01-14"),
        ("2027-01-14T00:00:00Z", MIDNIGHT - DAY, "2027-01-13"),
        ("1h", NOW - 3600, "2027-01-15"),
        ("2d", MIDNIGHT - DAY, "2027-01-13"),
    ],
)
def test_an_end_is_read_and_a_day_is_included(until, at, last):
    period = read_period(None, until, now=NOW)

    assert period == Period(until=at)
    assert isinstance(period, Period)
    assert (period.first_day, period.last_day) == (None, last)


@pytest.mark.parametrize("text", ["", "yesterday", "7", "2027-02-30", "9999-99-99"])
def test_what_cannot_be_read_is_named(text):
    assert read_period(text, None, now=NOW) == "since"
    assert read_period("1d", text, now=NOW) == "until"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("0001-01-01T00:00:00+14:00", "1970-01-01"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_a_moment_beyond_every_calendar_is_its_first_or_last_day(text, day):
    since = read_period(text, None, now=NOW)
    until = read_period(None, text, now=NOW)

    assert isinstance(since, Period)
    assert since.first_day == day
    if day != "1970-01-01":
        assert isinstance(until, Period)
        assert until.last_day == day


def test_whole_days_are_told_from_moments():
    def is_whole(since: str | None, until: str | None) -> bool:
        period = read_period(since, until, now=NOW)
        return isinstance(period, Period) and period.is_whole_days

    assert is_whole(None, None)
    assert is_whole("7d", "2027-01-15")
    assert not is_whole("11h", None)
    assert not is_whole("7d", "1h")


def test_all_time_has_no_first_and_no_last_day():
    period = Period()

    assert (period.first_day, period.last_day) == (None, None)
    assert Period(since=MIDNIGHT + 1).first_day == "2027-01-15"
