"""SQLite as byok wants it: write-ahead log, patient locks, a file of its own."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from byok.core.errors import StoreUnavailable
from byok.store.file import StoreFile

BUSY_TIMEOUT_MS = 5000
_WRITES = "byok_writes"
_FILE = "byok_file"
_NOT_PERMITTED = ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY")
NEEDS = ". Whoever runs byok has to be able to write this file and its directory."

# NORMAL would be faster and may forget the last commits in a power cut; one of
# them may be the block of a key that was leaked.
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


def make_engine(path: Path, *, connections: int) -> sa.Engine:
    """
    Prepare up to *connections* connections to the SQLite file at *path*.

    A file that is not there is made, readable by its owner alone; SQLite gives
    its `-wal` and `-shm` companions the same mode. Once that is another file, or
    none, no connection is given out any more.
    """
    _make_file(path)
    file = StoreFile(path)
    # Without this mode, a connection made later would make an empty file in place
    # of one that was deleted.
    uri = f"{file.path.as_uri()}?mode=rw"
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        creator=lambda: sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, check_same_thread=False
        ),
        pool_size=connections,
        max_overflow=0,
        # Errors of the database quote statements; parameters they must not.
        hide_parameters=True,
        execution_options={_FILE: file},
    )
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "checkout", lambda *_: file.check())
    sa.event.listen(engine, "begin", _begin)
    return engine


def file_of(engine: sa.Engine) -> StoreFile:
    """Return the file that *engine* was made for."""
    file: StoreFile = engine.get_execution_options()[_FILE]
    return file


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Read from one consistent state of the store."""
    with _faults(engine), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """
    Change the store, all or nothing.

    The lock is taken at the start: a transaction that reads first and writes
    then fails without waiting when another has written in between.
    """
    with (
        _faults(engine),
        engine.connect().execution_options(**{_WRITES: True}) as connection,
        connection.begin(),
    ):
        yield connection


def unavailable(engine: sa.Engine, error: Exception) -> StoreUnavailable:
    """Say what the database said, without the statement."""
    said = getattr(error, "orig", None) or error
    name = getattr(said, "sqlite_errorname", "")
    needs = NEEDS if name.startswith(_NOT_PERMITTED) else ""
    return StoreUnavailable(f"{engine.url.database}: {said}{needs}")


@contextmanager
def _faults(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise unavailable(engine, error) from error


def _make_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot make the key store here ({error.strerror}). Make the "
            "directory, or name another place under `store` in the config."
        ) from error


def _prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # The driver would begin transactions on its own, and only before some
    # statements; `_begin` does it for all.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
