"""A look at a store that makes, migrates and locks nothing."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from byok.core.belonging import NOBODYS, Belonging
from byok.core.errors import StoreUnavailable
from byok.core.keys import Peppers, VirtualKey, is_well_formed
from byok.core.secret import Secret
from byok.store.engine import NEEDS, make_engine, reading
from byok.store.keystore import Selection
from byok.store.location import Place, Server
from byok.store.peppers import read_peppers
from byok.store.schema import State, look
from byok.store.sqldecisions import SqlDecisions
from byok.store.sqlkeys import SqlKeys
from byok.store.sqlpeople import SqlPeople
from byok.store.tables import teams

_ALL = 1_000_000


def peek_key(place: Place, name: str) -> VirtualKey | None:
    """
    Return the key called *name* (token id or alias) in the store at *place*.

    None where there is no such key, or no store yet. Raises StoreUnavailable for a
    store that cannot be read: one of somebody else, one that is none, or one that
    would have to be migrated first, since a dry run must not change anything.
    """
    try:
        with looked_at(place) as engine:
            return None if engine is None else SqlKeys(engine).maybe_by_name(name)
    except StoreUnavailable as error:
        raise _unreadable(place, error) from error


def peek_belonging(
    place: Place, *, user_id: str | None, team_id: str | None
) -> Belonging:
    """
    Return the user and the team of these names in the store at *place*.

    Each None where there is no such one, or no store yet. Raises StoreUnavailable like
    `peek_key`; a store from before there were teams has none.
    """
    if user_id is None and team_id is None:
        return NOBODYS
    try:
        with looked_at(place) as engine:
            if engine is None or not sa.inspect(engine).has_table(teams.name):
                return NOBODYS
            people = SqlPeople(engine)
            # An alias finds a team as well, and is no name that keys go by.
            team = None if team_id is None else people.team(team_id)
            return Belonging(
                user=None if user_id is None else people.user(user_id),
                team=None if team is None or team.team_id != team_id else team,
            )
    except StoreUnavailable as error:
        raise _unreadable(place, error) from error
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"{place}: {type(error).__name__}") from error


def _unreadable(place: Place, error: StoreUnavailable) -> StoreUnavailable:
    # It may have been read from a copy, whose name means nothing to anybody.
    why = str(error).partition(": ")[2].removesuffix(NEEDS)
    return StoreUnavailable(
        f"{place}: {why}. The store can be read by the user that byok runs as, once"
        " a gateway of this version has started with it."
    )


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
    return True


def peek_keys(place: Place) -> tuple[VirtualKey, ...] | None:
    """Return every key in the store at *place*; None where there is none to read."""
    try:
        with looked_at(place) as engine:
            if engine is None:
                return None
            return SqlKeys(engine).page(Selection(size=_ALL)).keys
    except StoreUnavailable:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeekedKeys:
    """
    The keys of a store as digests, to tell its keys from everybody else's.

    *is_partial* says that some were made with a pepper that is not at hand, so that
    they would not be recognised.
    """

    peppers: Peppers
    digests: frozenset[bytes] = field(repr=False)
    is_partial: bool

    def is_real(self, key: bytes) -> bool:
        """Is *key* one of the store's, in force or not?"""
        return is_well_formed(key) and not self.digests.isdisjoint(
            self.peppers.digests(key)
        )


def peek_digests(place: Place, configured: tuple[Secret, ...]) -> PeekedKeys | None:
    """
    Return the digests of every key in the store at *path*, and its peppers.

    The peppers are those *configured*, or the one in the file beside the store. None
    where that cannot be read, and where there is no store to read.
    """
    try:
        with looked_at(place) as engine:
            if engine is None:
                return None
            keys = SqlKeys(engine)
            peppers = read_peppers(place, configured)
            return PeekedKeys(
                peppers=peppers,
                digests=keys.every_digest(),
                is_partial=not keys.pepper_counts().keys() <= set(peppers.ids),
            )
    except StoreUnavailable:
        return None


@contextmanager
def peek_decisions(place: Place) -> Iterator[SqlDecisions]:
    """
    Open the records in the store at *place* for reading.

    Raises StoreUnavailable where there is no store; reading one that no gateway of
    this version has opened yet does so too.
    """
    with looked_at(place) as engine:
        if engine is None:
            raise StoreUnavailable(
                f"{place}: there is no store here, so nothing was recorded yet."
            )
        yield SqlDecisions(engine)


@contextmanager
def looked_at(place: Place) -> Iterator[sa.Engine | None]:
    """Open the store at *place* for reading; None where there is none yet."""
    if isinstance(place, Server):
        engine = make_engine(place, connections=1)
        try:
            with reading(engine) as connection:
                is_empty = look(connection).state is State.EMPTY
            yield None if is_empty else engine
        finally:
            engine.dispose()
    elif _is_there(place):
        with _read_only(place) as engine:
            yield engine
    else:
        yield None


@contextmanager
def _read_only(path: Path) -> Iterator[sa.Engine]:
    # Reading a write-ahead log, SQLite makes its companions where they are missing.
    log, index = (path.with_name(f"{path.name}{each}") for each in ("-wal", "-shm"))
    if not log.exists():
        # Nobody has the store open, and all of it is in this one file.
        with _engine(path, "immutable=1") as engine:
            yield engine
    elif index.exists():
        with _engine(path, "mode=ro") as engine:
            yield engine
    else:
        # A crash left the log. Whoever opens the store next has to find it as it is.
        with TemporaryDirectory(prefix="byok-") as directory:
            try:
                for each in (path, log):
                    shutil.copy(each, directory)
            except OSError as error:
                raise StoreUnavailable(f"{path}: {error.strerror}") from error
            with _engine(Path(directory, path.name), "mode=ro") as engine:
                yield engine


@contextmanager
def _engine(path: Path, how: str) -> Iterator[sa.Engine]:
    uri = f"{path.absolute().as_uri()}?{how}"
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=1.0),
        hide_parameters=True,
    )
    try:
        yield engine
    finally:
        engine.dispose()
