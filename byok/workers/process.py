"""One worker as its supervisor has it: a process, and the line to it."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime

from byok.workers.control import Control, Message, connect
from byok.workers.member import Membership
from byok.workers.sockets import Opened

_LOOK_AGAIN_S = 0.02

Told = Callable[["Worker", Message], None]
Ended = Callable[["Worker", int], None]


class Worker:
    """
    Runs *command* with *opened* sockets; its log goes to the file *log_fd*.

    It has a session of its own: what a terminal sends to a foreground job is for the
    supervisor, who passes it on once. *told* gets what it says, *ended* its exit code.
    What it *serves* is a packed handover, or nothing where it is to look for itself.
    """

    def __init__(
        self,
        reactor: Any,
        command: Sequence[str],
        *,
        endpoints: Sequence[str],
        opened: Opened,
        announces: bool,
        tells: bool,
        log_fd: int,
        serves: str,
        told: Told,
        ended: Ended,
    ) -> None:
        self._reactor = reactor
        self._ended = ended
        self.began_at = IReactorTime(reactor).seconds()
        self.is_ready = False
        self.serves = serves
        self.is_retired = False
        ours, theirs = socket.socketpair()
        files = [each.fileno() for each in opened]
        membership = Membership(
            control=theirs.fileno(),
            listening=tuple(zip(endpoints, files, strict=True)),
            announces=announces,
            tells=tells,
            handed=len(serves),
        )
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, "--as-worker", membership.written()],
                stdin=subprocess.DEVNULL,
                stdout=log_fd,
                pass_fds=(theirs.fileno(), *files),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._control = Control(
            told=lambda message: told(self, message), lost=self._gone
        )
        connect(reactor, ours, self._control)
        self._control.hand(serves.encode("ascii"))

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def tell(self, **message: object) -> None:
        """Send it a message."""
        self._control.tell(**message)

    def stop(self) -> None:
        """Let it end in its own time, and be missed by nobody."""
        self.is_retired = True
        self.tell(do="stop")

    def kill(self) -> None:
        """End it now."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self._process.returncode is None:
            os.kill(self.pid, number)

    def _gone(self) -> None:
        # The line ends with the process, or a moment before.
        code = self._process.poll()
        if code is None:
            IReactorTime(self._reactor).callLater(_LOOK_AGAIN_S, self._gone)
        else:
            self._ended(self, code)
