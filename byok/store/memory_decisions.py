"""Records of decisions in a list: what the other store does, in the fewest words."""

from collections.abc import Sequence

from byok.core.decision_queries import Wanted
from byok.store.decisions import Entry


class MemoryDecisionStore:
    """Keeps records until the process ends."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    async def append(self, entries: Sequence[Entry], *, keep: int) -> None:
        """Add *entries*, and let the oldest go until no more than *keep* are left."""
        self._entries += entries
        del self._entries[:-keep]

    async def maybe(self, decision_id: str) -> str | None:
        """Return the text of one record."""
        for entry in self._entries:
            if entry.id == decision_id:
                return entry.text
        return None

    async def newest(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the texts of the newest records that are *wanted*."""
        found = [entry.text for entry in reversed(self._entries) if _is(entry, wanted)]
        return tuple(found[: wanted.limit])


def _is(entry: Entry, wanted: Wanted) -> bool:
    return (
        wanted.key in {None, entry.key_id, entry.key}
        and wanted.deployment in {None, entry.deployment}
        and wanted.verdict in {None, entry.verdict}
        and wanted.payer in {None, entry.payer}
        and (entry.has_shadow or not wanted.shadow)
        and (wanted.since is None or entry.at >= wanted.since)
        and wanted.names_rule(entry.text)
    )
