"""Where the tests of every store find one: a file, or a database of its own."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from byok.store.location import Place, Server
from byok.store.opening import Store, open_store
from tests.store.records import PEPPER, REACTOR
from tests.support.postgres import Cluster


async def opened_for(case: Any, place: Place, *, poll_s: float = 3600.0) -> Store:
    """Open the store at *place* for the length of the test *case*."""
    store = await open_store(REACTOR, place, (PEPPER,), clock=REACTOR, poll_s=poll_s)
    case.addCleanup(lambda: Deferred.fromCoroutine(store.close()))
    return store


class OnSqlite:
    """A test on a SQLite file."""

    async def open(self) -> Store:
        """Open a store for the length of the test."""
        case: Any = self
        return await opened_for(case, Path(case.mktemp()))


@pytest.mark.postgres
class OnPostgres:
    """The same test on a database of the session's PostgreSQL."""

    @pytest.fixture(autouse=True)
    def _have_cluster(self, postgres: Cluster) -> None:
        self.cluster = postgres

    def database(self) -> Server:
        """Make a database."""
        return self.cluster.database()

    async def open(self) -> Store:
        """Open a store for the length of the test."""
        return await opened_for(self, self.database())
