"""What can go wrong between two peers that speak HTTP, and what we say of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """
    Why a request is no request: *status* to answer with, *code* for a log.

    The message quotes nothing of what came.
    """

    status: int
    code: str
    message: str


class WireError(Exception):
    """An exchange cannot go on as it was meant to."""


class PeerGone(WireError):
    """The peer closed, or was cut off, before the exchange was over."""


class BodyTooLarge(WireError):
    """A request body is over the limit; what is left of it is not kept."""


class BodyTooSlow(WireError):
    """A request body came in below the least acceptable rate."""


class BodyUnreadable(WireError):
    """A request body is not framed as its head said."""

    def __init__(self, unreadable: Unreadable) -> None:
        super().__init__(unreadable.message)
        self.unreadable = unreadable


class ConnectTimedOut(WireError):
    """No connection, its TLS handshake included, was there in time."""


class AnswerTimedOut(WireError):
    """A server was silent for too long."""


class AnswerBroken(WireError):
    """A server's answer is not HTTP/1.1, or over a limit."""


class ClosedEarly(WireError):
    """A server closed the connection before its answer was complete."""


class ClosedWhileKept(ClosedEarly):
    """
    A server closed a kept connection instead of answering on it.

    It may have done so before the request came, or because of it.
    """


class TunnelUnreachable(WireError):
    """A proxy could not be connected to; *why* is what was raised."""

    def __init__(self, why: Exception) -> None:
        super().__init__("no connection to the proxy")
        self.why = why


class TunnelRefused(WireError):
    """A proxy opened no tunnel, and answered with *status* instead."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy answered CONNECT with {status}")
        self.status = status


class TunnelBroken(WireError):
    """A proxy did not answer as one."""
