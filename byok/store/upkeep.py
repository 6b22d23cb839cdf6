"""What is done to a store as a whole: looked at, upgraded, copied."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from byok.core.errors import StoreUnavailable
from byok.store.backup import back_up_before, backup_path, copy_file
from byok.store.dump import dump
from byok.store.engine import is_server, make_engine, reading
from byok.store.location import Place, Server
from byok.store.peek import looked_at
from byok.store.schema import HEAD, State, Upgraded, look, upgrade
from byok.store.tables import metadata

_LARGE = 1_000_000
_RECKONED = sa.text(
    "SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a store is; *rows* counts what its tables hold."""

    place: str
    kind: str
    state: State
    revision: str | None = None
    newest: str = HEAD
    missing: tuple[str, ...] = ()
    rows: Mapping[str, int]
    size_bytes: int | None = None


def status_of(place: Place) -> Status:
    """
    Say how the store at *place* is, and change nothing.

    Raises StoreUnavailable where it cannot be read.
    """
    kind = "postgresql" if isinstance(place, Server) else "sqlite"
    with looked_at(place) as engine:
        if engine is None:
            return Status(place=str(place), kind=kind, state=State.EMPTY, rows={})
        with reading(engine) as connection:
            found = look(connection)
            present = sa.inspect(connection).get_table_names()
            rows = {
                name: _count(connection, table)
                for name, table in metadata.tables.items()
                if name in present
            }
            size = (
                connection.scalar(
                    sa.select(sa.func.pg_database_size(sa.func.current_database()))
                )
                if is_server(engine)
                else None
            )
    if isinstance(place, Path):
        size = place.stat().st_size
    return Status(
        place=str(place),
        kind=kind,
        state=found.state,
        revision=found.revision,
        missing=found.missing,
        rows=rows,
        size_bytes=size,
    )


def upgrade_store(place: Place, *, with_backup: bool = True) -> Upgraded | None:
    """Have the tables of this byok at *place*; None where they are there already."""
    engine = make_engine(place, connections=2, patient=True)
    try:
        return upgrade(engine, back_up=back_up_before if with_backup else _none)
    finally:
        engine.dispose()


def back_up(place: Place, copy: Path | None = None) -> Path:
    """
    Write all that the store at *place* holds to the new file *copy*; return that.

    It may be in use meanwhile. Without *copy* the file is put beside a SQLite store,
    or into the working directory.
    """
    found = status_of(place)
    if found.state is State.EMPTY:
        raise StoreUnavailable(f"{place}: there is no store here to make a copy of.")
    revision = found.revision or "unknown"
    if isinstance(place, Server):
        name = sa.make_url(place.url).database or "byok"
        copy = copy or backup_path(Path(f"{name}.dump"), revision)
        dump(place, copy)
    else:
        copy = copy or backup_path(place, revision)
        copy_file(place.absolute(), copy)
    return copy


def _count(connection: sa.Connection, table: sa.Table) -> int:
    """Count the rows of *table*; of a large one, as the server reckons."""
    if is_server(connection):
        reckoned = connection.scalar(_RECKONED, {"name": table.name}) or 0
        if reckoned > _LARGE:
            return int(reckoned)
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _none(engine: sa.Engine, revision: str) -> None:
    _ = engine, revision
