"""Opens a store: place, tables, pepper; for a gateway, or for one command."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

from byok.core.errors import StoreUnavailable
from byok.core.keys import Peppers
from byok.core.secret import Secret
from byok.store.changes import Marks, marks_of
from byok.store.dbpool import THREADS, DbPool
from byok.store.engine import make_engine, reading
from byok.store.faults import StoreTooOld
from byok.store.location import Place, Server
from byok.store.peek import looked_at
from byok.store.peppers import open_peppers
from byok.store.schema import State, look, prepare
from byok.store.sqlaudit import SqlAudit
from byok.store.sqldecisions import SqlDecisions, SqlDecisionStore
from byok.store.sqlkeys import SqlKeys
from byok.store.sqlpeople import SqlPeople
from byok.store.sqlpeoplestore import SqlPeopleStore
from byok.store.sqlpins import SqlPins, SqlPinStore
from byok.store.sqlstore import POLL_S, ChangeWatch, SqlKeyStore
from byok.store.sqlusage import SqlUsage, SqlUsageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenKeys:
    """A store opened for blocking use."""

    keys: SqlKeys
    usage: SqlUsage
    people: SqlPeople
    peppers: Peppers
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPeople:
    """Teams, users and whose keys there are, opened for blocking use."""

    people: SqlPeople
    keys: SqlKeys


class Store:
    """A store opened for a gateway. Close it when the gateway stops."""

    def __init__(
        self,
        *,
        keys: SqlKeyStore,
        decisions: SqlDecisionStore,
        pins: SqlPinStore,
        usage: SqlUsageStore,
        people: SqlPeopleStore,
        peppers: Peppers,
        warnings: tuple[str, ...],
        engine: sa.Engine,
        pool: DbPool,
        watch: ChangeWatch,
    ) -> None:
        self.keys = keys
        self.decisions = decisions
        self.pins = pins
        self.usage = usage
        self.people = people
        self.peppers = peppers
        self.warnings = warnings
        self._engine = engine
        self._pool = pool
        self._watch = watch

    async def close(self) -> None:
        """Finish what was begun and let go of the store."""
        await self._watch.stop()
        await self._pool.run(self._engine.dispose)
        self._pool.stop()


@contextmanager
def open_keys(place: Place, peppers: tuple[Secret, ...] = ()) -> Iterator[OpenKeys]:
    """Open the store at *place*; needs no reactor."""
    engine = make_engine(place, connections=1)
    try:
        yield _prepared(engine, place, peppers)
    finally:
        engine.dispose()


@contextmanager
def open_people(place: Place) -> Iterator[OpenPeople]:
    """Open teams and users in the store at *place*; needs no pepper."""
    engine = make_engine(place, connections=1)
    try:
        prepare(engine)
        yield OpenPeople(people=SqlPeople(engine), keys=SqlKeys(engine))
    finally:
        engine.dispose()


@contextmanager
def open_pins(place: Place) -> Iterator[SqlPins]:
    """
    Open what was learned about provider keys in the store at *place*.

    Raises StoreUnavailable where there is no store yet: nothing was learned.
    """
    if isinstance(place, Path) and not place.is_file():
        raise StoreUnavailable(
            f"{place}: there is no store here, so nothing was learned yet."
        )
    engine = make_engine(place, connections=1)
    try:
        prepare(engine)
        yield SqlPins(engine)
    finally:
        engine.dispose()


@contextmanager
def open_audit(place: Place) -> Iterator[SqlAudit]:
    """
    Open the audit of the store at *place* for reading, and change nothing.

    Raises StoreUnavailable where there is no store yet, or one of another release.
    """
    with looked_at(place) as engine:
        if engine is None:
            raise StoreUnavailable(
                f"{place}: there is no store here, so nothing was changed yet."
            )
        with reading(engine) as connection:
            found = look(connection)
        if found.state is State.BEHIND:
            raise StoreTooOld(
                f"{place}: its tables are at revision {found.revision}, and the audit"
                " needs those of this byok. Run: byok db upgrade"
            )
        yield SqlAudit(engine)


async def open_store(
    reactor: IReactorFromThreads,
    place: Place,
    peppers: tuple[Secret, ...] = (),
    *,
    clock: IReactorTime,
    poll_s: float = POLL_S,
) -> Store:
    """Open the store at *place*, migrate it if needed, and watch it for changes."""
    pool = DbPool(reactor)
    pool.start()
    try:
        engine, opened, marks = await pool.run(partial(_opened, place, peppers))
    except BaseException:
        pool.stop()
        raise
    keys = SqlKeyStore(opened.keys, pool)
    watch = ChangeWatch(
        marks,
        pool,
        changed=keys.changed,
        clock=clock,
        interval_s=poll_s,
    )
    watch.start()
    return Store(
        keys=keys,
        decisions=SqlDecisionStore(SqlDecisions(engine), pool),
        pins=SqlPinStore(SqlPins(engine), pool),
        usage=SqlUsageStore(SqlUsage(engine), pool),
        people=SqlPeopleStore(opened.people, pool, changed=keys.changed),
        peppers=opened.peppers,
        warnings=opened.warnings,
        engine=engine,
        pool=pool,
        watch=watch,
    )


def _opened(
    place: Place, configured: tuple[Secret, ...]
) -> tuple[sa.Engine, OpenKeys, Marks]:
    # One connection for each thread, and one that the watch keeps.
    engine = make_engine(place, connections=THREADS + 1)
    try:
        opened = _prepared(engine, place, configured)
        # Looked at before anybody can ask for a key: every later change counts.
        marks = marks_of(engine)
        marks.have_changed()
        return engine, opened, marks
    except BaseException:
        engine.dispose()
        raise


def _prepared(
    engine: sa.Engine, place: Place, configured: tuple[Secret, ...]
) -> OpenKeys:
    prepare(engine)
    keys = SqlKeys(engine)
    peppers, warnings = open_peppers(place, configured, counts=keys.pepper_counts())
    if not isinstance(place, Server) and stat.S_IMODE(place.stat().st_mode) & 0o077:
        warnings += (f"{place}: readable by others than its owner; chmod 600 it.",)
    return OpenKeys(
        keys=keys,
        usage=SqlUsage(engine),
        people=SqlPeople(engine),
        peppers=peppers,
        warnings=warnings,
    )
