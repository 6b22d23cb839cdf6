"""What supervisor and worker tell each other: JSON, a line a message."""

import json
from collections.abc import Callable
from socket import AF_UNIX, socket
from typing import Any

from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

Message = dict[str, Any]


class Control(LineOnlyReceiver):
    """
    One end of the line between the two.

    *told* gets each message of the other end, *lost* is called when there is no
    other end any more: a process that is gone is known by that.
    """

    delimiter = b"\n"
    # A whole configuration may be in one; who speaks is one of us.
    MAX_LENGTH = 1 << 28

    def __init__(
        self, *, told: Callable[[Message], None], lost: Callable[[], None]
    ) -> None:
        self._told = told
        self._lost = lost
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """Is there another end?"""
        return self._is_open

    def tell(self, **message: object) -> None:
        """Send a message, if somebody is there."""
        if self._is_open and self.transport is not None:
            self.transport.write(json.dumps(message).encode("ascii") + b"\n")

    def hand(self, data: bytes) -> None:
        """Send what the other end reads before it listens to messages."""
        if self._is_open and self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """End the line."""
        if self._is_open and self.transport is not None:
            self.transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        """Pass one message on."""
        self._told(json.loads(line))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Say that the other end is gone."""
        self._is_open = False
        self._lost()


class _Line(Factory):
    noisy = False

    def __init__(self, control: Control) -> None:
        self._control = control

    def buildProtocol(self, addr: object) -> Control:  # noqa: ARG002
        return self._control


def connect(reactor: Any, end: socket, control: Control) -> None:
    """Let *control* speak over *end*, which is closed here."""
    end.setblocking(False)  # noqa: FBT003 - its only name
    reactor.adoptStreamConnection(end.fileno(), AF_UNIX, _Line(control))
    end.close()
