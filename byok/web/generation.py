"""
The generation in use: everything that answers requests by one configuration.

A reload replaces one reference. A request keeps the generation that it began with
to its end, however long its answer streams; what a generation holds is let go when
its last request is over.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from byok.policy import classes
from byok.policy.classes import Classified
from byok.web.access import AccessLog
from byok.web.places import Place


class Table(Protocol):
    """Knows where every path leads."""

    def find(self, path: bytes) -> Place:
        """Return the place that *path* leads to."""
        ...


class Generation:
    """
    What answers requests by one configuration, under the name *id*.

    *classify* says what a field is, as far as that shows without its caller.
    *exposed* is what callers are told of its name: nothing, unless they are to know.
    *let_go* is called when no request needs it any more.
    """

    def __init__(
        self,
        *,
        id: str = "",  # noqa: A002 - what it is called everywhere
        places: Table,
        access: AccessLog,
        exposed: str = "",
        classify: Callable[[bytes, bytes], Classified] = classes.classify,
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        self.id = id
        self.places = places
        self.access = access
        self.exposed = exposed
        self.classify = classify
        self.visits = 0
        self.let_go = let_go


class Current:
    """The one reference to the generation that new requests are answered by."""

    def __init__(self, first: Generation) -> None:
        self._generation = first

    @property
    def generation(self) -> Generation:
        """The generation in use."""
        return self._generation

    def replace(self, new: Generation) -> None:
        """Answer by *new* from now on; requests on their way keep what they have."""
        old, self._generation = self._generation, new
        if not old.visits:
            old.let_go()

    @contextmanager
    def visit(self) -> Iterator[Generation]:
        """Hold on to the generation in use for as long as one request takes."""
        held = self._generation
        held.visits += 1
        try:
            yield held
        finally:
            held.visits -= 1
            if not held.visits and held is not self._generation:
                held.let_go()
