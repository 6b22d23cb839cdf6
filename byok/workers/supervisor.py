"""
Keeps a number of workers running, on sockets that it holds and never reads.

It does nothing else: no request passes it, so that it has nothing to fail by.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from byok.config.listeners import Listener
from byok.reload.hangup import HangUp
from byok.workers.control import Message
from byok.workers.counts import Counts
from byok.workers.handover import Handover
from byok.workers.process import Worker
from byok.workers.sockets import Opened, Sockets

READY_S = 60.0
"""How long a worker may take to be ready."""

SETTLED_S = 10.0
"""A worker that lived for so long did not end because of how it began."""

_LONGEST_WAIT_S = 30.0
_MERCY_S = 30.0

_log = Logger(namespace="byok.workers")


class _Place:
    """What one worker after another stands in for."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.opened: Opened | None = None
        self.worker: Worker | None = None
        self.failures = 0
        self.again: IDelayedCall | None = None


class _Asked:
    """A reload that one worker spreads to the others."""

    def __init__(self, others: set[Worker], answer: Callable[[int, int], None]) -> None:
        self.missing = others
        self.total = len(others) + 1
        self.did = 1
        self._answer = answer

    def heard(self, worker: Worker, *, ok: bool) -> None:
        if worker in self.missing:
            self.missing.discard(worker)
            self.did += ok
            self.finish_if_complete()

    def finish_if_complete(self) -> None:
        if not self.missing:
            self._answer(self.did, self.total)


class Supervisor(Service):
    """
    Runs *count* workers of *command* on *listeners*.

    *fail* is called where the first of them does not come up. *log_fd* is where they
    write what they have to say. A stop waits *drain_s* and some time more for them.
    They begin with what *accepted* hands over, and one that follows another later on
    with what the others were told to serve by then, whatever stands on the disk.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        count: int,
        listeners: tuple[Listener, ...],
        reactor: Any,
        log_fd: int,
        drain_s: float,
        accepted: Handover,
        fail: Callable[[], None],
        observer: ILogObserver | None = None,
    ) -> None:
        self._command = command
        self._endpoints = [each.endpoint for each in listeners]
        self._sockets = Sockets(listeners)
        self._reactor = reactor
        self._clock = IReactorTime(reactor)
        self._log_fd = log_fd
        self._drain_s = drain_s
        self._fail = fail
        self._accepted = accepted.packed()
        self._observer = observer
        self._places = [_Place(number) for number in range(count)]
        self._alive: set[Worker] = set()
        self._asked: dict[int, _Asked] = {}
        self._numbers = 0
        self._counts: Counts[Worker] = Counts(self._clock)
        self._waiting_for: dict[Worker, Deferred[bool]] = {}
        self._rolling: Deferred[None] | None = None
        self._is_stopping = False
        self._all_gone: Deferred[None] | None = None
        self._hang_up = HangUp(reactor, wish=self._reload_all, end=self._end)
        self._before: Any = None

    def setServiceParent(self, parent: object) -> None:
        """Join *parent*, and give its log our observer."""
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def startService(self) -> None:
        """Open the sockets and start the workers, the first one first."""
        super().startService()
        self._hang_up.start()
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGUSR2, self._replace_wished)
        starting = Deferred.fromCoroutine(self._start())
        starting.addErrback(self._not_started)

    def stopService(self) -> Deferred[None]:
        """Let every worker end in its own time; fires when all are gone."""
        super().stopService()
        if self._is_stopping:
            return self._all_gone or succeed(None)
        self._is_stopping = True
        return Deferred.fromCoroutine(self._stop())

    def hurry(self) -> None:
        """Let workers that are ending wait for nobody."""
        for each in self._alive:
            each.tell(do="hurry")

    # -- the start and the end -------------------------------------------------

    async def _start(self) -> None:
        first, *others = self._places
        try:
            for each in self._places:
                each.opened = self._sockets.open()
        except (OSError, ValueError) as error:
            _log.critical(
                "byok could not start: {reason}",
                event="start-failed",
                reason=str(error),
            )
            self._fail()
            return
        # It alone makes what the first start makes: tables, a pepper, a master key.
        if not await self._readied(self._begin(first, announces=True)):
            if not self._is_stopping:
                first.worker = None
                self._fail()
            return
        for each in others:
            if not self._is_stopping:
                self._begin(each)

    async def _stop(self) -> None:
        for place in self._places:
            if place.again is not None and place.again.active():
                place.again.cancel()
        for worker in tuple(self._alive):
            worker.stop()
        late = self._clock.callLater(self._drain_s + _MERCY_S, self._kill_all)
        if self._alive:
            self._all_gone = Deferred()
            await self._all_gone
        if late.active():
            late.cancel()
        for place in self._places:
            self._sockets.close(place.opened or ())
        self._sockets.close_all()
        self._hang_up.stop()
        if self._before is not None:
            signal.signal(signal.SIGUSR2, self._before)
        _log.info("all workers ended, and nothing is open any more", event="stopped")

    def _not_started(self, failure: Failure) -> None:
        _log.failure("byok could not start its workers", failure)
        self._fail()

    def _end(self) -> None:
        self._reactor.stop()

    def _kill_all(self) -> None:
        for each in tuple(self._alive):
            each.kill()

    # -- workers ---------------------------------------------------------------

    def _begin(self, place: _Place, *, announces: bool = False) -> Worker:
        worker = place.worker = self._made(place, announces=announces)
        return worker

    def _made(
        self, place: _Place, *, announces: bool = False, anew: bool = False
    ) -> Worker:
        worker = Worker(
            self._reactor,
            self._command,
            endpoints=self._endpoints,
            opened=place.opened or (),
            announces=announces,
            tells=place.number == 0,
            log_fd=self._log_fd,
            serves="" if anew else self._accepted,
            told=self._told,
            ended=self._ended,
        )
        self._alive.add(worker)
        return worker

    async def _readied(self, worker: Worker) -> bool:
        """Wait for *worker* to be ready; return False where it ended instead."""
        waiting: Deferred[bool] = Deferred()
        self._waiting_for[worker] = waiting
        late = self._clock.callLater(READY_S, worker.kill)
        is_ready = await waiting
        if late.active():
            late.cancel()
        return is_ready

    def _heard_from(self, worker: Worker, *, is_ready: bool) -> None:
        waiting = self._waiting_for.pop(worker, None)
        if waiting is not None:
            waiting.callback(is_ready)

    def _told(self, worker: Worker, message: Message) -> None:
        match message:
            case {"ready": True}:
                worker.is_ready = True
                _log.info(
                    "worker {pid} is ready", event="worker-started", pid=worker.pid
                )
                self._heard_from(worker, is_ready=True)
                if worker.serves != self._accepted:
                    # Others reloaded meanwhile, and that was judged there.
                    self._tell_to_follow(worker, 0, may_widen=True)
            case {"accepted": str(packed)}:
                worker.serves = self._accepted = packed
            case {"reload": number, "may_widen": may_widen}:
                self._spread_reload(worker, number, may_widen=may_widen)
            case {"tallied": int(number), "tally": dict(tally)}:
                self._counts.said(worker, tally, to=number)
            case {"left": dict(tally)}:
                self._counts.said(worker, tally)
                worker.tell(do="part")
            case {"collect": number, "tally": dict(tally)}:
                self._counts.said(worker, tally)
                self._collect(worker, number)
            case {"did": number, "ok": ok}:
                asked = self._asked.get(number)
                if asked is not None:
                    asked.heard(worker, ok=bool(ok))

    def _ended(self, worker: Worker, code: int) -> None:
        self._alive.discard(worker)
        self._counts.ended(worker, lost=not (self._is_stopping or worker.is_retired))
        self._heard_from(worker, is_ready=False)
        for asked in tuple(self._asked.values()):
            asked.heard(worker, ok=True)  # Its successor reads the new one.
        if not self._alive and self._all_gone is not None:
            self._all_gone.callback(None)
        if self._is_stopping or worker.is_retired:
            return
        place = next((each for each in self._places if each.worker is worker), None)
        if place is not None:
            self._replace_lost(place, worker, code)

    def _replace_lost(self, place: _Place, worker: Worker, code: int) -> None:
        place.worker = None
        if self._clock.seconds() - worker.began_at >= SETTLED_S:
            place.failures = 0
        wait_s = _wait_after(place.failures)
        if wait_s and place.opened is not None:
            # Nobody is to wait in front of a door behind which there is nobody.
            self._sockets.close(place.opened)
            place.opened = None
        place.failures += 1
        _log.warn(
            "worker {pid} ended with {code}, another one follows in {wait_s:g} seconds",
            event="worker-lost",
            pid=worker.pid,
            code=code,
            wait_s=wait_s,
        )
        place.again = self._clock.callLater(wait_s, self._begin_again, place)

    def _begin_again(self, place: _Place) -> None:
        try:
            if place.opened is None:
                place.opened = self._sockets.open()
            self._begin(place)
        except OSError as error:
            wait_s = _wait_after(place.failures)
            place.failures += 1
            _log.warn("no worker can be started: {reason}", reason=str(error))
            place.again = self._clock.callLater(wait_s, self._begin_again, place)

    # -- what concerns all of them -----------------------------------------------

    def _reload_all(self) -> None:
        for each in self._alive:
            if each.is_ready:
                each.send_signal(signal.SIGHUP)

    def _spread_reload(self, worker: Worker, number: int, *, may_widen: bool) -> None:
        others = {
            each
            for each in self._alive
            if each.is_ready and each is not worker and not each.is_retired
        }
        self._numbers += 1
        mine = self._numbers

        def answer(did: int, total: int) -> None:
            del self._asked[mine]
            worker.tell(answer=number, reloaded=did, workers=total)

        asked = self._asked[mine] = _Asked(others, answer)
        for each in tuple(others):
            self._tell_to_follow(each, mine, may_widen=may_widen)
        asked.finish_if_complete()

    def _collect(self, worker: Worker, number: int) -> None:
        """Tell *worker* what it and all others have counted."""
        self._counts.ask(
            [each for each in self._alive if each.is_ready and each is not worker],
            lambda other, asked: other.tell(do="tally", id=asked),
            lambda total: worker.tell(answer=number, tally=total),
        )

    def _tell_to_follow(self, worker: Worker, number: int, *, may_widen: bool) -> None:
        worker.tell(do="reload", id=number, may_widen=may_widen, by=self._accepted)

    def _replace_wished(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._replace_all)

    def _replace_all(self) -> None:
        if self._rolling is not None or self._is_stopping:
            _log.warn("workers are being replaced or ended already")
            return
        self._rolling = Deferred.fromCoroutine(self._roll())
        self._rolling.addErrback(
            lambda failure: _log.failure("replacing workers failed", failure)
        )
        self._rolling.addCallback(self._rolled)

    def _rolled(self, _: object) -> None:
        self._rolling = None

    async def _roll(self) -> None:
        """
        Put a new worker beside each old one, and let the old one go after that.

        The first one reads the configuration as it is on the disk, and all others
        follow it.
        """
        anew = True
        for place in self._places:
            old = place.worker
            if old is None or self._is_stopping:
                continue
            new = self._made(place, anew=anew)
            if not await self._readied(new):
                _log.warn(
                    "the workers stay as they are: a new one did not come up",
                    event="workers-kept",
                )
                return
            anew = False
            if place.worker is not old:
                # It was lost meanwhile, and what was begun in its place is too many.
                old = place.worker
            if place.again is not None and place.again.active():
                place.again.cancel()
            place.worker = new
            place.failures = 0
            if old is not None:
                old.stop()
        _log.info("every worker was replaced", event="workers-replaced")


def _wait_after(failures: int) -> float:
    return min(_LONGEST_WAIT_S, 0.5 * 2 ** (failures - 1)) if failures else 0.0
