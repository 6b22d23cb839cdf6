"""
Turns refusals and faults into HTTP, in the dialect the caller's API speaks.

The one file that knows which status a fault has. Nothing here is called once an
answer has begun: a stream that fails half-way is cut, never appended to.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace

from byok.core.carriers import readable
from byok.core.errors import (
    ByokError,
    CountersUnavailable,
    EgressViolation,
    ProviderBroken,
    ProviderOutOfReach,
    ProviderTimedOut,
    ProviderUnreachable,
    ProxyFailed,
    ProxyRefused,
    Refusal,
    StoreUnavailable,
)
from byok.core.facts import Headers
from byok.core.routes import Dialect
from byok.web.downstream import Downstream

JSON = b"application/json"


def new_request_id() -> str:
    """Make the id that an exchange is known by, to its client and in the log."""
    return "req_" + os.urandom(12).hex()


def refuse(
    client: Downstream,
    refusal: Refusal,
    *,
    dialect: Dialect,
    request_id: str,
    beside: Mapping[str, object] | None = None,
) -> int:
    """Answer with *refusal*, and with what stands *beside* it; return the size."""
    headers, body = worded(
        refusal, dialect=dialect, request_id=request_id, beside=beside
    )
    return _send(client, refusal.status, headers, body)


def worded(
    refusal: Refusal,
    *,
    dialect: Dialect,
    request_id: str,
    beside: Mapping[str, object] | None = None,
) -> tuple[Headers, bytes]:
    """Return headers and body of an answer that is *refusal*."""
    body = encode(refusal, dialect=dialect, request_id=request_id, beside=beside)
    own = _own_headers(body, request_id=request_id, content_type=JSON)
    return (*own, *_headers_of(refusal)), body


def of_generation(refusal: Refusal, name: str) -> Refusal:
    """Return *refusal* saying which configuration it is of, where *name* is given."""
    if not name:
        return refusal
    return replace(refusal, headers=(*refusal.headers, ("x-byok-generation", name)))


def send(
    client: Downstream,
    status: int,
    body: bytes,
    *,
    request_id: str,
    headers: Headers = (),
    content_type: bytes = JSON,
) -> int:
    """Answer with a whole body of our own; return its size."""
    own = _own_headers(body, request_id=request_id, content_type=content_type)
    return _send(client, status, (*own, *headers), body)


def _own_headers(body: bytes, *, request_id: str, content_type: bytes) -> Headers:
    return (
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"request-id", request_id.encode("ascii")),
        (b"cache-control", b"no-store"),
    )


def _send(client: Downstream, status: int, headers: Headers, body: bytes) -> int:
    client.respond(status, headers)
    client.write(body)
    client.finish()
    return len(body)


def encode(
    refusal: Refusal,
    *,
    dialect: Dialect,
    request_id: str,
    beside: Mapping[str, object] | None = None,
) -> bytes:
    """Write *refusal* as the JSON that clients of *dialect* know how to read."""
    if dialect is Dialect.OPENAI:
        shape: dict[str, object] = {
            "error": {
                "message": refusal.message,
                "type": refusal.kind,
                "param": None,
                "code": refusal.code,
            }
        }
    else:
        # Claude Code reads this dialect, and shows no message with one header's name.
        message = readable(refusal.message)
        shape = {
            "type": "error",
            "error": {"type": refusal.kind, "message": message},
            "request_id": request_id,
        }
    shape |= beside or {}
    return json.dumps(shape, ensure_ascii=False).encode("utf-8")


def _headers_of(refusal: Refusal) -> Headers:
    given = tuple(
        (name.lower().encode("ascii"), value.encode("ascii"))
        for name, value in refusal.headers
    )
    present = {name for name, _ in given}
    ours: list[tuple[bytes, bytes]] = [(b"x-byok-error", refusal.code.encode("ascii"))]
    # A client that repeats what cannot succeed keeps its user waiting for minutes.
    if _is_final(refusal) and not present & {b"retry-after", b"x-should-retry"}:
        ours.append((b"x-should-retry", b"false"))
    return (*ours, *given)


def _is_final(refusal: Refusal) -> bool:
    client_errors = range(400, 500)
    return refusal.status in client_errors or refusal.code in _FINAL


_EGRESS = Refusal(
    status=502,
    kind="api_error",
    code="egress.stopped",
    message=(
        "The gateway stopped this request before it left: it would have carried what"
        " must not be sent there. This is a fault of the gateway; its log says more."
    ),
)
# What stays as it is until somebody changes the configuration.
_FINAL = frozenset({_EGRESS.code, "provider.out-of-reach", "proxy.refused"})
_INTERNAL = Refusal(
    status=500,
    kind="api_error",
    code="internal",
    message="The gateway failed while handling this request; its log says more.",
)
_STORE = Refusal(
    status=503,
    kind="api_error",
    code="store.unavailable",
    message="The gateway cannot use its key store at the moment.",
    headers=(("retry-after", "2"),),
)

_COUNTERS = Refusal(
    status=503,
    kind="api_error",
    code="limit.unknown",
    message="The gateway cannot tell at the moment whether a limit is reached.",
    headers=(("retry-after", "2"),),
)


def refusal_of(fault: BaseException, *, deployment: str | None = None) -> Refusal:
    """
    Say what a client is told of *fault*.

    Only the texts of our own provider faults are shown; whatever else an
    exception says may quote what it was given.
    """
    if isinstance(fault, EgressViolation):
        return _EGRESS
    if isinstance(fault, StoreUnavailable):
        return _STORE
    if isinstance(fault, CountersUnavailable):
        return _COUNTERS
    where = f" (deployment {deployment})" if deployment else ""
    if isinstance(fault, ProviderTimedOut):
        return Refusal(
            status=504,
            kind="timeout_error",
            code="provider.timed-out",
            message=f"The gateway got no answer: {fault}{where}.",
        )
    if isinstance(fault, ProviderOutOfReach):
        return _provider("provider.out-of-reach", fault, where)
    if isinstance(fault, ProxyRefused):
        return _provider("proxy.refused", fault, where)
    if isinstance(fault, ProxyFailed):
        return _provider("proxy.failed", fault, where)
    if isinstance(fault, ProviderUnreachable):
        return _provider("provider.unreachable", fault, where)
    if isinstance(fault, ProviderBroken):
        return _provider("provider.broken", fault, where)
    return _INTERNAL


def _provider(code: str, fault: ByokError, where: str) -> Refusal:
    return Refusal(
        status=502,
        kind="api_error",
        code=code,
        message=f"The gateway got no answer: {fault}{where}.",
    )
