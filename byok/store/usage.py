"""The seam between who counts usage and who keeps the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from math import isnan
from typing import Any, Protocol

from byok.core.usage_record import UsageRecord


class By(Enum):
    """
    What the ledger can be added up by; the value is the field of a record.

    What is not in DAILY can be added up as long as there are records of it.
    """

    DAY = "day"
    KEY = "key_id"
    USER = "user"
    TEAM = "team"
    MODEL = "model"
    DEPLOYMENT = "deployment"
    PAYER = "payer"
    SESSION = "session"
    AGENT = "agent"
    END_USER = "end_user"
    PROVIDER = "provider"
    UPSTREAM_MODEL = "upstream_model"


DAILY = (By.DAY, By.KEY, By.USER, By.TEAM, By.MODEL, By.DEPLOYMENT, By.PAYER)
"""What the totals of days are kept by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageWanted:
    """Which records: of this time, *until* not included, and all of these true."""

    since: float | None = None
    until: float | None = None
    key_id: str | None = None
    user: str | None = None
    team: str | None = None
    model: str | None = None
    deployment: str | None = None
    payer: str | None = None
    end_user: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysWanted:
    """
    Which days to add up, the last one included, and all of these true.

    *key_ids* are those of several keys, any of which will do.
    """

    first: str | None = None
    last: str | None = None
    key_id: str | None = None
    key_ids: tuple[str, ...] | None = None
    user: str | None = None
    team: str | None = None
    model: str | None = None
    deployment: str | None = None
    payer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage:
    """Some of the records, the newest first; *next* continues after them."""

    records: tuple[UsageRecord, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What records add up to. *failures* ended in an error, upstream's or ours."""

    requests: int = 0
    failures: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    thinking_tokens: int = 0
    web_searches: int = 0
    cost_nano: int = 0
    notional_nano: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The figures of one group; *group* has a name for each thing it was made by."""

    group: tuple[str | None, ...]
    figures: Figures


FIGURES = tuple(each.name for each in fields(Figures))
COUNTED = FIGURES[3:]
"""Those that are a field of a record by the same name."""

_FIRST_ERROR = 400


class UsageStore(Protocol):
    """Where the ledger is; `memory_usage.py` reads easiest."""

    async def append(self, records: Sequence[UsageRecord]) -> int:
        """
        Add those of *records* whose id is not there yet, and say how many were.

        All or none, with the totals of their days. What comes again counts once.
        """
        ...

    async def maybe(self, record_id: str) -> UsageRecord | None:
        """Return one record."""
        ...

    async def page(
        self, wanted: UsageWanted, *, limit: int = 100, after: str | None = None
    ) -> UsagePage:
        """List records that are *wanted*, from the *next* of the page before."""
        ...

    async def totals(
        self, wanted: DaysWanted, by: Sequence[By] = ()
    ) -> tuple[Total, ...]:
        """Add up the days that are *wanted*, in groups; none where nothing is."""
        ...

    async def sums(
        self, wanted: UsageWanted, by: Sequence[By] = ()
    ) -> tuple[Total, ...]:
        """Add up the records that are *wanted*, in groups; none where nothing is."""
        ...

    async def prune(self, before: float) -> int:
        """Let the records from *before* go, a few at a time; days stay added up."""
        ...

    async def prune_some(self, before: float) -> int:
        """Let the oldest few of the records from *before* go; say how many did."""
        ...


def day_of(at: float) -> str:
    """Return the UTC day of a time that `cleaned` has made one."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def has_failed(error: str | None, status: int | None) -> bool:
    """Did the exchange end in an error?"""
    return error is not None or (status is not None and status >= _FIRST_ERROR)


_LONGEST = 1000
_LONGEST_RAW = 16_000
_MOST = 10**15
_LAST = 253_402_300_799.0  # the end of the year 9999


def cleaned(value: Any, name: str) -> Any:
    """
    Return the *value* of the field *name* as every database takes it.

    Names come from headers, and figures from providers. A row that a database
    refuses would come again for ever, and hold up all that are behind it.
    """
    kind = type(value)
    if kind is str:
        if value.isascii() and len(value) <= _LONGEST and "\0" not in value:
            return value
        longest = _LONGEST_RAW if name == "raw_usage" else _LONGEST
        text = value[:longest].replace("\0", "\N{REPLACEMENT CHARACTER}")
        return text.encode("utf-8", "replace").decode("utf-8")
    if kind is int:
        return max(0, min(_MOST, value))
    if kind is float:
        return 0.0 if isnan(value) else max(0.0, min(_LAST, value))
    return value
