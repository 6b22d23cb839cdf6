"""
Periods of budgets: days, weeks and months of the calendar in UTC, or spans of time.

`1d`, `7d` and `30d` are the day, the week from Monday and the month, as in LiteLLM.
Of any such period everybody can tell when it ends, two gateways agree on it without
a word, and the ledger's daily totals add up to what the budget says. Another span,
such as `12h`, follows on itself from an anchor on, which is when a key was made. What
lives as long as a session begins with its first use.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from math import inf
from typing import NamedTuple

from byok.core.durations import parse_duration

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_MONTH_S = 30 * _DAY_S
# 1970-01-01 was a Thursday.
_MONDAY_S = 4 * _DAY_S


class Kind(Enum):
    """How the ends of a period are found."""

    DAY = "day"
    WEEK = "week"
    MONTHS = "months"
    EVERY = "every"
    FIRST_USE = "first use"
    TOTAL = "total"


class Span(NamedTuple):
    """One period of time: from *start* on, and up to *end* without it."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """
    After what time a budget begins anew.

    *length* is seconds, or months for `Kind.MONTHS`. *word* says it in a sentence:
    `daily`, `every 12h`.
    """

    kind: Kind
    word: str
    length: int = 0
    anchor: float = 0.0

    @property
    def key(self) -> str:
        """A name that is the same wherever the period is."""
        return f"{self.kind.value}:{self.length}:{self.anchor}"

    def span(self, now: float) -> Span:
        """Return the period that *now* is in; one from the first use begins now."""
        match self.kind:
            case Kind.DAY:
                return _aligned(now, _DAY_S, 0.0)
            case Kind.WEEK:
                return _aligned(now, _WEEK_S, _MONDAY_S)
            case Kind.MONTHS:
                return _months(now, self.length)
            case Kind.EVERY:
                return _aligned(now, self.length, self.anchor)
            case Kind.FIRST_USE:
                return Span(now, now + self.length)
        return Span(0.0, inf)


DAY = Period(kind=Kind.DAY, word="daily")
WEEK = Period(kind=Kind.WEEK, word="weekly")
MONTH = Period(kind=Kind.MONTHS, word="monthly", length=1)
TOTAL = Period(kind=Kind.TOTAL, word="in all")

_WORDS = {
    "day": DAY,
    "daily": DAY,
    "week": WEEK,
    "weekly": WEEK,
    "month": MONTH,
    "monthly": MONTH,
}
_LIKE_THE_CALENDAR = {_DAY_S: DAY, _WEEK_S: WEEK, _MONTH_S: MONTH}


def parse_period(
    text: str | None, *, anchor: float = 0.0, from_first_use: bool = False
) -> Period | None:
    """
    Read a period: `day`, `week`, `month`, a duration, or nothing for no end.

    None is for what is no period. *from_first_use* is for what has no place in the
    calendar, such as a session: there, `1d` is 24 hours.
    """
    if text is None:
        return TOTAL
    word = text.strip().lower()
    if word in _WORDS and not from_first_use:
        return _WORDS[word]
    duration = parse_duration(word)
    if duration is None:
        return None
    if from_first_use:
        length = duration.seconds or duration.months * _MONTH_S
        return Period(kind=Kind.FIRST_USE, word=f"in {word}", length=length)
    if duration.months:
        if duration.months == 1:
            return MONTH
        return Period(kind=Kind.MONTHS, word=f"every {word}", length=duration.months)
    return _LIKE_THE_CALENDAR.get(duration.seconds) or Period(
        kind=Kind.EVERY, word=f"every {word}", length=duration.seconds, anchor=anchor
    )


def _aligned(now: float, length: int, anchor: float) -> Span:
    start = anchor + (now - anchor) // length * length
    return Span(start, start + length)


def _months(now: float, count: int) -> Span:
    date = datetime.fromtimestamp(now, tz=UTC)
    first = (date.year * 12 + date.month - 1) // count * count
    return Span(_month(first), _month(first + count))


def _month(number: int) -> float:
    year, month0 = divmod(number, 12)
    return datetime(max(year, 1), month0 + 1, 1, tzinfo=UTC).timestamp()
