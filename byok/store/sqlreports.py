"""The ledger added up for a report: read as it is, one group after the other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from byok.core.errors import StoreUnavailable
from byok.core.usage_record import UsageRecord
from byok.store.engine import is_server, reading
from byok.store.faults import StoreTooOld
from byok.store.location import Place
from byok.store.peek import looked_at
from byok.store.schema import State, look
from byok.store.sqlkeys import SqlKeys
from byok.store.sqlusage import SqlUsage
from byok.store.tables import usage, usage_daily, virtual_keys
from byok.store.usage import By, DaysWanted, Total, UsageWanted
from byok.store.usage_sums import of_days, of_records, read_total

_AT_ONCE = 1000


class SqlReports:
    """Adds up what a ledger may hold millions of, in little memory; changes nothing."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._usage = SqlUsage(engine)
        self._keys = SqlKeys(engine)

    def days(self, wanted: DaysWanted, by: Sequence[By]) -> Iterator[Total]:
        """Yield the totals of days that are *wanted*, group by group."""
        return self._sums(of_days(wanted, by), by)

    def records(self, wanted: UsageWanted, by: Sequence[By]) -> Iterator[Total]:
        """Yield the sums of records that are *wanted*, group by group."""
        query = of_records(wanted, by, on_server=is_server(self._engine))
        return self._sums(query, by)

    def maybe(self, record_id: str) -> UsageRecord | None:
        """Return one record."""
        return self._usage.maybe(record_id)

    def oldest(self) -> float | None:
        """Return when the oldest record is of, if there is any."""
        with reading(self._engine) as connection:
            at: float | None = connection.scalar(sa.select(sa.func.min(usage.c.at)))
        return at

    def first_day(self) -> str | None:
        """Return the first day of which there is a total, if there is any."""
        query = sa.select(sa.func.min(usage_daily.c.day))
        with reading(self._engine) as connection:
            day: str | None = connection.scalar(query)
        return day

    def aliases(self) -> dict[str, str]:
        """Return the alias of every key that has one, by its token id."""
        columns = virtual_keys.c
        query = sa.select(columns.token_id, columns.key_alias)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(columns.key_alias.is_not(None)))
            return {row.token_id: row.key_alias for row in rows}

    def key_id(self, name: str) -> str:
        """Return the token id of the key *name*; *name* itself where there is none."""
        found = self._keys.maybe_by_name(name)
        # A key that is deleted still has a past.
        return name if found is None else found.token_id

    def _sums(
        self, query: sa.Select[tuple[object, ...]], by: Sequence[By]
    ) -> Iterator[Total]:
        ordered = query.order_by(*query.selected_columns[: len(by)])
        with reading(self._engine) as connection:
            connection.execution_options(yield_per=_AT_ONCE)
            with connection.execute(ordered) as rows:
                for row in rows:
                    yield read_total(row, by)


@contextmanager
def open_reports(place: Place) -> Iterator[SqlReports]:
    """
    Open the ledger in the store at *place* for reading, and change nothing.

    Raises StoreUnavailable where there is no store yet, or one of another release.
    """
    with looked_at(place) as engine:
        if engine is None:
            raise StoreUnavailable(
                f"{place}: there is no store here, so nothing was used yet."
            )
        with reading(engine) as connection:
            found = look(connection)
        if found.state is State.BEHIND:
            raise StoreTooOld(
                f"{place}: its tables are at revision {found.revision}, and the ledger"
                " needs those of this byok. Run: byok db upgrade"
            )
        yield SqlReports(engine)
