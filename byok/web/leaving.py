"""
The end of a gateway as its clients see it: nobody is cut off who can be waited for.

Whoever has a request under way gets its answer, up to a deadline. A connection that is
kept has one more request to its credit, whose answer says that it is the last: clients
that are busy go elsewhere by themselves, and none meets a closed door.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.web.front import Front
from byok.wire.serving import Serving

LAST_REQUESTS_S = 0.5
"""How long kept connections may bring one more request."""

GOODBYE_S = 2.0
"""How long a stop waits for clients that were told to go."""

_log = Logger(namespace="byok.service")


class Leaving:
    """Sees off the clients of *front* and *serving*, once nobody new can come in."""

    def __init__(self, front: Front, serving: Serving, *, clock: IReactorTime) -> None:
        self._front = front
        self._serving = serving
        self._clock = clock
        self._is_in_a_hurry = False
        self._give_up: Callable[[], None] | None = None

    def hurry(self) -> None:
        """Wait for nobody any longer, now or when the time comes."""
        self._is_in_a_hurry = True
        if self._give_up is not None:
            self._give_up()

    async def see_off(self, drain_s: float) -> None:
        """
        Let every exchange end for *drain_s* at the longest, then end those that last.

        Returns when the line of each is written and every connection is gone.
        """
        if self._serving.open_connections and drain_s and not self._is_in_a_hurry:
            await self._drain(drain_s)
        await self._dismiss()

    async def _drain(self, drain_s: float) -> None:
        _log.info(
            "draining: {waiting} exchanges are under way on {open} connections, and"
            " have {drain_s:g} seconds to end; a second signal ends them now",
            event="draining",
            waiting=self._front.answering,
            open=self._serving.open_connections,
            drain_s=drain_s,
        )
        self._serving.announce_end()
        patience = min(LAST_REQUESTS_S, drain_s)
        goodbye = self._clock.callLater(patience, self._serving.drain)
        done: Deferred[None] = Deferred()

        def end(_: object = None) -> None:
            if not done.called:
                done.callback(None)

        self._serving.gone().addCallback(end)
        late = self._clock.callLater(drain_s, end)
        self._give_up = end
        await done
        for each in (goodbye, late):
            if each.active():
                each.cancel()
        if self._front.answering:
            _log.warn(
                "{waiting} exchanges did not end in time, and are ended now",
                event="drained-late",
                waiting=self._front.answering,
            )

    async def _dismiss(self) -> None:
        """End every exchange, and every connection once its client was told."""
        gone = self._serving.drain()
        late = self._clock.callLater(GOODBYE_S, self._serving.cut)
        await self._front.stop()
        await gone
        if late.active():
            late.cancel()
