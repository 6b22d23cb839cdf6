"""Keeps the events of twisted's log while a test runs."""

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer


@implementer(ILogObserver)
class Events:
    """The events logged since `watch` was called."""

    def __init__(self) -> None:
        self.all: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self.all.append(event)

    def watch(self, case: SynchronousTestCase) -> None:
        """Begin to listen, until *case* is over."""
        globalLogPublisher.addObserver(self)
        case.addCleanup(globalLogPublisher.removeObserver, self)
