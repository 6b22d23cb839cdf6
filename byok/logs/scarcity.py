"""Says that connections cannot be accepted, of which Twisted speaks in whispers."""

from collections.abc import Callable

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

AGAIN_S = 60.0
"""How long nothing more is said: a flood of connections is one line a minute."""

_NAMESPACE = "twisted.internet."
_WHISPERS = ("EMFILE encountered", "Could not accept new connection")


@implementer(ILogObserver)
class Scarcity:
    """
    Passes every event on to *observer*, and a warning where files have run out.

    Twisted closes connections that it has no file for, so that clients are not left
    waiting, and says so at level info among the small talk that is not written.
    """

    def __init__(self, observer: ILogObserver, *, seconds: Callable[[], float]) -> None:
        self._observer = observer
        self._seconds = seconds
        self._quiet_until = float("-inf")

    def __call__(self, event: LogEvent) -> None:
        """Pass *event* on."""
        self._observer(event)
        if not str(event.get("log_namespace")).startswith(_NAMESPACE):
            return
        if not str(event.get("log_format")).startswith(_WHISPERS):
            return
        now = self._seconds()
        if now >= self._quiet_until:
            self._quiet_until = now + AGAIN_S
            self._observer(_warning(event))


def _warning(event: LogEvent) -> LogEvent:
    return {
        "log_time": event.get("log_time"),
        "log_level": LogLevel.warn,
        "log_namespace": "byok.service",
        "log_format": (
            "no more files can be opened: new connections are turned away, and so are"
            " requests that need one to the provider. Raise LimitNOFILE or"
            " `ulimit -Hn`, or lower limits.connections"
        ),
        "event": "out-of-files",
    }
