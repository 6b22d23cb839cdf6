"""What all workers have counted, those included that are gone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from byok.core.metrics import Tally, add, key_of, without_gauges

PATIENCE_S = 2.0
"""How long a worker is waited for that does not say what it counted."""

Numbers = Mapping[str, Sequence[float]]
_Worker = TypeVar("_Worker")


class Counts(Generic[_Worker]):
    """
    Keeps what each worker said last of its counts, and sums it up.

    A counter never goes down: what a worker had said when it died stays counted.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._last: dict[_Worker, Numbers] = {}
        self._gone: Tally = {}
        self._asking: dict[int, _Asking[_Worker]] = {}
        self._numbers = 0
        self._lost = 0

    def said(self, worker: _Worker, numbers: Numbers, *, to: int = 0) -> None:
        """Note what *worker* has counted so far, which it was asked under *to*."""
        self._last[worker] = numbers
        asking = self._asking.get(to)
        if asking is not None:
            asking.heard(worker)

    def ended(self, worker: _Worker, *, lost: bool) -> None:
        """Keep what *worker* counted: it is gone, and *lost* if by itself."""
        add(self._gone, without_gauges(self._last.pop(worker, {})))
        self._lost += lost
        for asking in tuple(self._asking.values()):
            asking.heard(worker)

    def ask(
        self,
        others: Iterable[_Worker],
        tell: Callable[[_Worker, int], None],
        answer: Callable[[Tally], None],
    ) -> None:
        """Let *tell* ask each of *others*, and *answer* what all have counted."""
        self._numbers += 1
        number = self._numbers

        def done() -> None:
            del self._asking[number]
            answer(self.total())

        asked = set(others)
        asking = _Asking(asked, done)
        self._asking[number] = asking
        asking.late = self._clock.callLater(PATIENCE_S, asking.finish)
        for each in tuple(asked):
            tell(each, number)
        asking.finish_if_complete()

    def total(self) -> Tally:
        """Return the sum of everything."""
        total: Tally = {key_of("byok_workers_lost"): [float(self._lost)]}
        add(total, self._gone)
        for numbers in self._last.values():
            add(total, numbers)
        return total


class _Asking(Generic[_Worker]):
    """A sum that is waited for."""

    def __init__(self, missing: set[_Worker], done: Callable[[], None]) -> None:
        self._missing = missing
        self._done = done
        self.late: IDelayedCall | None = None

    def heard(self, worker: _Worker) -> None:
        if worker in self._missing:
            self._missing.discard(worker)
            self.finish_if_complete()

    def finish_if_complete(self) -> None:
        if not self._missing:
            self.finish()

    def finish(self) -> None:
        if self.late is not None and self.late.active():
            self.late.cancel()
        self._done()
