"""What is known of a request before anything is decided: values, nothing else."""

from dataclasses import dataclass, field

from byok.core.body import BodyHead
from byok.core.routes import Route
from byok.policy.outcome import Headers

__all__ = ["Headers", "RequestFacts", "present"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """
    One request as it arrived.

    `headers` are (lower-case name, value without outer white space) in order of
    arrival, repeats kept apart. `query` is what follows `?`, verbatim. `head` is
    what was read of the body, None where the route takes none.
    """

    method: str
    route: Route
    query: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    head: BodyHead | None = None
    body: bytes = field(default=b"", repr=False)
    client_ip: str = ""


def present(headers: Headers, name: bytes) -> bytes | None:
    """Return the value of the first field *name* that is not empty."""
    for each, value in headers:
        if each == name and value:
            return value
    return None
