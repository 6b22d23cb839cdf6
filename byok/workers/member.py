"""A worker's own view of being one of several."""

import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from byok.config.kept import Kept
from byok.core.metrics import Tally
from byok.workers.control import Control, Message, connect
from byok.workers.handover import Handover, receive
from byok.workers.sockets import BACKLOG

_TOLD_EVERY_S = 1.0
_PARTING_S = 1.0

_log = Logger(namespace="byok.workers")

Reload = Callable[[int, Kept, bool, str], Awaitable[bool]]
"""
Takes up a configuration under the number it has, with leave to widen or without;
asked by whom. Tells whether it did.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """
    What a supervisor hands a worker: numbers of open files.

    *announces* is true of the one that says to people where it listens, *tells* of the
    one that says what is to be said of the configuration. So many bytes as *handed*
    wait on the control line, a handover, before all else.
    """

    control: int
    listening: tuple[tuple[str, int], ...]
    announces: bool = False
    tells: bool = False
    handed: int = 0

    def written(self) -> str:
        """Return this as an argument of a command line."""
        return json.dumps(
            {
                "control": self.control,
                "listening": self.listening,
                "announces": self.announces,
                "tells": self.tells,
                "handed": self.handed,
            }
        )

    def receive(self) -> Handover | None:
        """Return the configuration to serve by, or None where it is to be read."""
        return receive(self.control, self.handed)

    @classmethod
    def read(cls, text: str) -> "Membership":
        """Read what `written` wrote; raises ValueError for anything else."""
        try:
            said = json.loads(text)
            return cls(
                control=int(said["control"]),
                listening=tuple((str(name), int(fd)) for name, fd in said["listening"]),
                announces=bool(said["announces"]),
                tells=bool(said["tells"]),
                handed=int(said["handed"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("no membership of a supervisor's") from error


class Member:
    """
    Speaks with the supervisor.

    *stop* is called when the worker is to end, also because its supervisor is gone;
    *hurry* when it is to wait for nobody. *reload* is set by whoever can, and *tally*
    by whoever counts: it is told every second, so that little of it dies with us.
    """

    def __init__(
        self, reactor: Any, membership: Membership, *, stop: Callable[[], None]
    ) -> None:
        self._reactor = reactor
        self._membership = membership
        self._stop = stop
        self._control = Control(told=self._told, lost=stop)
        self._asked: dict[int, Deferred[Message]] = {}
        self.announces = membership.announces
        self.tells = membership.tells
        self.hurry: Callable[[], None] = lambda: None
        self.tally: Callable[[], Tally] = dict
        self._told_last: Tally = {}
        self._telling: IDelayedCall | None = None
        self._parted: Deferred[None] | None = None
        self.reload: Reload | None = None

    def join(self) -> None:
        """Begin to listen to the supervisor."""
        connect(
            self._reactor, socket.socket(fileno=self._membership.control), self._control
        )

    def ready(self) -> None:
        """Say that requests are answered here."""
        self._control.tell(ready=True)
        self._tell_counts()

    def listen(
        self, at: int, endpoint: str, factory: IProtocolFactory
    ) -> IListeningPort:
        """
        Accept connections on the socket of the listener number *at*.

        Raises ValueError where the supervisor listens elsewhere than *endpoint*.
        """
        every = self._membership.listening
        if at >= len(every) or every[at][0] != endpoint:
            raise ValueError(
                "the configuration's listen changed, and the supervisor's sockets did"
                " not: restart the whole"
            )
        fd = every[at][1]
        shared = socket.socket(fileno=fd)
        if shared.family != socket.AF_UNIX:
            port = self._reactor.adoptStreamPort(fd, shared.family, factory)
        else:
            # What adoptStreamPort does, which knows no class but its own.
            made: Any = _SharedPath
            port = made._fromListeningDescriptor(self._reactor, fd, factory)  # noqa: SLF001
            port.startListening()
        # Twisted makes the queue shorter than it was.
        shared.listen(BACKLOG)
        shared.close()
        return cast(IListeningPort, port)

    def took_up(self, number: int, kept: Kept) -> None:
        """Say by which configuration requests are answered here from now on."""
        self._control.tell(accepted=Handover(number=number, kept=kept).packed())

    async def spread_reload(self, *, may_widen: bool) -> Message:
        """Let every other worker reload; return how many of how many did."""
        return await self._ask("reload", may_widen=may_widen)

    async def collect(self, own: Tally) -> Tally:
        """Return the sum of *own* and of what all others have counted."""
        told = await self._ask("collect", tally=own)
        return dict(told["tally"])

    async def leave(self, last: Tally) -> None:
        """Say what was counted here in all; return when that was heard."""
        if self._telling is not None and self._telling.active():
            self._telling.cancel()
        if not self._control.is_open:
            return
        parted: Deferred[None] = Deferred()
        self._parted = parted
        parted.addTimeout(_PARTING_S, self._reactor, onTimeoutCancel=lambda *_: None)
        self._control.tell(left=last)
        await parted

    def _tell_counts(self) -> None:
        tally = self.tally()
        if tally != self._told_last:
            self._told_last = tally
            self._control.tell(tallied=0, tally=tally)
        self._telling = IReactorTime(self._reactor).callLater(
            _TOLD_EVERY_S, self._tell_counts
        )

    def _ask(self, what: str, **more: object) -> Deferred[Message]:
        number = len(self._asked) + 1
        while number in self._asked:
            number += 1
        answered: Deferred[Message] = Deferred()
        self._asked[number] = answered
        self._control.tell(**{what: number}, **more)
        return answered

    def _told(self, message: Message) -> None:
        match message:
            case {"do": "stop"}:
                self._stop()
            case {"do": "hurry"}:
                self.hurry()
            case {"do": "reload", "id": number, "may_widen": may_widen, "by": packed}:
                handover = Handover.unpacked(packed)
                doing = Deferred.fromCoroutine(
                    self._reloaded(handover, may_widen=may_widen)
                )
                doing.addErrback(_failed)
                doing.addCallback(lambda did: self._control.tell(did=number, ok=did))
            case {"do": "tally", "id": number}:
                self._control.tell(tallied=number, tally=self.tally())
            case {"do": "part"} if self._parted is not None and not self._parted.called:
                self._parted.callback(None)
            case {"answer": number, **told}:
                self._asked.pop(number).callback(told)

    async def _reloaded(self, handover: Handover, *, may_widen: bool) -> bool:
        if self.reload is None:
            return False
        return await self.reload(
            handover.number, handover.kept, may_widen, "another worker"
        )


def _failed(failure: Failure) -> bool:
    _log.failure("a reload failed", failure)
    return False


class _SharedPath(unix.Port):
    """
    A Unix socket that others listen on as well.

    Neither its path is ours to remove, nor may it be shut down for all of them.
    """

    _shouldShutdown = False

    def connectionLost(self, reason: Failure) -> None:
        """Close our end of it alone."""
        close: Any = tcp.Port.connectionLost
        close(self, reason)
