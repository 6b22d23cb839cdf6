"""The threads that wait for the database, so that the reactor does not."""

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from byok.core.errors import StoreUnavailable

T = TypeVar("T")
THREADS = 4


class DbPool:
    """
    A few threads of the store's own.

    Twisted's shared pool also resolves names; a slow disk must not keep an
    exchange from finding its provider.
    """

    def __init__(self, reactor: IReactorFromThreads, *, threads: int = THREADS) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=threads, name="byok-store")
        self._open = False

    def start(self) -> None:
        """Let work begin."""
        self._pool.start()
        self._open = True

    def stop(self) -> None:
        """Wait for what was begun; later work is refused."""
        if self._open:
            self._open = False
            self._pool.stop()

    async def run(
        self, work: Callable[[], T], *, after: Callable[[], None] | None = None
    ) -> T:
        """
        Do *work* in a thread and return what it returns.

        *after* is called in the reactor's thread once the work has succeeded,
        even if nobody waits for the result any more.
        """
        if not self._open:
            raise StoreUnavailable("the key store is closed")
        done: Deferred[T] = deferToThreadPool(
            self._reactor, self._pool, self._do, work, after
        )
        return await done

    def _do(self, work: Callable[[], T], after: Callable[[], None] | None) -> T:
        result = work()
        if after is not None:
            # Queued before the result is, so it has run when the caller goes on.
            self._reactor.callFromThread(after)
        return result
