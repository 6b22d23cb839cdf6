"""What is read from the ledger for `byok usage`, and what of it is kept in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import Any

from byok.core.usage_periods import Period
from byok.store.sqlreports import SqlReports
from byok.store.usage import (
    DAILY,
    FIGURES,
    By,
    DaysWanted,
    Figures,
    Total,
    UsageWanted,
    day_of,
)

NAMES: Mapping[str, By] = {
    "day": By.DAY,
    "key": By.KEY,
    "user": By.USER,
    "team": By.TEAM,
    "model": By.MODEL,
    "deployment": By.DEPLOYMENT,
    "payer": By.PAYER,
    "session": By.SESSION,
    "agent": By.AGENT,
    "end-user": By.END_USER,
    "provider": By.PROVIDER,
    "upstream-model": By.UPSTREAM_MODEL,
}
"""What usage can be added up by, in the words of the command line."""

_DAYS_SHOWN = tuple(each.value for each in DAILY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know: groups *by*, of a *period*, where all is *equal*."""

    by: tuple[str, ...]
    period: Period
    equal: Mapping[str, Any]

    @property
    def is_of_days(self) -> bool:
        """Do the totals of days, which are kept for good, answer it?"""
        return (
            self.period.is_whole_days
            and all(NAMES[each] in DAILY for each in self.by)
            and all(each in _DAYS_SHOWN for each in self.equal)
        )


class Report:
    """The groups of the ledger that were asked for, and what is missing from them."""

    def __init__(self, ledger: SqlReports, asked: Asked) -> None:
        self._ledger = ledger
        self.asked = asked
        self._aliases = ledger.aliases() if "key" in asked.by else {}
        self.gone_before = None if asked.is_of_days else self._gone_before()

    def totals(self) -> Iterator[Total]:
        """Yield every group, in the order of the names."""
        asked, by = self.asked, [NAMES[each] for each in self.asked.by]
        if asked.is_of_days:
            days = DaysWanted(
                first=asked.period.first_day,
                last=asked.period.last_day,
                **asked.equal,
            )
            return self._ledger.days(days, by)
        records = UsageWanted(
            since=asked.period.since, until=asked.period.until, **asked.equal
        )
        return self._ledger.records(records, by)

    def named(self, total: Total) -> list[str]:
        """Return the names of a group as people know them."""
        return [
            self._aliases.get(name or "", name or "-") if by == "key" else name or "-"
            for by, name in zip(self.asked.by, total.group, strict=True)
        ]

    def _gone_before(self) -> str | None:
        """Return the day before which records are gone that would have counted."""
        first = self._ledger.first_day()
        oldest = self._ledger.oldest()
        began = day_of(oldest) if oldest is not None else None
        if first is None or (began is not None and first >= began):
            return None
        since, until = self.asked.period.first_day, self.asked.period.last_day
        if began is None:
            return "today"
        if (since is not None and since >= began) or (
            until is not None and until < first
        ):
            return None
        return began


@dataclass(slots=True)
class Top:
    """The groups that come first, and the sums of all of them."""

    shown: list[Total] = field(default_factory=list)
    groups: int = 0
    total: Figures = field(default_factory=Figures)


def first_of(
    totals: Iterator[Total], most: int, *, rank: Callable[[Total], tuple[object, ...]]
) -> Top:
    """Keep the *most* groups of highest *rank*, highest first, and add up all."""
    # The number of a group decides between equals: totals cannot be compared.
    kept: list[tuple[tuple[object, ...], int, Total]] = []
    sums = dict.fromkeys(FIGURES, 0)
    groups = 0
    for total in totals:
        groups += 1
        for name in FIGURES:
            sums[name] += getattr(total.figures, name)
        entry = (rank(total), -groups, total)
        if len(kept) < most:
            heappush(kept, entry)
        else:
            heappushpop(kept, entry)
    shown = [total for _, _, total in sorted(kept, reverse=True)]
    return Top(shown=shown, groups=groups, total=Figures(**sums))


def by_cost(total: Total) -> tuple[object, ...]:
    """Rank what costs most first."""
    figures = total.figures
    return figures.notional_nano, figures.cost_nano, figures.requests


def by_names(total: Total) -> tuple[object, ...]:
    """Rank the latest day first."""
    return tuple(each or "" for each in total.group)


def rank_of(by: Sequence[str]) -> Callable[[Total], tuple[object, ...]]:
    """Return by what groups *by* these are ranked: days by themselves."""
    return by_names if by[:1] == ("day",) else by_cost
