"""What the gateway knows of keys by heart, so that a request asks no database."""

from collections import OrderedDict
from enum import Enum

from byok.core.keys import VirtualKey


class Absent(Enum):
    """Two ways for a key not to be in the cache."""

    UNHEARD = "nobody asked the store yet"
    NOBODYS = "the store was asked, and has no such key"


class KeyCache:
    """
    Remembers the keys used last, and for moments the ones that do not exist.

    Both memories are bounded and apart, so that somebody who makes up keys
    pushes out no real one. Entries go by whole digests: two keys that begin
    alike have nothing in common.

    Forgetting begins a new *generation*. An answer that was asked for in an
    earlier one is not kept: it may be from before the change. That a key was once
    real is not forgotten: whoever used it may ask for it again at any time.
    """

    def __init__(
        self,
        *,
        capacity: int = 10_000,
        nobodys_capacity: int = 10_000,
        nobodys_s: float = 5.0,
    ) -> None:
        self._capacity = capacity
        self._nobodys_capacity = nobodys_capacity
        self._nobodys_s = nobodys_s
        self._keys: OrderedDict[bytes, VirtualKey] = OrderedDict()
        self._nobodys: OrderedDict[bytes, float] = OrderedDict()
        self._met: OrderedDict[bytes, None] = OrderedDict()
        self.generation = 0

    def __len__(self) -> int:
        return len(self._keys) + len(self._nobodys)

    def get(self, digest: bytes, *, now: float) -> VirtualKey | Absent:
        """Return what is known of *digest*."""
        key = self._keys.get(digest)
        if key is not None:
            self._keys.move_to_end(digest)
            return key
        until = self._nobodys.get(digest)
        if until is None or until <= now:
            return Absent.UNHEARD
        return Absent.NOBODYS

    def put(
        self, digest: bytes, key: VirtualKey | None, *, generation: int, now: float
    ) -> None:
        """Remember what the store said in *generation*."""
        if generation != self.generation:
            return
        if key is None:
            self._met.pop(digest, None)
            self._nobodys[digest] = now + self._nobodys_s
            self._nobodys.move_to_end(digest)
            if len(self._nobodys) > self._nobodys_capacity:
                self._nobodys.popitem(last=False)
            return
        self._keys[digest] = key
        self._keys.move_to_end(digest)
        self._met[digest] = None
        self._met.move_to_end(digest)
        for known in (self._keys, self._met):
            if len(known) > self._capacity:
                known.popitem(last=False)

    def has_met(self, digest: bytes) -> bool:
        """Was *digest* a real key's when the store was last asked for it?"""
        return digest in self._met

    def forget(self) -> None:
        """Forget everything, answers that are under way included."""
        self.generation += 1
        self._keys.clear()
        self._nobodys.clear()
