"""What is asked of the ledger, in SQL: which rows, and how they are added up."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from byok.store.tables import usage, usage_daily
from byok.store.usage import FIGURES, By, DaysWanted, Figures, Total, UsageWanted

# A user of the database would have to quote these words each time.
RENAMED = {"user": "user_id", "team": "team_id"}
DAY_S = 86_400

_C = usage.c
_D = usage_daily.c
_FAILED = 400
_FIRST = date(1970, 1, 1)
_Columns = sa.sql.base.ReadOnlyColumnCollection[str, sa.Column[Any]]
_Sums = sa.Select[tuple[Any, ...]]


def are(wanted: UsageWanted) -> list[sa.ColumnElement[bool]]:
    """Return what is true of the records that are *wanted*."""
    equal = asdict(wanted)
    since, until = equal.pop("since"), equal.pop("until")
    out = _equal(_C, equal)
    if since is not None:
        out.append(_C.at >= since)
    if until is not None:
        out.append(_C.at < until)
    return out


def of_days(wanted: DaysWanted, by: Sequence[By]) -> _Sums:
    """Return the query that adds up the days that are *wanted*."""
    equal = asdict(wanted)
    first, last = equal.pop("first"), equal.pop("last")
    key_ids = equal.pop("key_ids")
    where = _equal(_D, equal)
    if first is not None:
        where.append(_D.day >= first)
    if last is not None:
        where.append(_D.day <= last)
    if key_ids is not None:
        where.append(_D.key_id.in_(key_ids))
    groups = [_D[RENAMED.get(each.value, each.value)] for each in by]
    figures = [sa.func.sum(_D[name]) for name in FIGURES]
    return _added_up(groups, figures, where)


def of_records(wanted: UsageWanted, by: Sequence[By], *, on_server: bool) -> _Sums:
    """Return the query that adds up the records that are *wanted*."""
    groups: list[sa.ColumnElement[Any]] = [
        _day_number(on_server=on_server)
        if each is By.DAY
        else _C[RENAMED.get(each.value, each.value)]
        for each in by
    ]
    failed = sa.or_(_C.error.is_not(None), sa.func.coalesce(_C.status, 0) >= _FAILED)
    counts = {
        "requests": sa.func.count(),
        "failures": sa.func.sum(sa.case((failed, 1), else_=0)),
        "estimated": sa.func.sum(sa.case((_C.estimated, 1), else_=0)),
    }
    figures = [
        counts[name] if name in counts else sa.func.sum(sa.func.coalesce(_C[name], 0))
        for name in FIGURES
    ]
    return _added_up(groups, figures, are(wanted))


def read_total(row: Sequence[Any], by: Sequence[By]) -> Total:
    """Return a row of one of these queries as a total."""
    names = [
        (_FIRST + timedelta(days=value)).isoformat()
        if each is By.DAY and not isinstance(value, str)
        else value
        for each, value in zip(by, row, strict=False)
    ]
    counts = map(int, row[len(by) :])
    return Total(
        group=tuple(names), figures=Figures(**dict(zip(FIGURES, counts, strict=True)))
    )


def _day_number(*, on_server: bool) -> sa.ColumnElement[Any]:
    days = _C.at / float(DAY_S)
    # A server's CAST rounds; SQLite's cuts off, and its FLOOR may be missing.
    return sa.cast(sa.func.floor(days) if on_server else days, sa.Integer)


def _added_up(
    groups: Sequence[sa.ColumnElement[Any]],
    figures: Sequence[sa.ColumnElement[Any]],
    where: Sequence[sa.ColumnElement[bool]],
) -> _Sums:
    return (
        sa.select(*groups, *figures)
        .where(*where)
        .group_by(*groups)
        .having(sa.func.count() > 0)
    )


def _equal(
    columns: _Columns, wanted: dict[str, str | None]
) -> list[sa.ColumnElement[bool]]:
    return [
        columns[RENAMED.get(name, name)] == value
        for name, value in wanted.items()
        if value is not None
    ]
