"""
The routes that carry exchanges, and the one way a path is read.

A path is compared with literals as raw bytes, never decoded or tidied first:
what cannot be compared that way is refused, so no two readers can differ.
"""

import re
from dataclasses import dataclass
from enum import Enum

from byok.core.errors import Refusal


class Dialect(Enum):
    """The API a route belongs to: it decides the shape of our own answers."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One relayed route, under the id that policy, logs and metrics use."""

    id: str
    method: str
    dialect: Dialect


MESSAGES = Route(id="/v1/messages", method="POST", dialect=Dialect.ANTHROPIC)
COUNT_TOKENS = Route(
    id="/v1/messages/count_tokens", method="POST", dialect=Dialect.ANTHROPIC
)
CHAT_COMPLETIONS = Route(
    id="/v1/chat/completions", method="POST", dialect=Dialect.OPENAI
)

RELAYED: tuple[Route, ...] = (MESSAGES, COUNT_TOKENS, CHAT_COMPLETIONS)

# A second spelling of the same routes with the same rules.
PREFIX = b"/anthropic"

# Nothing of a request for these leaves. The second ones have no other spelling.
_ANSWERED_HERE = frozenset({b"/", b"/api/hello", b"/v1/models"})
_OURS = (
    b"/byok/",
    b"/global/",
    b"/health/",
    b"/key/",
    b"/spend/",
    b"/team/",
    b"/user/",
)
_METRICS = b"/metrics"

_BY_PATH = {route.id.encode(): route for route in RELAYED}
_UNREADABLE = re.compile(rb"[%\\;#]|//|[^\x21-\x7e]|/\.{1,2}(?:/|\Z)")


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query of an origin-form *target* (RFC 9112 3.2.1)."""
    path, _, query = target.partition(b"?")
    return path, query


def check_path(path: bytes) -> Refusal | None:
    """Refuse a *path* that two servers could read differently."""
    if path.startswith(b"/") and not _UNREADABLE.search(path):
        return None
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="edge.path",
        message=(
            "The path holds an encoded, repeated or relative part. Send it as it is"
            " documented, for example /v1/messages."
        ),
    )


def without_prefix(path: bytes) -> bytes:
    """Return *path* without the prefix that is a second spelling of no prefix."""
    if path == PREFIX:
        return b"/"
    return path[len(PREFIX) :] if path.startswith(PREFIX + b"/") else path


def is_answered_here(path: bytes) -> bool:
    """Does the gateway itself answer whatever is asked of *path*, or refuse it?"""
    plain = without_prefix(path)
    return (
        plain in _ANSWERED_HERE
        or plain.startswith(b"/v1/models/")
        or path.startswith(_OURS)
        or path == _METRICS
    )


def relayed_route(path: bytes) -> Route | None:
    """Return the relayed route at *path*, which has no prefix any more."""
    return _BY_PATH.get(path)
