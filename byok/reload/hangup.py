"""SIGHUP as a wish to reload, where it does not mean that the terminal is gone."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class HangUp:
    """
    Calls *wish* in the reactor's thread for each SIGHUP, between start and stop.

    Where the process has a terminal and that one hung up, *end* is called instead:
    a gateway in a window that was closed should not stay behind.
    """

    def __init__(
        self, reactor: Any, *, wish: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self._reactor = reactor
        self._wish = wish
        self._end = end
        self._before: Any = None
        self._has_terminal = False

    def start(self) -> None:
        """Begin to listen; only the main thread of a process can."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._before = signal.signal(signal.SIGHUP, self._come)
        # Under nohup it is meant to outlive its terminal.
        self._has_terminal = self._before != signal.SIG_IGN and _has_terminal()
        signal.siginterrupt(signal.SIGHUP, False)  # noqa: FBT003 - its only name

    def stop(self) -> None:
        """Put back whatever was there before."""
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def _come(self, _number: int, _frame: FrameType | None) -> None:
        closed = self._has_terminal and not _has_terminal()
        self._reactor.callFromThread(self._end if closed else self._wish)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
