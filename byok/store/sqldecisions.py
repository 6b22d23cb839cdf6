"""Records of decisions in SQL: blocking calls, and the same in threads."""

from collections.abc import Sequence
from functools import partial
from itertools import islice

import sqlalchemy as sa

from byok.core.decision_queries import Wanted
from byok.core.written import whole
from byok.store.dbpool import DbPool
from byok.store.decisions import Entry
from byok.store.engine import inserting, reading, writing
from byok.store.tables import decision_patterns, decisions

_COLUMNS = decisions.c
_PATTERNS = decision_patterns.c
_BOTH = decisions.outerjoin(decision_patterns, _COLUMNS.pattern == _PATTERNS.id)
_RECORDS = sa.select(_COLUMNS.record, _PATTERNS.text).select_from(_BOTH)
# What a column holds, and a server insists on.
_LONGEST = 255
# Looking for patterns that nothing needs any more reads every record's.
_LEAST_BETWEEN_SWEEPS = 1000


class SqlDecisions:
    """Reads and writes records, each call one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._add_patterns = inserting(
            engine, decision_patterns
        ).on_conflict_do_nothing()
        self._until_sweep = 0

    def append(self, entries: Sequence[Entry], *, keep: int) -> None:
        """Add *entries*, and let the oldest go until no more than *keep* are left."""
        patterns = {
            each.written.pattern.id: each.written.pattern.text
            for each in entries
            if each.written.pattern is not None
        }
        with writing(self._engine) as connection:
            # Each time: another process may have swept away what was here before.
            if patterns:
                connection.execute(
                    self._add_patterns,
                    [{"id": each, "text": text} for each, text in patterns.items()],
                )
            connection.execute(
                sa.insert(decisions), [_values(each) for each in entries]
            )
            # Numbers have no gaps, since only the oldest ever go.
            newest = sa.select(sa.func.max(_COLUMNS.number) - keep).scalar_subquery()
            connection.execute(sa.delete(decisions).where(_COLUMNS.number <= newest))
            self._until_sweep -= len(entries)
            if self._until_sweep <= 0:
                self._until_sweep = max(keep, _LEAST_BETWEEN_SWEEPS)
                needed = sa.select(_COLUMNS.pattern).where(
                    _COLUMNS.pattern.is_not(None)
                )
                connection.execute(
                    sa.delete(decision_patterns).where(_PATTERNS.id.not_in(needed))
                )

    def maybe(self, decision_id: str) -> str | None:
        """Return the text of one record."""
        query = _RECORDS.where(_COLUMNS.id == decision_id)
        with reading(self._engine) as connection:
            found = connection.execute(query).first()
        return None if found is None else whole(*found)

    def newest(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the texts of the newest records that are *wanted*."""
        query = _RECORDS.where(*_conditions(wanted)).order_by(_COLUMNS.number.desc())
        with (
            reading(self._engine) as connection,
            connection.execution_options(stream_results=True).execute(query) as rows,
        ):
            texts = (whole(*row) for row in rows)
            # The database compares without regard to case; this does not.
            named = (text for text in texts if wanted.names_rule(text))
            return tuple(islice(named, wanted.limit))


class SqlDecisionStore:
    """Keeps records in SQL, from threads; implements DecisionStore."""

    def __init__(self, decisions: SqlDecisions, pool: DbPool) -> None:
        self._decisions = decisions
        self._pool = pool

    async def append(self, entries: Sequence[Entry], *, keep: int) -> None:
        """Add *entries*, and let the oldest go until no more than *keep* are left."""
        await self._pool.run(partial(self._decisions.append, entries, keep=keep))

    async def maybe(self, decision_id: str) -> str | None:
        """Return the text of one record."""
        return await self._pool.run(partial(self._decisions.maybe, decision_id))

    async def newest(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the texts of the newest records that are *wanted*."""
        return await self._pool.run(partial(self._decisions.newest, wanted))


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    equal = {
        _COLUMNS.deployment: wanted.deployment,
        _COLUMNS.verdict: wanted.verdict,
        _COLUMNS.payer: wanted.payer,
    }
    out: list[sa.ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if wanted.key is not None:
        out.append((_COLUMNS.key_id == wanted.key) | (_COLUMNS.key == wanted.key))
    if wanted.shadow:
        out.append(_COLUMNS.has_shadow)
    if wanted.since is not None:
        out.append(_COLUMNS.at >= wanted.since)
    if wanted.rule is not None:
        out.append(
            _COLUMNS.record.contains(wanted.needle, autoescape=True)
            | _PATTERNS.text.contains(wanted.needle, autoescape=True)
        )
    return out


def _values(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": entry.at,
        "key_id": entry.key_id,
        "key": entry.key[:_LONGEST],
        "deployment": entry.deployment and entry.deployment[:_LONGEST],
        "verdict": entry.verdict,
        "payer": entry.payer,
        "has_shadow": entry.has_shadow,
        "record": entry.written.text,
        "pattern": None if entry.written.pattern is None else entry.written.pattern.id,
    }
