"""
Virtual keys in SQL, as plain blocking calls.

The command line uses this directly; a gateway calls it in the threads of
`sqlstore.py`. A key itself never comes here, only digests and names.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Any

import sqlalchemy as sa

from byok.core.audit import told_changes
from byok.core.keys import VirtualKey
from byok.store.engine import reading, writing
from byok.store.faults import AliasTaken, KeyTaken
from byok.store.keystore import Change, Page, Selection
from byok.store.sqlaudit import write_audit
from byok.store.tables import KEYS, revisions, virtual_keys

_COLUMNS = virtual_keys.c


class SqlKeys:
    """Reads and writes key records, each call one transaction."""

    def __init__(
        self, engine: sa.Engine, *, seconds: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._seconds = seconds

    def maybe_by_digest(
        self, digests: Sequence[bytes], *, now: float
    ) -> VirtualKey | None:
        """Find the key with one of *digests*, its own or its former one in grace."""
        query = sa.select(virtual_keys).where(
            _COLUMNS.digest.in_(digests) | _COLUMNS.previous_digest.in_(digests)
        )
        with reading(self._engine) as connection:
            found = [_record(row) for row in connection.execute(query)]
        for key in found:
            # The index has compared already; this also judges the grace period.
            if any(key.has_digest(digest, now=now) for digest in digests):
                return key
        return None

    def every_digest(self) -> frozenset[bytes]:
        """Return the digests of all keys, their former ones included."""
        query = sa.select(_COLUMNS.digest, _COLUMNS.previous_digest)
        with reading(self._engine) as connection:
            return frozenset(
                digest
                for row in connection.execute(query)
                for digest in row
                if digest is not None
            )

    def maybe_by_name(self, name: str) -> VirtualKey | None:
        """Find a key by token id or alias."""
        query = sa.select(virtual_keys).where(
            (_COLUMNS.token_id == name) | (_COLUMNS.key_alias == name)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _record(row)

    def insert(self, key: VirtualKey) -> None:
        """Keep a new key, or raise KeyTaken or AliasTaken."""
        with writing(self._engine) as connection:
            _check_unique(connection, key)
            connection.execute(sa.insert(virtual_keys).values(_values(key)))
            self._changed(connection, key.token_id, None, key, by=key.created_by)

    def update(self, token_id: str, change: Change) -> VirtualKey | None:
        """Replace a record by what *change* makes of it; None if it is not there."""
        here = _COLUMNS.token_id == token_id
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(virtual_keys).where(here)).first()
            if row is None:
                return None
            before = _record(row)
            key = change(before)
            _check_unique(connection, key)
            connection.execute(sa.update(virtual_keys).where(here).values(_values(key)))
            self._changed(connection, token_id, before, key, by=key.updated_by)
        return key

    def delete(self, token_ids: Sequence[str], *, by: str | None = None) -> bool:
        """Delete all of *token_ids*, or none if one of them is not there."""
        wanted = set(token_ids)
        with writing(self._engine) as connection:
            here = _COLUMNS.token_id.in_(wanted)
            query = sa.select(virtual_keys).where(here)
            found = [_record(row) for row in connection.execute(query)]
            if len(found) != len(wanted):
                return False
            self.delete_within(connection, found, by=by)
        return True

    def delete_within(
        self, connection: sa.Connection, keys: Sequence[VirtualKey], *, by: str | None
    ) -> None:
        """Delete *keys* in a transaction that somebody else has begun."""
        for key in sorted(keys, key=lambda key: key.token_id):
            here = _COLUMNS.token_id == key.token_id
            connection.execute(sa.delete(virtual_keys).where(here))
            self._changed(connection, key.token_id, key, None, by=by)

    def owned(self, connection: sa.Connection, **owner: str) -> list[VirtualKey]:
        """Return the keys of an *owner*, a `user_id` or a `team_id`, within one."""
        query = sa.select(virtual_keys).where(
            *(_COLUMNS[name] == value for name, value in owner.items())
        )
        return [_record(row) for row in connection.execute(query)]

    def page(self, selection: Selection) -> Page:
        """List keys."""
        wanted = {
            _COLUMNS.user_id: selection.user_id,
            _COLUMNS.team_id: selection.team_id,
            _COLUMNS.key_alias: selection.key_alias,
            _COLUMNS.token_id: selection.token_id,
        }
        here = [
            column == value for column, value in wanted.items() if value is not None
        ]
        query = (
            sa.select(virtual_keys)
            .where(*here)
            .order_by(_COLUMNS.created_at.desc(), _COLUMNS.token_id)
            .limit(selection.size)
            .offset((selection.page - 1) * selection.size)
        )
        count = sa.select(sa.func.count()).select_from(virtual_keys).where(*here)
        with reading(self._engine) as connection:
            total = connection.scalar(count) or 0
            found = tuple(_record(row) for row in connection.execute(query))
        return Page(keys=found, total=total)

    def pepper_counts(self) -> dict[str, int]:
        """Count the keys by the pepper that their digests were made with."""
        query = sa.select(_COLUMNS.pepper_id, sa.func.count()).group_by(
            _COLUMNS.pepper_id
        )
        with reading(self._engine) as connection:
            return {str(name): int(count) for name, count in connection.execute(query)}

    def _changed(
        self,
        connection: sa.Connection,
        token_id: str,
        before: VirtualKey | None,
        after: VirtualKey | None,
        *,
        by: str | None,
    ) -> None:
        """Have others notice a change, and write down who made it."""
        mark_changed(connection)
        action = _action(before, after)
        was, now = told_changes(before, after)
        if action == _UPDATE and not now:
            return
        write_audit(
            connection,
            at=self._seconds(),
            actor=_ITSELF if action == _REDIGEST else by,
            action=action,
            subject=f"key:{token_id}",
            before=was,
            after=now,
        )


_UPDATE = "key.update"
_REDIGEST = "key.redigest"
_ITSELF = "byok"


def _action(before: VirtualKey | None, after: VirtualKey | None) -> str:
    if before is None:
        return "key.create"
    if after is None:
        return "key.delete"
    if before.pepper_id != after.pepper_id and before.updated_at == after.updated_at:
        # By the gateway itself, as the key was used.
        return _REDIGEST
    if before.key_name != after.key_name or (
        not compare_digest(before.digest, after.digest)
    ):
        return "key.regenerate"
    if before.blocked != after.blocked:
        return "key.block" if after.blocked else "key.unblock"
    return _UPDATE


def _check_unique(connection: sa.Connection, key: VirtualKey) -> None:
    others = sa.select(sa.literal(1)).where(_COLUMNS.token_id != key.token_id)
    if connection.scalar(others.where(_COLUMNS.digest == key.digest)):
        raise KeyTaken
    if key.key_alias is not None and connection.scalar(
        others.where(_COLUMNS.key_alias == key.key_alias)
    ):
        raise AliasTaken


def mark_changed(connection: sa.Connection) -> None:
    """Have every gateway forget what it knows by heart of who may do what."""
    connection.execute(
        sa.update(revisions)
        .where(revisions.c.subject == KEYS)
        .values(revision=revisions.c.revision + 1)
    )


_LISTS = frozenset({"models", "tags"})
_OBJECTS = frozenset({"metadata", "permissions"})
_FIELDS = tuple(field.name for field in dataclasses.fields(VirtualKey))


def _values(key: VirtualKey) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(key, name)
        if name in _LISTS:
            value = list(value)
        elif name in _OBJECTS:
            value = dict(value)
        values[name] = value
    return values


def _record(row: sa.Row[Any]) -> VirtualKey:
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    for name in _LISTS:
        values[name] = tuple(values[name])
    return VirtualKey(**values)
