"""What was learned about provider keys, in SQL: blocking, and the same in threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from byok.core.pinning import UNKNOWN, KnownKey, merged, pin_name
from byok.store.dbpool import DbPool
from byok.store.engine import reading, writing
from byok.store.sqlaudit import write_audit
from byok.store.tables import provider_keys

_MOST = 100_000
_COLUMNS = provider_keys.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One provider key in the store: what it is called, and what is known of it."""

    name: str
    known: KnownKey
    learned_at: float
    released_at: float | None = None


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
            values: dict[str, object] = {
                "organization": found.organization,
                "owner": found.owner,
                "learned_at": now,
            }
            if found.owner is not None:
                # Its next owner is there, and the release is history.
                values |= {"released_by": None, "released_at": None}
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

    def all(self, *, owner: str | None = None) -> tuple[Pin, ...]:
        """Return every key, or those of *owner*, what was learned last first."""
        query = sa.select(*_ALL).order_by(_COLUMNS.learned_at.desc(), _COLUMNS.digest)
        if owner is not None:
            query = query.where(_COLUMNS.owner == owner)
        with reading(self._engine) as connection:
            return tuple(map(_pin, connection.execute(query)))

    def named(self, beginning: bytes) -> Pin | None:
        """Return the key whose digest has this *beginning*."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(*_ALL).where(_begins(beginning))).first()
        return None if row is None else _pin(row)

    def release(self, beginning: bytes, *, by: str, now: float) -> Pin | None:
        """
        Take the key whose digest has this *beginning* from its owner; say what it was.

        None where there is no such key. Of one that has no owner nothing changes.
        """
        with writing(self._engine) as connection:
            here = _begins(beginning)
            row = connection.execute(sa.select(*_ALL).where(here)).first()
            if row is None:
                return None
            if row.owner is not None:
                values = {"owner": None, "released_by": by, "released_at": now}
                connection.execute(sa.update(provider_keys).where(here).values(values))
                write_audit(
                    connection,
                    at=now,
                    actor=by,
                    action="pin.release",
                    subject=f"pin:{pin_name(row.digest)}",
                    before={"owner": row.owner},
                    after={"owner": None},
                )
            return _pin(row)


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


_ALL = (
    _COLUMNS.digest,
    _COLUMNS.organization,
    _COLUMNS.owner,
    _COLUMNS.released_by,
    _COLUMNS.learned_at,
    _COLUMNS.released_at,
)


def _begins(beginning: bytes) -> sa.ColumnElement[bool]:
    return sa.func.substr(_COLUMNS.digest, 1, len(beginning)) == beginning


def _pin(row: Any) -> Pin:
    return Pin(
        name=pin_name(row.digest),
        known=_known(row),
        learned_at=row.learned_at,
        released_at=row.released_at,
    )


def _known(row: Any) -> KnownKey:
    return KnownKey(
        organization=row.organization, owner=row.owner, released_by=row.released_by
    )


def _found(connection: sa.Connection, digests: Sequence[bytes]) -> KnownKey | None:
    query = sa.select(*_ALL).where(_COLUMNS.digest.in_(digests))
    row = connection.execute(query).first()
    return None if row is None else _known(row)
