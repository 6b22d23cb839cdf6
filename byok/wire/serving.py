"""What the connections of one server have in common."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

from byok.wire.deadlines import Deadlines, Watched
from byok.wire.errors import Unreadable
from byok.wire.heads import Headers
from byok.wire.limits import ServerLimits
from byok.wire.request import ServerRequest

Handler = Callable[[ServerRequest], None]
"""Is given each request once its head is complete."""

Refuse = Callable[[Unreadable, str], tuple[Headers, bytes]]
"""Words the answer to what is no request, from a peer's address."""


class Channel(Watched, Protocol):
    """An open connection."""

    peer: str

    def announce_end(self) -> None:
        """Take one more request at most, and say so with its answer."""

    def close_when_idle(self) -> None:
        """Take no further request; end at once where none is under way."""

    def abort(self) -> None:
        """End the connection now."""


@dataclass(slots=True)
class Serving:
    """
    The handler, the limits and the open connections of one server.

    Made once and shared by every listener, so that a cap counts them all.
    """

    handler: Handler
    refuse: Refuse
    limits: ServerLimits
    deadlines: Deadlines
    _open: set[Channel] = field(default_factory=set)
    _by_peer: Counter[str] = field(default_factory=Counter)
    _departures: list[Deferred[None]] = field(default_factory=list)
    _is_draining: bool = False

    @property
    def open_connections(self) -> int:
        """How many connections there are."""
        return len(self._open)

    def has_room_for(self, peer: str) -> bool:
        """May one more connection of *peer* be opened?"""
        return (
            not self._is_draining
            and len(self._open) < self.limits.connections
            and self._by_peer[peer] < self.limits.connections_per_ip
        )

    def opened(self, channel: Channel) -> None:
        """Count *channel* in, and watch its deadline."""
        self._open.add(channel)
        self._by_peer[channel.peer] += 1
        self.deadlines.watch(channel)

    def closed(self, channel: Channel) -> None:
        """Count *channel* out."""
        self.deadlines.forget(channel)
        self._open.discard(channel)
        self._by_peer[channel.peer] -= 1
        if not self._by_peer[channel.peer]:
            del self._by_peer[channel.peer]
        if not self._open:
            self._tell_all_gone()

    def announce_end(self) -> None:
        """Let the next answer on every connection be its last."""
        for channel in tuple(self._open):
            channel.announce_end()

    def drain(self) -> Deferred[None]:
        """Let every connection end after its answer; fires when the last has."""
        self._is_draining = True
        for channel in tuple(self._open):
            channel.close_when_idle()
        return self.gone()

    def gone(self) -> Deferred[None]:
        """Fire when there is no connection any more."""
        done: Deferred[None] = Deferred()
        self._departures.append(done)
        if not self._open:
            self._tell_all_gone()
        return done

    def _tell_all_gone(self) -> None:
        departures, self._departures = self._departures, []
        for done in departures:
            done.callback(None)

    def cut(self) -> None:
        """End every connection now."""
        for channel in tuple(self._open):
            channel.abort()
