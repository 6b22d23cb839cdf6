"""What a test and a provider in another process say to each other, as JSON lines."""

import msgspec

from tests.support.plays import Play


class Named(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A reply worked out from the request: a name in `replies.NAMED`."""

    name: str


Answer = Play | Named


class Order(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something the provider is told, acknowledged by its number."""

    number: int


class PlayNext(Order, frozen=True, kw_only=True, tag=True):
    """Queue *answers* for the next requests for *path*."""

    path: str
    answers: tuple[Answer, ...]


class PlayAlways(Order, frozen=True, kw_only=True, tag=True):
    """Give *answer* to every request for *path* that finds none queued."""

    path: str
    answer: Answer


class Fire(Order, frozen=True, kw_only=True, tag=True):
    """Let the plays that wait for *signal* go on."""

    signal: str


class Settle(Order, frozen=True, kw_only=True, tag=True):
    """Nothing to do: what is acknowledged after it, was reported before."""


AnyOrder = PlayNext | PlayAlways | Fire | Settle


class Listening(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The provider accepts connections on *port* of 127.0.0.1."""

    port: int


class Obeyed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The order *number* is in force."""

    number: int


class Came(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The request *number* is complete; *raw* is all of its bytes."""

    number: int
    connection: int
    at: float
    raw: bytes


class HungUp(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The peer left before request *number* was answered; None: it was half sent."""

    number: int | None
    sent: int


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The provider could not read what it got, or failed to answer."""

    text: str


AnyReport = Listening | Obeyed | Came | HungUp | Fault
