"""Connections to a store, and transactions that read or write it, on any database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from byok.core.errors import StoreUnavailable
from byok.store.location import Place, Server
from byok.store.postgresql import said_by, server_engine, take_turn
from byok.store.sqlite import WRITES, file_engine

TURN = 1
"""Whose turn it is to change what is administered; others have numbers of their own."""

_PLACE = "byok_place"
_NOT_PERMITTED = ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY")
NEEDS = ". Whoever runs byok has to be able to write this file and its directory."


def make_engine(place: Place, *, connections: int, patient: bool = False) -> sa.Engine:
    """
    Prepare up to *connections* connections to the store at *place*.

    A *patient* one waits for long statements, as migrations are.
    """
    if isinstance(place, Server):
        engine = server_engine(place, connections=connections, patient=patient)
    else:
        engine = file_engine(place, connections=connections)
    return engine.execution_options(**{_PLACE: str(place)})


def is_server(engine: sa.Engine | sa.Connection) -> bool:
    """Is the store a database server, which others may use at the same time?"""
    return engine.dialect.name == "postgresql"


def name_of(engine: sa.Engine) -> str:
    """Return what the store is called in messages."""
    return str(engine.get_execution_options().get(_PLACE, engine.url.database))


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Read from one consistent state of the store."""
    with _faults(engine), engine.connect() as connection:
        if is_server(engine):
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: sa.Engine, *, turn: int = TURN) -> Iterator[sa.Connection]:
    """
    Change the store, all or nothing, one after the other.

    The lock is taken at the start: a transaction that reads first and writes
    then fails without waiting when another has written in between. SQLite has one
    lock for all; elsewhere only those of the same *turn* wait for each other.
    """
    with (
        _faults(engine),
        engine.connect().execution_options(**{WRITES: True}) as connection,
        connection.begin(),
    ):
        if is_server(engine):
            take_turn(connection, turn)
        yield connection


def unavailable(engine: sa.Engine, error: Exception) -> StoreUnavailable:
    """Say what the database said, without the statement."""
    said = getattr(error, "orig", None) or error
    if is_server(engine):
        return StoreUnavailable(f"{name_of(engine)}: {said_by(said)}")
    name = getattr(said, "sqlite_errorname", "")
    needs = NEEDS if name.startswith(_NOT_PERMITTED) else ""
    return StoreUnavailable(f"{name_of(engine)}: {said}{needs}")


@contextmanager
def _faults(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        if is_server(engine):
            # What caused it may quote values, in its details.
            raise unavailable(engine, error) from None
        raise unavailable(engine, error) from error


def inserting(engine: sa.Engine, table: sa.Table) -> Any:
    """Begin an INSERT that can say what becomes of a row that is there already."""
    # What talks to a server takes two megabytes that most gateways have no use for.
    kind = "postgresql" if is_server(engine) else "sqlite"
    return import_module(f"sqlalchemy.dialects.{kind}").insert(table)
