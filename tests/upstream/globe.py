"""An internet for tests: names and addresses that lead where the test says."""

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from zope.interface import implementer


@implementer(IHostResolution)
class Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """There is nothing under way."""


@implementer(IHostnameResolver)
class Names:
    """
    Knows what each name leads to, look-up by look-up.

    The last of a name's answers stands for all further look-ups.
    """

    def __init__(self, known: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._known = {name: list(answers) for name, answers in known.items()}
        self.asked: list[str] = []

    def resolveHostName(
        self,
        resolutionReceiver,
        hostName,
        portNumber=0,
        addressTypes=None,
        transportSemantics="TCP",
    ):
        self.asked.append(hostName)
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        answers = self._known.get(hostName, [[]])
        for host in answers.pop(0) if len(answers) > 1 else answers[0]:
            kind = IPv6Address if ":" in host else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", host, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


class Unanswered:
    """A connection attempt to where nobody says anything."""

    stopped = False

    def getDestination(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 1)

    def stopConnecting(self) -> None:
        self.stopped = True


class Globe:
    """
    The reactor, in a world where names and addresses lead elsewhere.

    *here* are addresses that lead to 127.0.0.1 instead, and *dead* those where nobody
    answers. Any other address stays what it is.
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[Sequence[str]]],
        *,
        here: Sequence[str] = (),
        dead: Sequence[str] = (),
    ) -> None:
        self.nameResolver = Names(names)
        self._here = here
        self._dead = dead
        self.connected: list[str] = []
        self.attempts: list[Unanswered] = []
        self.callLater = reactor.callLater
        self.seconds = reactor.seconds

    def connectTCP(self, host: str, port: int, factory: Any, *rest: Any, **more: Any):
        self.connected.append(host)
        if host in self._dead:
            attempt = Unanswered()
            self.attempts.append(attempt)
            factory.startedConnecting(attempt)
            return attempt
        host = "127.0.0.1" if host in self._here else host
        return reactor.connectTCP(host, port, factory, *rest, **more)
