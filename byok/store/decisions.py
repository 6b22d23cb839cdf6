"""The seam between who makes decisions and who keeps their records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, cast

from msgspec import json

from byok.core.decision_queries import Wanted

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record as it is kept: the JSON text, and what is asked for often."""

    id: str
    at: float
    key_id: str
    key: str
    deployment: str | None
    verdict: str
    payer: str | None
    has_shadow: bool
    text: str = field(repr=False)

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return what is kept of *record* (decision-v1)."""
        caller = cast("Record", record["caller"])
        request = cast("Record", record["request"])
        credential = cast("Record | None", record["credential"])
        return cls(
            id=str(record["id"]),
            at=float(cast("float", record["time"])),
            key_id=str(caller["key_id"]),
            key=str(caller["key"]),
            deployment=cast("str | None", request.get("deployment")),
            verdict=str(record["verdict"]),
            payer=cast("str | None", credential["payer"]) if credential else None,
            has_shadow=bool(record["shadow"]),
            text=json.encode(record).decode("utf-8"),
        )

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
