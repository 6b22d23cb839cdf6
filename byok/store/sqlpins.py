"""What was learned about provider keys, in SQL: blocking, and the same in threads."""

from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from byok.core.pinning import UNKNOWN, KnownKey, merged
from byok.store.dbpool import DbPool
from byok.store.engine import reading, writing
from byok.store.tables import provider_keys

_MOST = 100_000
_COLUMNS = provider_keys.c


class SqlPins:
    """Reads and writes it, each call one transaction."""

    def __init__(self, engine: sa.Engine, *, most: int = _MOST) -> None:
        self._engine = engine
        self._most = most

    def maybe(self, digests: Sequence[bytes]) -> KnownKey | None:
        """Return what is known of the key with one of *digests*."""
        with reading(self._engine) as connection:
            return _found(connection, digests)

    def learn(self, digest: bytes, known: KnownKey, *, now: float) -> KnownKey:
        """Keep what is *known*; an owner who was there before stays. Return it."""
        with writing(self._engine) as connection:
            before = _found(connection, [digest])
            found = merged(before or UNKNOWN, known)
            values = {
                "organization": found.organization,
                "owner": found.owner,
                "learned_at": now,
            }
            if before is not None:
                here = _COLUMNS.digest == digest
                connection.execute(sa.update(provider_keys).where(here).values(values))
                return found
            connection.execute(
                sa.insert(provider_keys).values({"digest": digest, **values})
            )
            kept = (
                sa.select(_COLUMNS.digest)
                .order_by(_COLUMNS.learned_at.desc())
                .limit(self._most)
            )
            count = sa.select(sa.func.count()).select_from(provider_keys)
            if (connection.scalar(count) or 0) > self._most:
                connection.execute(
                    sa.delete(provider_keys).where(_COLUMNS.digest.not_in(kept))
                )
        return found


class SqlPinStore:
    """Keeps it in SQL, from threads; implements PinStore."""

    def __init__(self, pins: SqlPins, pool: DbPool) -> None:
        self._pins = pins
        self._pool = pool

    async def maybe(self, digests: Sequence[bytes]) -> KnownKey | None:
        """Return what is known of the key with one of *digests*."""
        return await self._pool.run(partial(self._pins.maybe, digests))

    async def learn(self, digest: bytes, known: KnownKey, *, now: float) -> KnownKey:
        """Keep what is *known*; an owner who was there before stays. Return it."""
        return await self._pool.run(partial(self._pins.learn, digest, known, now=now))


def _found(connection: sa.Connection, digests: Sequence[bytes]) -> KnownKey | None:
    query = sa.select(_COLUMNS.organization, _COLUMNS.owner).where(
        _COLUMNS.digest.in_(digests)
    )
    row = connection.execute(query).first()
    return None if row is None else KnownKey(organization=row[0], owner=row[1])
