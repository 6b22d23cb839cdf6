"""PostgreSQL as byok wants it: asked in vain it says so soon, and it comes back."""

from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa

from byok.core.errors import StoreUnavailable
from byok.store.location import Server

CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 5000
_STATEMENT_TIMEOUT_MS = 30_000
_TURN_CLASS = 0x62796F6B
"""All turns of byok's own; other users of the database have other numbers."""

# Of a server that is gone without a word the kernel would otherwise tell after a
# quarter of an hour.
_ARGUMENTS: dict[str, str | int] = {
    "application_name": "byok",
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # Named here, so that no variable of the environment has a say in it.
    "sslmode": "prefer",
}
_SETTINGS = (
    f"SET lock_timeout = {LOCK_TIMEOUT_MS}",
    f"SET statement_timeout = {_STATEMENT_TIMEOUT_MS}",
    "SET idle_in_transaction_session_timeout = 60000",
    "SET client_encoding = 'UTF8'",
)


def server_engine(
    server: Server, *, connections: int, patient: bool = False
) -> sa.Engine:
    """
    Prepare up to *connections* connections to the database of *server*.

    None is made yet. Each is tried before it is given out, so one that the server
    dropped, by a restart for one, is never more than a moment's delay. A *patient*
    one lets statements take as long as they do, which migrations may.
    """
    if find_spec("psycopg") is None:
        raise StoreUnavailable(
            "store: PostgreSQL needs a driver that is not installed."
            " Run: pip install 'byok[postgresql]'"
        )
    url = sa.make_url(server.url).set(drivername="postgresql+psycopg")
    defaults = {
        name: value for name, value in _ARGUMENTS.items() if name not in url.query
    }
    if url.password is None:
        # Not that of PGPASSWORD either; ~/.pgpass is asked as psql would.
        defaults["password"] = ""
    engine = sa.create_engine(
        url,
        connect_args=defaults,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        hide_parameters=True,
    )

    def prepare(connection: Any, _: object) -> None:
        before, connection.autocommit = connection.autocommit, True
        for setting in _SETTINGS[: 1 if patient else None]:
            connection.execute(setting)
        connection.autocommit = before

    sa.event.listen(engine, "connect", prepare)
    return engine


def take_turn(connection: sa.Connection, number: int) -> None:
    """Wait until no other transaction has the turn *number*, and have it."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_TURN_CLASS, number)))


def said_by(error: BaseException) -> str:
    """
    Return what the server said, in one line that quotes no value.

    Its details do: `Key (digest)=(...) already exists`.
    """
    diagnosis = getattr(error, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(error)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
