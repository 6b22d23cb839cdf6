"""Lets old records of the ledger go, so that whoever writes has to wait for little."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from byok.core.errors import StoreUnavailable
from byok.store.engine import make_engine, reading
from byok.store.location import Place, Server
from byok.store.schema import prepare
from byok.store.sqlusage import SqlUsage
from byok.store.tables import usage

KEEP_AT_LEAST_DAYS = 2
"""
How many days of records stay in any case.

One that a gateway has not seen written may come again from its spool. It is known by
its record: without that it would be added to its day twice.
"""

_LEAST_PAUSE_S = 0.02
_MOST_PAUSE_S = 2.0


def pause_after(worked_s: float) -> float:
    """Return how long to leave the store to others after so much work on it."""
    return max(_LEAST_PAUSE_S, min(_MOST_PAUSE_S, worked_s))


class Pruning:
    """Lets records go, a few at a time; blocking calls."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._usage = SqlUsage(engine)

    def count(self, before: float) -> int:
        """Say how many records are from *before*."""
        query = sa.select(sa.func.count()).where(usage.c.at < before)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one()

    def prune_some(self, before: float) -> int:
        """Let the oldest few of the records from *before* go; say how many did."""
        return self._usage.prune(before)


@contextmanager
def open_pruning(place: Place) -> Iterator[Pruning]:
    """Open the ledger in the store at *place*, which has to be there."""
    if not isinstance(place, Server) and not place.is_file():
        raise StoreUnavailable(
            f"{place}: there is no store here, so nothing was used yet."
        )
    engine = make_engine(place, connections=1)
    try:
        prepare(engine)
        yield Pruning(engine)
    finally:
        engine.dispose()
