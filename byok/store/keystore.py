"""The seam between who needs keys and who keeps them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from byok.core.keys import VirtualKey

Change = Callable[[VirtualKey], VirtualKey]
"""What to make of a record; called within the transaction, in a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which keys to list: the newest first, a page at a time, all of these true."""

    page: int = 1
    size: int = 100
    user_id: str | None = None
    team_id: str | None = None
    key_alias: str | None = None
    token_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the keys that were selected, and how many there are in all."""

    keys: tuple[VirtualKey, ...]
    total: int


class KeyStore(Protocol):
    """Where virtual keys are kept; see `memory.py` for the plainest reading."""

    async def maybe_by_digest(
        self, digests: Sequence[bytes], *, now: float
    ) -> VirtualKey | None:
        """Find the key with one of *digests*, its own or its former one in grace."""
        ...

    async def every_digest(self) -> frozenset[bytes]:
        """Return the digests of all keys, their former ones included."""
        ...

    async def maybe_by_name(self, name: str) -> VirtualKey | None:
        """Find a key by token id or alias. Never called with a key itself."""
        ...

    async def insert(self, key: VirtualKey) -> None:
        """Keep a new key, or raise KeyTaken or AliasTaken."""
        ...

    async def update(self, token_id: str, change: Change) -> VirtualKey | None:
        """Replace a record by what *change* makes of it; None if it is not there."""
        ...

    async def delete(self, token_ids: Sequence[str], *, by: str | None = None) -> bool:
        """Delete all of *token_ids*, or none if one of them is not there."""
        ...

    async def page(self, selection: Selection) -> Page:
        """List keys."""
        ...

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call *callback* whenever a key may have changed, here or elsewhere."""
        ...
