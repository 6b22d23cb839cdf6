"""The chain of who changed what, in SQL: written within each change."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from byok.core.audit import GENESIS, AuditEntry, Json, Verified, chained, verify
from byok.store.engine import reading
from byok.store.tables import AUDIT, audit, revisions

UNKNOWN = "unknown"
_C = audit.c
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditWanted:
    """Which entries: the newest first, all of these true; *before* is a number."""

    limit: int = 100
    before: int | None = None
    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: float | None = None


def write_audit(
    connection: sa.Connection,
    *,
    at: float,
    actor: str | None,
    action: str,
    subject: str,
    before: Json | None,
    after: Json | None,
) -> None:
    """
    Add an entry to the chain, within the transaction that makes the change.

    The caller has the turn of all that is administered, so nobody else adds one
    meanwhile. How many there were is kept beside them: where the end was cut off, the
    next entry leaves a gap.
    """
    last = connection.execute(
        sa.select(_C.seq, _C.hash).order_by(_C.seq.desc()).limit(1)
    ).first()
    here = revisions.c.subject == AUDIT
    count = connection.scalar(sa.select(revisions.c.revision).where(here)) or 0
    entry = chained(
        seq=max(count, last.seq if last else 0) + 1,
        at=at,
        actor=actor or UNKNOWN,
        action=action,
        subject=subject,
        before=before,
        after=after,
        previous=last.hash if last else GENESIS,
    )
    connection.execute(sa.insert(audit).values(asdict(entry)))
    connection.execute(sa.update(revisions).where(here).values(revision=entry.seq))


class SqlAudit:
    """Reads the chain, each call from one consistent state."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def verify(self, *, expected: tuple[int, str] | None = None) -> Verified:
        """Walk along all of it; *expected* is number and hash of one that was noted."""
        count = sa.select(revisions.c.revision).where(revisions.c.subject == AUDIT)
        with reading(self._engine) as connection:
            return verify(
                _all(connection), count=connection.scalar(count), expected=expected
            )

    def newest(self, wanted: AuditWanted) -> tuple[AuditEntry, ...]:
        """Return the newest entries that are *wanted*."""
        equal = {
            _C.subject: wanted.subject,
            _C.actor: wanted.actor,
            _C.action: wanted.action,
        }
        query = (
            sa.select(audit)
            .where(*(column == value for column, value in equal.items() if value))
            .order_by(_C.seq.desc())
            .limit(wanted.limit)
        )
        if wanted.before is not None:
            query = query.where(_C.seq < wanted.before)
        if wanted.since is not None:
            query = query.where(_C.at >= wanted.since)
        with reading(self._engine) as connection:
            return tuple(map(_entry, connection.execute(query)))


def _all(connection: sa.Connection) -> Iterator[AuditEntry]:
    """Yield every entry, the oldest first, a thousand at a time."""
    seq: int | None = None
    while True:
        query = sa.select(audit).order_by(_C.seq).limit(_AT_ONCE)
        if seq is not None:
            query = query.where(_C.seq > seq)
        found = [_entry(row) for row in connection.execute(query)]
        yield from found
        if len(found) < _AT_ONCE:
            return
        seq = found[-1].seq


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(**row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
