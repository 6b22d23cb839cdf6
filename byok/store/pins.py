"""What was learned about provider keys: by digest, and by heart."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from byok.core.errors import StoreUnavailable
from byok.core.keys import Peppers
from byok.core.pinning import UNKNOWN, KnownKey, merged, pin_name

# Apart from the digests of virtual keys, which the same pepper makes.
_SUBJECT = b"provider-key\0"
_CACHED = 10_000
_FRESH_S = 60.0

_log = Logger(namespace="byok.pins")


class PinStore(Protocol):
    """Where it is kept what was learned."""

    async def maybe(self, digests: Sequence[bytes]) -> KnownKey | None:
        """Return what is known of the key with one of *digests*."""
        ...

    async def learn(self, digest: bytes, known: KnownKey, *, now: float) -> KnownKey:
        """Keep what is *known*; an owner who was there before stays. Return it."""
        ...


class MemoryPinStore:
    """Keeps it until the process ends."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownKey] = {}

    async def maybe(self, digests: Sequence[bytes]) -> KnownKey | None:
        """Return what is known of the key with one of *digests*."""
        found = (self._known[each] for each in digests if each in self._known)
        return next(found, None)

    async def learn(self, digest: bytes, known: KnownKey, *, now: float) -> KnownKey:  # noqa: ARG002
        """Keep what is *known*; an owner who was there before stays. Return it."""
        found = merged(self._known.get(digest, UNKNOWN), known)
        self._known[digest] = found
        return found


class PinLookup:
    """
    Knows provider keys by heart, so that a request asks no database.

    What other processes learn is noticed within a minute. While the store is away
    a key that is not known by heart counts as one that never came: a full disk
    must not lock every developer out.

    *seconds* is the time of day, to write down; *steady* measures the minute, and
    *seconds* does where it is not given.
    """

    def __init__(
        self,
        store: PinStore,
        peppers: Peppers,
        *,
        seconds: Callable[[], float],
        steady: Callable[[], float] | None = None,
        capacity: int = _CACHED,
    ) -> None:
        self._store = store
        self._peppers = peppers
        self._seconds = seconds
        self._steady = seconds if steady is None else steady
        self._capacity = capacity
        self._known: OrderedDict[bytes, tuple[KnownKey, float]] = OrderedDict()

    def digests(self, key: bytes) -> tuple[bytes, ...]:
        """Return the names that *key* goes by here, the current one first."""
        return self._peppers.digests(_SUBJECT + key)

    async def known(self, digests: Sequence[bytes]) -> KnownKey:
        """Return what is known of the key with one of *digests*."""
        found = self._known.get(digests[0])
        if found is not None and found[1] > self._steady():
            return found[0]
        try:
            stored = await self._store.maybe(digests)
        except StoreUnavailable as error:
            _log.warn("a provider key was not looked up: {error}", error=str(error))
            return UNKNOWN if found is None else found[0]
        before = UNKNOWN if found is None else found[0]
        now = self._by_heart(digests[0], stored or UNKNOWN)
        if now.released_by is not None and now.released_by != before.released_by:
            _log.info(
                "{event}: the provider key {pin} was released by {by}, and belongs to"
                " whom uses it next",
                event="pin-released",
                pin=pin_name(digests[0]),
                by=now.released_by,
                owner=before.owner,
            )
        return now

    def learn(self, digest: bytes, known: KnownKey) -> Deferred[None]:
        """Keep what was learned, here at once and in the store soon."""
        before, _ = self._known.get(digest, (UNKNOWN, 0.0))
        self._by_heart(digest, merged(before, known))
        return Deferred.fromCoroutine(self._learn(digest, known))

    async def _learn(self, digest: bytes, known: KnownKey) -> None:
        try:
            found = await self._store.learn(digest, known, now=self._seconds())
        except StoreUnavailable as error:
            _log.warn("a provider key was not noted: {error}", error=str(error))
            return
        self._by_heart(digest, found)

    def _by_heart(self, digest: bytes, known: KnownKey) -> KnownKey:
        self._known[digest] = known, self._steady() + _FRESH_S
        self._known.move_to_end(digest)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return known
