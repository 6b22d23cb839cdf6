"""Brings a store's tables up to date, and leaves a newer store alone."""

from pathlib import Path

import sqlalchemy as sa

from byok.store.engine import reading, writing
from byok.store.faults import StoreTooNew

HEAD = "0005"
"""The newest revision. Known without Alembic, which takes long to import."""

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = "alembic_version"


def upgrade(engine: sa.Engine) -> None:
    """Run the migrations that the store has not seen, all or none."""
    with reading(engine) as connection:
        found = _revision(connection)
    if found == HEAD:
        return
    with writing(engine) as connection:
        # Another process may have migrated while this one waited for the lock.
        found = _revision(connection)
        if found != HEAD:
            _migrate(engine, connection, found)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSION):
        return None
    version = sa.table(_VERSION, sa.column("version_num"))
    found = connection.scalar(sa.select(version.c.version_num))
    return None if found is None else str(found)


def _migrate(engine: sa.Engine, connection: sa.Connection, found: str | None) -> None:
    # Alembic and its template engine are a quarter of a start; most need none.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    # A per cent sign in a path would be an interpolation to the config parser.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {
        revision.revision
        for revision in ScriptDirectory.from_config(config).walk_revisions()
    }
    if found is not None and found not in known:
        raise StoreTooNew(
            f"{engine.url.database}: written by a later byok (tables at revision "
            f"{found[:32]!r}, this one knows up to {HEAD!r}). Install that byok again, "
            "or put back a copy of the store from before."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
