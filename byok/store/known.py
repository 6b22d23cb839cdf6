"""Which keys there are at all, by heart: is some value one of this gateway's?"""

from twisted.internet.defer import DeferredLock

from byok.core.keys import Peppers, is_well_formed
from byok.store.keystore import KeyStore


class KnownKeys:
    """
    Tells the keys of a store from everybody else's.

    The digests of all of them are read when the first such question comes after a
    change, and kept until the next: however many values a request brings, they cost
    the store one reading at most, and most requests bring none. A hundred thousand
    keys take some ten megabytes.
    """

    def __init__(self, store: KeyStore, peppers: Peppers) -> None:
        self._store = store
        self._peppers = peppers
        self._digests: frozenset[bytes] | None = None
        self._changes = 0
        self._turn = DeferredLock()
        store.on_change(self._forget)

    async def is_real(self, key: bytes) -> bool:
        """
        Is *key* one of this gateway's, in force or not?

        A former key counts, even after its grace period. Raises StoreUnavailable
        where the keys changed and cannot be read.
        """
        if not is_well_formed(key):
            return False
        known = self._digests
        if known is None:
            known = await self._read()
        return not known.isdisjoint(self._peppers.digests(key))

    def _forget(self) -> None:
        self._changes += 1
        self._digests = None

    async def _read(self) -> frozenset[bytes]:
        await self._turn.acquire()
        try:
            # Another request may have read them meanwhile.
            if self._digests is not None:
                return self._digests
            changes = self._changes
            digests = await self._store.every_digest()
            # Read before a change they answer who asked before it, and nobody else.
            if changes == self._changes:
                self._digests = digests
            return digests
        finally:
            self._turn.release()
