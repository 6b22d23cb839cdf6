"""The ledger in a list: what the other store does, in the fewest words."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

import msgspec

from byok.core.usage_record import UsageRecord
from byok.store.usage import (
    COUNTED,
    DAILY,
    FIGURES,
    By,
    DaysWanted,
    Figures,
    Total,
    UsagePage,
    UsageWanted,
    cleaned,
    day_of,
    has_failed,
)

_DIMENSIONS = [each.value for each in DAILY]
_Group = tuple[str | None, ...]


class MemoryUsageStore:
    """Keeps records until the process ends."""

    def __init__(self) -> None:
        self._records: dict[str, UsageRecord] = {}
        self._days: defaultdict[_Group, Figures] = defaultdict(Figures)

    async def append(self, records: Sequence[UsageRecord]) -> int:
        """Add those of *records* whose id is not there yet; say how many were."""
        added = 0
        for each in records:
            record = _cleaned(each)
            if record.id in self._records:
                continue
            added += 1
            self._records[record.id] = record
            named = msgspec.structs.asdict(record) | {"day": day_of(record.at)}
            group = tuple(named[name] for name in _DIMENSIONS)
            self._days[group] = _sum(self._days[group], _figures(record))
        return added

    async def maybe(self, record_id: str) -> UsageRecord | None:
        """Return one record."""
        return self._records.get(record_id)

    async def page(
        self, wanted: UsageWanted, *, limit: int = 100, after: str | None = None
    ) -> UsagePage:
        """List records that are *wanted*, from the *next* of the page before."""
        numbered = sorted(
            ((each.at, number, each) for number, each in enumerate(self.all())),
            reverse=True,
        )
        found = [each for _, _, each in numbered if _is(each, wanted)]
        start = 0 if after is None else int(after)
        more = start + limit < len(found)
        return UsagePage(
            records=tuple(found[start : start + limit]),
            next=str(start + limit) if more else None,
        )

    async def totals(
        self, wanted: DaysWanted, by: Sequence[By] = ()
    ) -> tuple[Total, ...]:
        """Add up the days that are *wanted*, in groups; none where nothing is."""
        sums: defaultdict[_Group, Figures] = defaultdict(Figures)
        equal = asdict(wanted)
        first, last = equal.pop("first"), equal.pop("last")
        key_ids = equal.pop("key_ids")
        for names, figures in self._days.items():
            named = dict(zip(_DIMENSIONS, names, strict=True))
            day = str(named["day"])
            if (
                (first is None or day >= first)
                and (last is None or day <= last)
                and (key_ids is None or named["key_id"] in key_ids)
                and all(
                    value is None or named[name] == value
                    for name, value in equal.items()
                )
            ):
                group = tuple(named[each.value] for each in by)
                sums[group] = _sum(sums[group], figures)
        return _sorted(sums)

    async def sums(
        self, wanted: UsageWanted, by: Sequence[By] = ()
    ) -> tuple[Total, ...]:
        """Add up the records that are *wanted*, in groups; none where nothing is."""
        sums: defaultdict[_Group, Figures] = defaultdict(Figures)
        for record in self.all():
            if _is(record, wanted):
                group = tuple(_name(record, each) for each in by)
                sums[group] = _sum(sums[group], _figures(record))
        return _sorted(sums)

    async def prune(self, before: float) -> int:
        """Let the records from *before* go; days stay added up."""
        return await self.prune_some(before)

    async def prune_some(self, before: float) -> int:
        """Let the records from *before* go; days stay added up."""
        old = [each.id for each in self.all() if each.at < before]
        for each in old:
            del self._records[each]
        return len(old)

    def all(self) -> list[UsageRecord]:
        """Return every record in the order in which they came."""
        return list(self._records.values())


def _name(record: UsageRecord, by: By) -> str | None:
    name = day_of(record.at) if by is By.DAY else getattr(record, by.value)
    return None if name is None else str(name)


def _sorted(sums: dict[_Group, Figures]) -> tuple[Total, ...]:
    return tuple(
        Total(group=group, figures=sums[group])
        for group in sorted(sums, key=lambda group: [each or "" for each in group])
    )


def _cleaned(record: UsageRecord) -> UsageRecord:
    values = msgspec.structs.asdict(record)
    return UsageRecord(**{name: cleaned(values[name], name) for name in values})


def _figures(record: UsageRecord) -> Figures:
    counted = {name: getattr(record, name) or 0 for name in COUNTED}
    return Figures(
        requests=1,
        failures=int(has_failed(record.error, record.status)),
        estimated=int(record.estimated),
        **counted,
    )


def _sum(one: Figures, other: Figures) -> Figures:
    return Figures(
        **{name: getattr(one, name) + getattr(other, name) for name in FIGURES}
    )


def _is(record: UsageRecord, wanted: UsageWanted) -> bool:
    equal = asdict(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    return (
        (since is None or record.at >= since)
        and (until is None or record.at < until)
        and all(
            value is None or getattr(record, name) == value
            for name, value in equal.items()
        )
    )
