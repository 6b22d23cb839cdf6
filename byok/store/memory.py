"""Keys in a dictionary: what the other stores do, in the fewest words."""

from collections.abc import Callable, Sequence

from byok.core.keys import VirtualKey
from byok.store.faults import AliasTaken, KeyTaken
from byok.store.keystore import Change, Page, Selection


class MemoryKeyStore:
    """Keeps keys until the process ends."""

    def __init__(self) -> None:
        self._keys: dict[str, VirtualKey] = {}
        self._callbacks: list[Callable[[], None]] = []

    async def maybe_by_digest(
        self, digests: Sequence[bytes], *, now: float
    ) -> VirtualKey | None:
        """Find the key with one of *digests*, its own or its former one in grace."""
        for key in self._keys.values():
            if any(key.has_digest(digest, now=now) for digest in digests):
                return key
        return None

    async def every_digest(self) -> frozenset[bytes]:
        """Return the digests of all keys, their former ones included."""
        return frozenset(
            digest
            for key in self._keys.values()
            for digest in (key.digest, key.previous_digest)
            if digest is not None
        )

    async def maybe_by_name(self, name: str) -> VirtualKey | None:
        """Find a key by token id or alias."""
        for key in self._keys.values():
            if name in {key.token_id, key.key_alias}:
                return key
        return None

    async def insert(self, key: VirtualKey) -> None:
        """Keep a new key, or raise KeyTaken or AliasTaken."""
        self._check_unique(key)
        self._keys[key.token_id] = key
        self._changed()

    async def update(self, token_id: str, change: Change) -> VirtualKey | None:
        """Replace a record by what *change* makes of it; None if it is not there."""
        if token_id not in self._keys:
            return None
        key = change(self._keys[token_id])
        self._check_unique(key)
        self._keys[token_id] = key
        self._changed()
        return key

    async def delete(self, token_ids: Sequence[str], *, by: str | None = None) -> bool:  # noqa: ARG002
        """Delete all of *token_ids*, or none if one of them is not there."""
        if not self._keys.keys() >= set(token_ids):
            return False
        for token_id in set(token_ids):
            del self._keys[token_id]
        self._changed()
        return True

    async def page(self, selection: Selection) -> Page:
        """List keys."""
        wanted = {
            "user_id": selection.user_id,
            "team_id": selection.team_id,
            "key_alias": selection.key_alias,
            "token_id": selection.token_id,
        }
        found = [
            key
            for key in self._keys.values()
            if all(
                value is None or getattr(key, name) == value
                for name, value in wanted.items()
            )
        ]
        found.sort(key=lambda key: (-key.created_at, key.token_id))
        start = (selection.page - 1) * selection.size
        return Page(keys=tuple(found[start : start + selection.size]), total=len(found))

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call *callback* whenever a key may have changed."""
        self._callbacks.append(callback)

    def _check_unique(self, key: VirtualKey) -> None:
        for other in self._keys.values():
            if other.token_id == key.token_id:
                continue
            if other.digest == key.digest:
                raise KeyTaken
            if key.key_alias is not None and other.key_alias == key.key_alias:
                raise AliasTaken

    def _changed(self) -> None:
        for callback in self._callbacks:
            callback()
