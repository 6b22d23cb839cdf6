"""
The client's side of an exchange: one small Protocol, and how its faults are told.

Everything that answers a client speaks `Downstream`, so that what carries HTTP
underneath can be replaced without touching an exchange.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer

from byok.core.edge import refuse_unreadable
from byok.core.errors import Refusal
from byok.core.facts import Headers
from byok.wire.errors import (
    BodyTooLarge,
    BodyTooSlow,
    BodyUnreadable,
    PeerGone,
    Unreadable,
)
from byok.wire.heads import METHODS


class Downstream(Protocol):
    """One request of a client, and the way to answer it once."""

    method: bytes
    target: bytes
    headers: Headers
    peer: str
    gone_because: str

    @property
    def gone(self) -> bool:
        """Has the client hung up, or have we cut it off?"""

    @property
    def responded(self) -> bool:
        """Has an answer begun?"""

    @property
    def received_bytes(self) -> int:
        """How much of the body has come in."""

    async def read_body(self) -> bytes:
        """Return the whole body once it is here, or raise a `WireError`."""

    def respond(self, status: int, headers: Headers) -> None:
        """Send status and headers, with the first part of the body or `flush`."""

    def flush(self) -> None:
        """Send what still waits for a part of the body to go with it."""

    def write(self, data: bytes) -> None:
        """Send a part of the body."""

    def finish(self) -> None:
        """End the answer as complete."""

    def abort(self) -> None:
        """End the answer so that the client can tell it is incomplete."""

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call *callback* once if the client hangs up before the answer ended."""

    def register_producer(self, producer: IPushProducer) -> None:
        """Pause *producer* whenever the client reads slower than it produces."""

    def unregister_producer(self) -> None:
        """Stop steering the registered producer."""


async def body_of(client: Downstream, *, too_large: Refusal) -> bytes | Refusal:
    """
    Return the body of *client*'s request, or why there is none.

    A route says itself what is *too_large* for it.
    """
    try:
        return await client.read_body()
    except BodyTooLarge:
        return too_large
    except BodyTooSlow:
        return _TOO_SLOW
    except BodyUnreadable as error:
        return refusal_of(error.unreadable)
    except PeerGone as error:
        raise CancelledError from error


def refusal_of(unreadable: Unreadable) -> Refusal:
    """Say in the gateway's words what was no request."""
    return refuse_unreadable(
        unreadable.status, unreadable.code, unreadable.message, methods=METHODS
    )


_TOO_SLOW = Refusal(
    status=408,
    kind="timeout_error",
    code="http.body-too-slow",
    message="The request's body came in too slowly, and was given up.",
)
