"""
What goes on the wire: the approved headers, and the framing that is ours alone.

Names and values are checked byte for byte here, because the client below would
send a NUL as it came and fold a line break into a space.
"""

import re
from dataclasses import dataclass, field

from byok.core.errors import EgressViolation
from byok.core.facts import Headers
from byok.core.harmless import Harmless
from byok.core.providers import Origin
from byok.policy import names

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_TARGET = re.compile(rb"/[\x21-\x7e]*")

_KNOWN = Harmless()

OURS = names.FRAMING | names.HOP_BY_HOP
"""Lines only the gateway writes; a second one beside ours would split readers."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request as it leaves: every line but content-length and connection."""

    origin: Origin
    method: bytes
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)


def prepare(
    *, origin: Origin, method: bytes, target: bytes, headers: Headers, body: bytes
) -> Outgoing:
    """
    Put the gateway's own lines around the approved *headers*, or raise.

    A name or value that is not plain HTTP, and any framing line among the
    approved ones, is a fault of ours and stops the request.
    """
    if not _TARGET.fullmatch(target):
        raise EgressViolation("the request target holds bytes that must not be sent")
    if not _TOKEN.fullmatch(method):
        raise EgressViolation("the method is not a token")
    for name, value in _KNOWN.unknown(headers):
        if not _TOKEN.fullmatch(name):
            raise EgressViolation("the name of an outgoing header is no token")
        shown = name.decode("ascii")
        if name.lower() in OURS:
            raise EgressViolation(f"{shown} is written by the gateway alone")
        if not _VALUE.fullmatch(value):
            raise EgressViolation(f"the value of {shown} holds bytes not to be sent")
        _KNOWN.note((name, value))
    own = ((b"host", host_of(origin)), (b"accept-encoding", b"identity"))
    return Outgoing(
        origin=origin, method=method, target=target, headers=own + headers, body=body
    )


def host_of(origin: Origin) -> bytes:
    """Return the Host line's value: it names *origin*, whatever a client wrote."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    if _DEFAULT_PORTS.get(origin.scheme) != origin.port:
        host = f"{host}:{origin.port}"
    return host.encode("ascii")
