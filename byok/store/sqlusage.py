"""The ledger in SQL: blocking calls, and the same in threads."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from byok.core.usage_record import UsageRecord
from byok.store.dbpool import DbPool
from byok.store.engine import inserting, is_server, reading, writing
from byok.store.tables import usage, usage_daily
from byok.store.usage import (
    COUNTED,
    FIGURES,
    By,
    DaysWanted,
    Total,
    UsagePage,
    UsageWanted,
    cleaned,
    day_of,
    has_failed,
)
from byok.store.usage_sums import RENAMED, are, of_days, of_records, read_total

TURN = 2
"""The ledger's own: who is administered meanwhile does not wait for it."""

PRUNED_AT_ONCE = 2000
_AT_ONCE = 500

_C = usage.c
_D = usage_daily.c
_FIELDS = UsageRecord.__struct_fields__
_COLUMNS = tuple(RENAMED.get(name, name) for name in _FIELDS)
_VALUES_OF = attrgetter(*_FIELDS)
_ROW = sa.select(*(_C[name] for name in _COLUMNS))
_GROUP = ("key_id", "user_id", "team_id", "model", "deployment", "payer")
_KNOWN = sa.select(_C.id).where(_C.id.in_(sa.bindparam("ids", expanding=True)))
_INSERT = sa.insert(usage)

Row = dict[str, Any]


class SqlUsage:
    """Reads and writes the ledger, each call one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        add = inserting(engine, usage_daily)
        self._add_up = add.on_conflict_do_update(
            index_elements=[_D.day, _D.group_id],
            set_={name: _D[name] + add.excluded[name] for name in FIGURES},
        )

    def append(self, records: Sequence[UsageRecord]) -> int:
        """Add those of *records* whose id is not there yet; say how many were."""
        rows: dict[str, Row] = {}
        for record in records:
            row = _row(record)
            rows.setdefault(row["id"], row)
        if not rows:
            return 0
        with writing(self._engine, turn=TURN) as connection:
            # Nobody else writes meanwhile, so what is not there now never is.
            for ids in _parts(list(rows)):
                for known in connection.scalars(_KNOWN, {"ids": ids}):
                    del rows[known]
            if rows:
                connection.execute(_INSERT, list(rows.values()))
                connection.execute(self._add_up, _days(rows.values()))
        return len(rows)

    def maybe(self, record_id: str) -> UsageRecord | None:
        """Return one record."""
        with reading(self._engine) as connection:
            row = connection.execute(_ROW.where(_C.id == record_id)).first()
        return None if row is None else _record(row)

    def page(
        self, wanted: UsageWanted, *, limit: int = 100, after: str | None = None
    ) -> UsagePage:
        """List records that are *wanted*, from the *next* of the page before."""
        query = (
            _ROW.add_columns(_C.number)
            .where(*are(wanted))
            .order_by(_C.at.desc(), _C.number.desc())
            .limit(limit + 1)
        )
        if after is not None:
            at, _, number = after.partition("/")
            query = query.where(
                sa.tuple_(_C.at, _C.number) < sa.tuple_(float(at), int(number))
            )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        shown = rows[:limit]
        return UsagePage(
            records=tuple(_record(row[:-1]) for row in shown),
            next=f"{shown[-1].at!r}/{shown[-1].number}" if len(rows) > limit else None,
        )

    def totals(self, wanted: DaysWanted, by: Sequence[By] = ()) -> tuple[Total, ...]:
        """Add up the days that are *wanted*, in groups; none where nothing is."""
        with reading(self._engine) as connection:
            rows = connection.execute(of_days(wanted, by)).all()
        return _sorted(read_total(row, by) for row in rows)

    def sums(self, wanted: UsageWanted, by: Sequence[By] = ()) -> tuple[Total, ...]:
        """Add up the records that are *wanted*, in groups; none where nothing is."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                of_records(wanted, by, on_server=is_server(connection))
            ).all()
        return _sorted(read_total(row, by) for row in rows)

    def prune(self, before: float, *, most: int = PRUNED_AT_ONCE) -> int:
        """Let the oldest *most* records from *before* go; say how many went."""
        oldest = sa.select(_C.number).where(_C.at < before).order_by(_C.at).limit(most)
        with writing(self._engine, turn=TURN) as connection:
            return connection.execute(
                sa.delete(usage).where(_C.number.in_(oldest.scalar_subquery()))
            ).rowcount


class SqlUsageStore:
    """Keeps the ledger in SQL, from threads; implements UsageStore."""

    def __init__(self, ledger: SqlUsage, pool: DbPool) -> None:
        self._ledger = ledger
        self._pool = pool

    async def append(self, records: Sequence[UsageRecord]) -> int:
        """Add those of *records* whose id is not there yet; say how many were."""
        return await self._pool.run(partial(self._ledger.append, records))

    async def maybe(self, record_id: str) -> UsageRecord | None:
        """Return one record."""
        return await self._pool.run(partial(self._ledger.maybe, record_id))

    async def page(
        self, wanted: UsageWanted, *, limit: int = 100, after: str | None = None
    ) -> UsagePage:
        """List records that are *wanted*, from the *next* of the page before."""
        return await self._pool.run(
            partial(self._ledger.page, wanted, limit=limit, after=after)
        )

    async def totals(
        self, wanted: DaysWanted, by: Sequence[By] = ()
    ) -> tuple[Total, ...]:
        """Add up the days that are *wanted*, in groups; none where nothing is."""
        return await self._pool.run(partial(self._ledger.totals, wanted, by))

    async def sums(
        self, wanted: UsageWanted, by: Sequence[By] = ()
    ) -> tuple[Total, ...]:
        """Add up the records that are *wanted*, in groups; none where nothing is."""
        return await self._pool.run(partial(self._ledger.sums, wanted, by))

    async def prune_some(self, before: float) -> int:
        """Let the oldest few of the records from *before* go; say how many did."""
        return await self._pool.run(partial(self._ledger.prune, before))

    async def prune(self, before: float, *, at_once: int = PRUNED_AT_ONCE) -> int:
        """Let the records from *before* go, a few at a time; days stay added up."""
        gone = 0
        # Each time a transaction of its own, so that new records come in between.
        while count := await self._pool.run(
            partial(self._ledger.prune, before, most=at_once)
        ):
            gone += count
        return gone


def _sorted(found: Iterable[Total]) -> tuple[Total, ...]:
    # Databases differ in where they put what is not there.
    return tuple(sorted(found, key=lambda total: [each or "" for each in total.group]))


def _row(record: UsageRecord) -> Row:
    return {
        column: cleaned(value, column)
        for column, value in zip(_COLUMNS, _VALUES_OF(record), strict=True)
    }


def _record(row: Sequence[Any]) -> UsageRecord:
    return UsageRecord(**dict(zip(_FIELDS, row, strict=True)))


def _days(rows: Iterable[Row]) -> list[Row]:
    """Add up *rows* by day and group, in an order that is always the same."""
    sums: dict[tuple[str, bytes], Row] = {}
    for row in rows:
        names = [row[name] for name in _GROUP]
        day, group = day_of(row["at"]), _digest(names)
        found = sums.get((day, group))
        if found is None:
            found = sums[day, group] = {
                "day": day,
                "group_id": group,
                **dict(zip(_GROUP, names, strict=True)),
                **dict.fromkeys(FIGURES, 0),
            }
        found["requests"] += 1
        found["failures"] += has_failed(row["error"], row["status"])
        found["estimated"] += row["estimated"]
        for name in COUNTED:
            found[name] += row[name] or 0
    return [sums[each] for each in sorted(sums)]


def _digest(names: Sequence[str | None]) -> bytes:
    told = "".join("-" if each is None else f"{len(each)}:{each}" for each in names)
    return hashlib.blake2b(told.encode(), digest_size=16).digest()


def _parts(ids: list[str]) -> Iterable[list[str]]:
    return (ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE))
