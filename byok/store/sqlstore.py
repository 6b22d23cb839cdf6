"""The key store of a running gateway: SQL in threads, and word of every change."""

from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from byok.core.errors import StoreUnavailable
from byok.core.keys import VirtualKey
from byok.store.changes import Marks
from byok.store.dbpool import DbPool
from byok.store.faults import StoreReplaced
from byok.store.keystore import Change, Page, Selection
from byok.store.sqlkeys import SqlKeys

POLL_S = 0.5
"""How long at most another process's change goes unnoticed, give or take a poll."""

_log = Logger(namespace="byok.store")


class SqlKeyStore:
    """Keeps keys in SQL; implements KeyStore."""

    def __init__(self, keys: SqlKeys, pool: DbPool) -> None:
        self._keys = keys
        self._pool = pool
        self._callbacks: list[Callable[[], None]] = []

    async def maybe_by_digest(
        self, digests: Sequence[bytes], *, now: float
    ) -> VirtualKey | None:
        """Find the key with one of *digests*, its own or its former one in grace."""
        return await self._pool.run(
            partial(self._keys.maybe_by_digest, digests, now=now)
        )

    async def every_digest(self) -> frozenset[bytes]:
        """Return the digests of all keys, their former ones included."""
        return await self._pool.run(self._keys.every_digest)

    async def maybe_by_name(self, name: str) -> VirtualKey | None:
        """Find a key by token id or alias. Never called with a key itself."""
        return await self._pool.run(partial(self._keys.maybe_by_name, name))

    async def insert(self, key: VirtualKey) -> None:
        """Keep a new key, or raise KeyTaken or AliasTaken."""
        await self._pool.run(partial(self._keys.insert, key), after=self.changed)

    async def update(self, token_id: str, change: Change) -> VirtualKey | None:
        """Replace a record by what *change* makes of it; None if it is not there."""
        return await self._pool.run(
            partial(self._keys.update, token_id, change), after=self.changed
        )

    async def delete(self, token_ids: Sequence[str], *, by: str | None = None) -> bool:
        """Delete all of *token_ids*, or none if one of them is not there."""
        return await self._pool.run(
            partial(self._keys.delete, token_ids, by=by), after=self.changed
        )

    async def page(self, selection: Selection) -> Page:
        """List keys."""
        return await self._pool.run(partial(self._keys.page, selection))

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call *callback* whenever a key may have changed, here or elsewhere."""
        self._callbacks.append(callback)

    def changed(self) -> None:
        """Tell everybody who asked that keys may have changed."""
        for callback in self._callbacks:
            callback()


class ChangeWatch:
    """
    Tells a store about the changes of other processes, within a second.

    While the database cannot be read, what is known by heart stays in force:
    a full disk must not lock every developer out. The log says so, once. The same
    goes for a store whose file was deleted or replaced, but that takes somebody to
    put it right, so it is an error.
    """

    def __init__(
        self,
        marks: Marks,
        pool: DbPool,
        *,
        changed: Callable[[], None],
        clock: IReactorTime,
        interval_s: float = POLL_S,
    ) -> None:
        self._marks = marks
        self._pool = pool
        self._changed = changed
        self._interval_s = interval_s
        self._away: StoreUnavailable | None = None
        self._loop = LoopingCall(self._start_look)
        self._loop.clock = clock
        self._stopped: Deferred[LoopingCall] | None = None

    def start(self) -> None:
        """Begin to look, at every interval."""
        self._stopped = self._loop.start(self._interval_s, now=False)

    async def stop(self) -> None:
        """Stop looking, after a look that was begun."""
        if self._stopped is not None:
            self._loop.stop()
            await self._stopped
            self._stopped = None
            await self._pool.run(self._marks.close)

    def _start_look(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        try:
            changed = await self._pool.run(self._marks.have_changed)
        except StoreUnavailable as error:
            if type(error) is not type(self._away):
                _tell(error)
            self._away = error
            return
        except Exception:  # noqa: BLE001 - the next look has to come
            _log.failure("changes of keys could not be looked for")
            return
        if self._away is not None:
            self._away = None
            _log.info("changes of keys are noticed again")
        if changed:
            self._changed()


def _tell(error: StoreUnavailable) -> None:
    if isinstance(error, StoreReplaced):
        _log.error(
            "the key store is out of reach: {error} Until then keys that were used"
            " before keep working, changed or not; others get a 503.",
            event="store-replaced",
            error=str(error),
        )
    else:
        _log.warn("changes of keys are not noticed for now: {error}", error=str(error))
