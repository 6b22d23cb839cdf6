"""SQLite as byok wants it: write-ahead log, patient locks, a file of its own."""

import os
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from byok.core.errors import StoreUnavailable
from byok.store.file import StoreFile

BUSY_TIMEOUT_MS = 5000
WRITES = "byok_writes"
_FILE = "byok_file"

# NORMAL would be faster and may forget the last commits in a power cut; one of
# them may be the block of a key that was leaked.
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


def file_engine(path: Path, *, connections: int) -> sa.Engine:
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
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
