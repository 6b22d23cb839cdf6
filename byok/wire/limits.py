"""How much, and how long, a peer may take; every figure has its reason beside it."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """
    What a client may ask of a server; sizes in bytes, times in seconds.

    *head_s* is for a whole request head, from its first byte (or the connection's
    start) to its last, so that one byte a second does not hold a connection.
    *idle_s* is for a kept connection between two requests. A body must come in at
    *body_bytes_per_s* on average once *body_grace_s* are over. A client that takes
    nothing of its answer for *stall_s* is cut off. *linger_s* is how long a client
    may go on sending after it was answered, so that it gets to read the answer.
    """

    head_bytes: int = 16 * 1024
    target_bytes: int = 8 * 1024
    value_bytes: int = 8 * 1024
    fields: int = 64
    body_bytes: int = 32 * MIB
    head_s: float = 10.0
    idle_s: float = 120.0
    body_grace_s: float = 20.0
    body_bytes_per_s: int = 500
    stall_s: float = 60.0
    linger_s: float = 5.0
    connections: int = 10_000
    connections_per_ip: int = 2_500


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """
    What a server may ask of a client; sizes in bytes, times in seconds.

    *answer_s* is from the start of a request to the end of its answer's head,
    *silence_s* between two pieces of the body. *interim* is how many 1xx answers
    may come before the real one.
    """

    head_bytes: int = 64 * 1024
    fields: int = 256
    interim: int = 16
    answer_s: float = 600.0
    silence_s: float = 600.0
