"""From when until when usage is asked for, in the words of a terminal or a URL."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from byok.core.durations import parse_duration

DAY_S = 86_400

_LAST = 253_402_300_799.0  # the end of the year 9999

WRITTEN = (
    "a span such as 7d or 12h, a day such as 2030-01-31, or a moment such as"
    " 2030-01-31T12:00:00Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From *since* until *until*, which is not included, in seconds of the epoch."""

    since: float | None = None
    until: float | None = None

    @property
    def is_whole_days(self) -> bool:
        """Do UTC days add up to it?"""
        return all(
            each is None or each % DAY_S == 0 for each in (self.since, self.until)
        )

    @property
    def first_day(self) -> str | None:
        """The UTC day that it begins on, if it has a beginning."""
        return None if self.since is None else _day(self.since)

    @property
    def last_day(self) -> str | None:
        """The last UTC day that some of it is in, if it has an end."""
        if self.until is None:
            return None
        whole, rest = divmod(self.until, DAY_S)
        return _day((whole if rest else whole - 1) * DAY_S)


def read_period(since: str | None, until: str | None, *, now: float) -> Period | str:
    """
    Read both ends; or return the name of the one that cannot be read.

    A span of days, weeks or months is one of whole UTC days, today included: 1d is
    today. One of hours ends now. A day that is named is in it, as either end.
    """
    start = None if since is None else _start(since, now)
    if since is not None and start is None:
        return "since"
    end = None if until is None else _end(until, now)
    if until is not None and end is None:
        return "until"
    return Period(since=start, until=end)


def _start(text: str, now: float) -> float | None:
    span = parse_duration(text)
    if span is None:
        return _moment(text)
    # A month back is not always as long as one ahead; a day does no harm.
    back = span.after(now) - now
    if text.strip()[-1] not in "dwo":
        return now - back
    return max(0.0, (now - back) // DAY_S * DAY_S + DAY_S)


def _end(text: str, now: float) -> float | None:
    span = parse_duration(text)
    if span is not None:
        return _start(text, now)
    found = _moment(text)
    return found + DAY_S if found is not None and _is_day(text) else found


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(_LAST, max(0.0, moment.timestamp()))
    except (ValueError, OverflowError):
        return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _day(at: float) -> str:
    return (date(1970, 1, 1) + timedelta(days=at // DAY_S)).isoformat()
