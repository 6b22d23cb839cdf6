"""Brings a store's tables up to date, and leaves a store of another time alone."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import sqlalchemy as sa
from twisted.logger import Logger

from byok.store.backup import back_up_before
from byok.store.engine import is_server, name_of, reading, writing
from byok.store.faults import StoreHalfMade, StoreTooNew, StoreTooOld
from byok.store.tables import SINCE, SUBJECTS, metadata, revisions

HEAD = "0007"
"""The newest revision. Known without Alembic, which takes long to import."""

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = "alembic_version"

_log = Logger(namespace="byok.store")


class State(Enum):
    """How the tables of a store compare with those that this byok knows."""

    EMPTY = "empty"
    CURRENT = "current"
    BEHIND = "behind"
    NEWER = "newer"
    HALF_MADE = "half-migrated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What tables were found, and at which revision."""

    state: State
    revision: str | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What was done to a store; *backup* is a copy from before."""

    name: str
    before: str | None
    after: str
    backup: Path | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name}: made, with tables at revision {self.after}."
        kept = (
            f" The store as it was before is in {self.backup}." if self.backup else ""
        )
        return (
            f"{self.name}: upgraded from revision {self.before} to {self.after}.{kept}"
        )


def look(connection: sa.Connection) -> Found:
    """Compare the tables of a store with those of this byok."""
    present = set(sa.inspect(connection).get_table_names())
    ours = present & metadata.tables.keys()
    versions: list[str] = []
    if _VERSION in present:
        version = sa.table(_VERSION, sa.column("version_num"))
        versions = [str(each) for each in connection.scalars(sa.select(version))]
    if not versions and not ours:
        return Found(state=State.EMPTY, revision=None)
    if len(versions) != 1:
        return Found(
            state=State.HALF_MADE,
            revision=", ".join(versions) or None,
            missing=(_VERSION,),
        )
    (revision,) = versions
    if not (revision.isdigit() and revision <= HEAD):
        return Found(state=State.NEWER, revision=revision)
    expected = {
        name
        for name, table in metadata.tables.items()
        if table.info.get(SINCE, "0001") <= revision
    }
    missing = tuple(sorted(expected - present))
    if missing:
        return Found(state=State.HALF_MADE, revision=revision, missing=missing)
    current = State.CURRENT if revision == HEAD else State.BEHIND
    return Found(state=current, revision=revision)


def prepare(engine: sa.Engine) -> Upgraded | None:
    """
    Have the tables of this byok, or raise what is in the way of that.

    An empty store gets them, and a SQLite file is upgraded, with a copy of it beside
    it. A database server is shared with gateways that may still be of the former
    release, so there somebody has to say when.
    """
    with reading(engine) as connection:
        found = look(connection)
    if found.state is State.CURRENT:
        return None
    if is_server(engine) and found.state is State.BEHIND:
        raise StoreTooOld(
            f"{name_of(engine)}: its tables are at revision {found.revision}, and this"
            f" byok needs {HEAD}. Run: byok db upgrade -c CONFIG. Gateways of the"
            " former release go on with it meanwhile."
        )
    return upgrade(engine)


def upgrade(
    engine: sa.Engine,
    *,
    back_up: Callable[[sa.Engine, str], Path | None] = back_up_before,
) -> Upgraded | None:
    """
    Run the migrations that the store has not seen, all or none; None if it has.

    What it holds is copied first where it is a file. Raises StoreTooNew and
    StoreHalfMade for what had better be left alone.
    """
    with writing(engine) as connection:
        # Another process may have migrated while this one waited for the lock.
        found = look(connection)
        if found.state is State.CURRENT:
            return None
        _check(engine, found)
        before = found.revision
        # Read by a connection of its own while nobody else can write.
        if before is None:
            copy = None
            _make(connection)
        else:
            copy = back_up(engine, before)
            migrate(connection)
    done = Upgraded(name=name_of(engine), before=before, after=HEAD, backup=copy)
    if before is not None:
        _log.info("{done}", event="store-upgraded", done=str(done))
    return done


def _check(engine: sa.Engine, found: Found) -> None:
    if found.state is State.NEWER:
        raise StoreTooNew(
            f"{name_of(engine)}: written by a later byok (tables at revision "
            f"{str(found.revision)[:32]!r}, this one knows up to {HEAD!r}). Install"
            " that byok again, or put back a copy of the store from before."
        )
    if found.state is State.HALF_MADE:
        missing = ", ".join(found.missing)
        raise StoreHalfMade(
            f"{name_of(engine)}: half-migrated: not all of its tables are there"
            f" (missing: {missing}). Nothing was changed. Put back a backup; `byok db"
            " status -c CONFIG` says what is there."
        )


def _make(connection: sa.Connection) -> None:
    """Make all tables at once, as the migrations would have left them."""
    version = sa.Table(
        _VERSION,
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name=f"{_VERSION}_pkc"),
    )
    version.create(connection, checkfirst=True)
    metadata.create_all(connection, checkfirst=False)
    connection.execute(sa.insert(version).values(version_num=HEAD))
    connection.execute(
        sa.insert(revisions), [{"subject": each, "revision": 0} for each in SUBJECTS]
    )


def migrate(connection: sa.Connection) -> None:
    """Run every migration that the store has not seen."""
    # Alembic and its template engine are a quarter of a start, and ten megabytes;
    # most starts need none.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # A per cent sign in a path would be an interpolation to the config parser.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
