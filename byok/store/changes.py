"""Notices that another process has changed the keys."""

import sqlite3
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from byok.store.engine import is_server, unavailable
from byok.store.sqlite import file_of
from byok.store.tables import KEYS, revisions


class Marks(Protocol):
    """Knows whether keys were changed since it was last asked."""

    def have_changed(self) -> bool:
        """
        Was any key changed since the last call? True at the first.

        Raises StoreUnavailable where the store does not say.
        """
        ...

    def close(self) -> None:
        """Let go of the store until the next call."""
        ...


def marks_of(engine: sa.Engine) -> Marks:
    """Return what notices the changes in the store of *engine*."""
    return RevisionMarks(engine) if is_server(engine) else ChangeMarks(engine)


class RevisionMarks:
    """
    Asks a database server, on one connection that is kept, for the revision.

    One row of a table that is always in its memory, twice a second: unlike a notice
    that is sent once, an answer cannot be missed while a connection is away, and it
    passes through every pooler.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._query = sa.select(revisions.c.revision).where(revisions.c.subject == KEYS)
        self._kept: sa.Connection | None = None
        self._revision: int | None = None

    def have_changed(self) -> bool:
        """Was any key changed since the last call? True at the first."""
        try:
            if self._kept is None:
                self._kept = self._engine.connect().execution_options(
                    isolation_level="AUTOCOMMIT"
                )
            with self._kept.begin():
                revision = self._kept.scalar(self._query)
        except SQLAlchemyError as error:
            self.close()
            raise unavailable(self._engine, error) from None
        changed = revision != self._revision
        self._revision = revision
        return changed

    def close(self) -> None:
        """Give the connection back; the next call takes a new one."""
        kept, self._kept, self._revision = self._kept, None, None
        if kept is not None:
            kept.invalidate()
            kept.close()


class ChangeMarks:
    """
    Asks SQLite, on one connection that is kept, whether keys were changed.

    Its `data_version` differs when anybody else has committed anything,
    and is read from memory; only then the revision of the keys is looked up. It
    says nothing about another file in the place of the one that is open, so that is
    asked first.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._file = file_of(engine)
        self._query = str(
            sa.select(revisions.c.revision)
            .where(revisions.c.subject == KEYS)
            .compile(engine, compile_kwargs={"literal_binds": True})
        )
        self._kept: sa.PoolProxiedConnection | None = None
        self._version: int | None = None
        self._revision: int | None = None

    def have_changed(self) -> bool:
        """
        Was any key changed since the last call? True at the first.

        Raises StoreReplaced where nobody can know, and StoreUnavailable where the
        database does not say.
        """
        self._file.check()
        try:
            return self._look()
        except (SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            raise unavailable(self._engine, error) from error

    def close(self) -> None:
        """Give the connection back; the next call takes a new one."""
        if self._kept is not None:
            self._kept.close()
        self._kept = self._version = self._revision = None

    def _look(self) -> bool:
        if self._kept is None:
            self._kept = self._engine.raw_connection()
        version = _scalar(self._kept, "PRAGMA data_version")
        if version == self._version:
            return False
        revision = _scalar(self._kept, self._query)
        changed = revision != self._revision
        self._version, self._revision = version, revision
        return changed


def _scalar(connection: sa.PoolProxiedConnection, statement: str) -> int:
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
        (value,) = cursor.fetchone() or (0,)
        return int(value)
    finally:
        cursor.close()
