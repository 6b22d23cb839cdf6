"""Notices that the configuration on disk is no longer the one that is running."""

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

INTERVAL_S = 5.0

_log = Logger(namespace="byok.config")


class ConfigWatch:
    """
    Looks at the files every few seconds and says once when they change.

    *changed* names the files that differ from what is in use; it reads them, so
    it is called in a thread.
    """

    def __init__(
        self,
        changed: Callable[[], Sequence[str]],
        *,
        clock: IReactorTime,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._changed = changed
        self._interval_s = interval_s
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock
        self._stopped: Deferred[LoopingCall] | None = None
        self._taken_up = 0
        self.has_changed = False

    def start(self) -> None:
        """Begin to look, after the first interval."""
        self._stopped = self._loop.start(self._interval_s, now=False)

    def forget(self) -> None:
        """What is on disk was taken up: begin anew, whatever a look finds meanwhile."""
        self._taken_up += 1
        self.has_changed = False

    async def stop(self) -> None:
        """Stop looking, after a look that was begun."""
        if self._stopped is not None:
            self._loop.stop()
            await self._stopped
            self._stopped = None

    def _look(self) -> Deferred[None]:
        looking: Deferred[Sequence[str]] = deferToThread(self._changed)
        return looking.addCallback(self._note, self._taken_up)

    def _note(self, files: Sequence[str], taken_up: int) -> None:
        if taken_up != self._taken_up:
            return
        if files and not self.has_changed:
            _log.warn(
                "the configuration changed on disk and is not in use yet:"
                " {files}; see `byok reload --dry-run`, then `byok reload`",
                event="config-changed",
                files=", ".join(files),
            )
        self.has_changed = bool(files)
