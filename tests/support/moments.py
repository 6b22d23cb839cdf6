"""Things a test waits for, each by a Deferred of its own and none by sleeping."""

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


class Moment(Generic[T]):
    """Something that happens once, and any number may wait for."""

    def __init__(self) -> None:
        self._happened: list[T] = []
        self._waiting: list[Deferred[T]] = []

    @property
    def happened(self) -> bool:
        return bool(self._happened)

    def wait(self) -> Deferred[T]:
        """Fire at once if it has happened already."""
        waiting: Deferred[T] = Deferred(self._forget)
        if self._happened:
            waiting.callback(self._happened[0])
        else:
            self._waiting.append(waiting)
        return waiting

    def happen(self, value: T) -> None:
        """Wake all who wait; only the first call counts."""
        if self._happened:
            return
        self._happened.append(value)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(value)

    def _forget(self, waiting: Deferred[T]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)


class Record(Generic[T]):
    """A list that grows, whose nth entry can be waited for before it is there."""

    def __init__(self) -> None:
        self.entries: list[T] = []
        self._waiting: list[tuple[Callable[[T], bool], int, Moment[T]]] = []

    def append(self, entry: T) -> None:
        self.entries.append(entry)
        still: list[tuple[Callable[[T], bool], int, Moment[T]]] = []
        woken: list[Moment[T]] = []
        for matches, missing, moment in self._waiting:
            left = missing - matches(entry)
            if left:
                still.append((matches, left, moment))
            else:
                woken.append(moment)
        self._waiting = still
        for moment in woken:
            moment.happen(entry)

    def nth(self, number: int, matches: Callable[[T], bool]) -> Deferred[T]:
        """Wait for the entry *number*, from 0, among those that match."""
        found = [entry for entry in self.entries if matches(entry)]
        moment: Moment[T] = Moment()
        if number < len(found):
            moment.happen(found[number])
        else:
            self._waiting.append((matches, number + 1 - len(found), moment))
        return moment.wait()
