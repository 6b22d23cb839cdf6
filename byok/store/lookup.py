"""From the key a caller presents to its record: who is this?"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from twisted.internet.defer import DeferredSemaphore
from twisted.logger import Logger

from byok.core.errors import Refusal, StoreUnavailable
from byok.core.keys import Peppers, VirtualKey, is_in_force, is_well_formed
from byok.core.throttle import LookupThrottle
from byok.store.cache import Absent, KeyCache
from byok.store.keystore import KeyStore
from byok.store.known import KnownKeys

# As many as the store has threads: more would only wait there, each having
# taken a turn of its address.
_AT_ONCE = 4

_WORDS_MET = 10_000

_TOO_MANY = (
    "Too many words that begin like a byok key (sk-) came from this address, in headers"
    " or queries. Each new one is compared with the keys of this gateway before a"
    " request leaves: take them off, or try again in a moment."
)

_log = Logger(namespace="byok.keys")


class KeyLookup:
    """
    Finds the record of a presented key, by heart whenever that is possible.

    What leads to the store is narrow: the key is well formed, unknown here, and
    its address has turns left. Then it is a digest and no key any more.

    *seconds* is the time of day, by which keys expire. *steady* measures how long
    something lasts, whatever the clock is set to; *seconds* does where it is not
    given.
    """

    def __init__(
        self,
        store: KeyStore,
        peppers: Peppers,
        *,
        seconds: Callable[[], float],
        steady: Callable[[], float] | None = None,
        cache: KeyCache | None = None,
        throttle: LookupThrottle | None = None,
    ) -> None:
        self._store = store
        self._peppers = peppers
        self._seconds = seconds
        self._steady = seconds if steady is None else steady
        self._cache = KeyCache() if cache is None else cache
        self._throttle = LookupThrottle() if throttle is None else throttle
        self._turns = DeferredSemaphore(_AT_ONCE)
        store.on_change(self._cache.forget)
        self._known = KnownKeys(store, peppers)
        self._met: OrderedDict[bytes, None] = OrderedDict()

    async def maybe(self, key: bytes, *, peer: str) -> VirtualKey | Refusal | None:
        """
        Return the record of *key* if it is in force, sent from address *peer*.

        None stands for unknown, malformed, blocked and expired alike: nobody
        above can tell them apart, so no answer will. A Refusal is about the
        address, which asked for too many keys that nobody has. Raises
        StoreUnavailable for a key not known by heart while the store is away.
        """
        digests = self._peppers.digests(key)
        found = self._by_heart(digests[0])
        if found is Absent.UNHEARD:
            # Asked only here: a checksum takes longer than a look into the cache.
            if not is_well_formed(key):
                return None
            await self._turns.acquire()
            try:
                # Another request with this key may have asked meanwhile.
                found = self._by_heart(digests[0])
                if found is Absent.UNHEARD:
                    return await self._from_store(digests, peer)
            finally:
                self._turns.release()
        if isinstance(found, Absent):
            return None
        return self._judged(found, digests)

    async def is_real(self, key: bytes) -> bool:
        """
        Is *key* one of this gateway's, in force or not?

        For what is about to leave: no turns are counted, and nobody is told. Raises
        StoreUnavailable like `maybe`.
        """
        return await self._known.is_real(key)

    async def ours_among(
        self, words: Sequence[bytes], *, peer: str
    ) -> tuple[bytes, ...] | Refusal:
        """
        Return those of *words* that are keys of this gateway, in force or not.

        Callers send them beside their own key, and could try others' keys so: what
        becomes of the request tells which is one. A word that was never met takes a
        turn of the address *peer*, as an unknown key does, and a Refusal is about
        that address. Raises StoreUnavailable like `maybe`.
        """
        found = []
        for word in filter(is_well_formed, words):
            digest = self._peppers.digest(word)
            is_guess = digest not in self._met
            refusal = self._throttle.admit(peer, self._steady()) if is_guess else None
            if refusal is not None:
                return replace(refusal, code="auth.too-many-words", message=_TOO_MANY)
            self._meet(digest)
            if await self._known.is_real(word):
                found.append(word)
                if is_guess:
                    self._throttle.give_back(peer)
        return tuple(found)

    def _meet(self, digest: bytes) -> None:
        self._met[digest] = None
        self._met.move_to_end(digest)
        if len(self._met) > _WORDS_MET:
            self._met.popitem(last=False)

    def _by_heart(self, digest: bytes) -> VirtualKey | Absent:
        return self._cache.get(digest, now=self._steady())

    async def _from_store(
        self, digests: tuple[bytes, ...], peer: str
    ) -> VirtualKey | Refusal | None:
        asked_at = self._steady()
        # A change of any key makes all of them unheard. Who is at work must not
        # then have to queue behind somebody who guesses from the same address.
        is_guess = not self._cache.has_met(digests[0])
        refusal = self._throttle.admit(peer, asked_at) if is_guess else None
        if refusal is not None:
            return refusal
        generation = self._cache.generation
        found = await self._store.maybe_by_digest(digests, now=self._seconds())
        if found is not None:
            if is_guess:
                self._throttle.give_back(peer)
            found = await self._under_current_pepper(found, digests)
        self._cache.put(digests[0], found, generation=generation, now=asked_at)
        return None if found is None else self._judged(found, digests)

    def _judged(
        self, found: VirtualKey, digests: tuple[bytes, ...]
    ) -> VirtualKey | None:
        # A former key that is known by heart has to end with its grace period.
        now = self._seconds()
        if not any(found.has_digest(digest, now=now) for digest in digests):
            return None
        return found if is_in_force(found, now) else None

    async def _under_current_pepper(
        self, found: VirtualKey, digests: tuple[bytes, ...]
    ) -> VirtualKey:
        """Store the digest anew where it was made with a former pepper."""
        if found.pepper_id == self._peppers.current_id or found.digest not in digests:
            return found
        old, new = found.digest, digests[0]

        def change(record: VirtualKey) -> VirtualKey:
            if record.digest != old:
                return record
            return replace(record, digest=new, pepper_id=self._peppers.current_id)

        try:
            return await self._store.update(found.token_id, change) or found
        except StoreUnavailable as error:
            _log.warn(
                "key {token_id} still needs its former pepper: {error}",
                token_id=found.token_id,
                error=str(error),
            )
            return found
