"""Spans of time as LiteLLM writes them: `60s`, `5m`, `12h`, `30d`, `2w`, `1mo`."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime

_WRITTEN = re.compile(r"([0-9]{1,10})(mo|[smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_S = 100 * 366 * 86_400
_LONGEST_MONTHS = 1200

DURATION_HINT = (
    "a number from 1 on and a unit: s, m, h, d, w or mo, as in 12h, 30d or 1mo"
)
"""What to tell somebody whose duration was not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A span of seconds or of calendar months, never of both."""

    seconds: int = 0
    months: int = 0

    def after(self, now: float) -> float:
        """
        Return the moment this long after *now*, both in seconds of the epoch.

        A month later is the same day of the next month in UTC, or that month's
        last day where it has no such day.
        """
        if not self.months:
            return now + self.seconds
        start = datetime.fromtimestamp(now, tz=UTC)
        years, month0 = divmod(start.month - 1 + self.months, 12)
        year, month = start.year + years, month0 + 1
        day = min(start.day, monthrange(year, month)[1])
        return start.replace(year=year, month=month, day=day).timestamp()


def parse_duration(text: str) -> Duration | None:
    """
    Read one duration; None for anything else, nothing and a century included.

    A span of no length is refused, since a key that expires as it is made is
    somebody's slip; so is one beyond a hundred years, which dates cannot carry.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    count, unit = int(found[1]), found[2]
    if unit == "mo":
        return Duration(months=count) if 0 < count <= _LONGEST_MONTHS else None
    seconds = count * _SECONDS[unit]
    return Duration(seconds=seconds) if 0 < seconds <= _LONGEST_S else None
