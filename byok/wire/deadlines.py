"""One timer for all deadlines, since a timer for each costs more than it watches."""

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

NEVER = float("inf")


class Watched(Protocol):
    """Something with a *deadline*, on the clock of its `Deadlines`."""

    deadline: float

    def overdue(self, now: float) -> None:
        """Act on a deadline that has passed, and set another or `NEVER`."""


class Deadlines:
    """
    Looks at everything it watches a few times a second.

    A deadline is met by up to *every_s* late, never early. It runs only while
    there is something to watch.
    """

    def __init__(self, clock: IReactorTime, *, every_s: float = 0.25) -> None:
        self.clock = clock
        self._every_s = every_s
        self._watched: set[Watched] = set()
        self._next: IDelayedCall | None = None

    def watch(self, watched: Watched) -> None:
        """Look at *watched* from now on."""
        self._watched.add(watched)
        if self._next is None:
            self._next = self.clock.callLater(self._every_s, self._look)

    def forget(self, watched: Watched) -> None:
        """Look at *watched* no more."""
        self._watched.discard(watched)
        if not self._watched and self._next is not None:
            self._next.cancel()
            self._next = None

    def _look(self) -> None:
        self._next = self.clock.callLater(self._every_s, self._look)
        now = self.clock.seconds()
        for watched in [each for each in self._watched if each.deadline <= now]:
            # One of them may have ended another.
            if watched in self._watched:
                watched.overdue(now)
