"""The seam between who makes decisions and who keeps their records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, cast

from msgspec import json

from byok.core.decision_queries import Wanted
from byok.core.exchange import Decided
from byok.core.records import Deciding
from byok.core.written import Written
from byok.policy import slot

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record as it is kept: its JSON, and what is asked for often."""

    id: str
    at: float
    key_id: str
    key: str
    deployment: str | None
    verdict: str
    payer: str | None
    has_shadow: bool
    written: Written = field(repr=False)

    @classmethod
    def of(cls, deciding: Deciding, written: Written) -> Self:
        """Return what is kept of *deciding*, whose record is *written*."""
        caller, result = deciding.caller, deciding.result
        decided = result if isinstance(result, Decided) else None
        source = decided.outcome.credential if decided else None
        return cls(
            id=deciding.id,
            at=round(deciding.at, 3),
            key_id=caller.key_id,
            key=caller.name,
            deployment=decided.deployment.name if decided else None,
            verdict="allow" if deciding.refusal is None else "deny",
            payer=None
            if source is None or source.source == slot.NONE
            else source.payer,
            has_shadow=bool(deciding.shadow),
            written=written,
        )

    @property
    def text(self) -> str:
        """The record's whole text."""
        return self.written.whole()

    @property
    def record(self) -> dict[str, object]:
        """The record itself."""
        return read(self.text)


def read(text: str) -> dict[str, object]:
    """Return the record that *text* is."""
    return cast("dict[str, object]", json.decode(text))


class DecisionStore(Protocol):
    """Where records of decisions are kept; `memory_decisions.py` reads easiest."""

    async def append(self, entries: Sequence[Entry], *, keep: int) -> None:
        """Add *entries*, and let the oldest go until no more than *keep* are left."""
        ...

    async def maybe(self, decision_id: str) -> str | None:
        """Return the text of one record."""
        ...

    async def newest(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the texts of the newest records that are *wanted*."""
        ...
