"""Collects the body of a provider's answer."""

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from byok.wire.answer import Answer


class Collected(Protocol):
    """The bytes of one body; `ended` fires when no more will come."""

    def __init__(self) -> None:
        self.data = b""
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)


async def body_of(answer: Answer) -> bytes:
    """Read the whole body, complete or not."""
    collected = Collected()
    answer.deliverBody(collected)
    await collected.ended
    return collected.data
