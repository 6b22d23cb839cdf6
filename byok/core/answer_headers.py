"""
Which of a provider's response headers a client gets to see.

An open list: what is not named here passes, since providers add headers that
clients come to rely on. Dropped are the lines about one connection, cookies,
and what speaks for the provider's own host or network rather than its answer.
"""

import re
from collections.abc import Collection
from functools import lru_cache

from byok.core.facts import Headers
from byok.core.secret import Secret
from byok.policy import names

_FRAMING = names.HOP_BY_HOP | {b"content-length", b"proxy-authenticate", b"trailers"}

_COOKIES = frozenset({b"set-cookie", b"set-cookie2"})

# These make promises, or rules for browsers, about the host that sent them.
_OF_THE_HOST = frozenset(
    {
        b"alt-svc",
        b"clear-site-data",
        b"expect-ct",
        b"location",
        b"nel",
        b"public-key-pins",
        b"refresh",
        b"report-to",
        b"reporting-endpoints",
        b"server",
        b"strict-transport-security",
        b"via",
        b"x-powered-by",
    }
)
_OF_THE_HOST_PREFIXES = (b"access-control-", b"cross-origin-")

_OF_THE_NETWORK = frozenset(
    {b"x-cache", b"x-cache-hits", b"x-served-by", b"x-timer", b"x-varnish"}
)
_OF_THE_NETWORK_PREFIXES = (
    b"akamai-",
    b"cf-",
    b"fastly-",
    b"fly-",
    b"x-akamai-",
    b"x-amz",
    b"x-azure-",
    b"x-cdn",
    b"x-cloud-trace",
    b"x-envoy-",
    b"x-fastly-",
    b"x-msedge-",
    b"x-vercel-",
)

# Ours to say: a provider must not be able to say them for us.
_OURS_PREFIXES = (b"x-byok-", b"x-litellm-")

_PREFIXES = (*_OF_THE_HOST_PREFIXES, *_OF_THE_NETWORK_PREFIXES, *_OURS_PREFIXES)

_DROPPED = _FRAMING | _COOKIES | _OF_THE_HOST | _OF_THE_NETWORK

# The organisation's affairs, told to the caller only where the caller pays.
_OF_THE_PAYER = frozenset(
    {b"anthropic-organization-id", b"openai-organization", b"openai-project"}
)
_OF_THE_PAYER_PREFIXES = (
    b"anthropic-fast-",
    b"anthropic-input-tokens-",
    b"anthropic-output-tokens-",
    b"anthropic-priority-",
    b"anthropic-ratelimit-",
    b"ratelimit",
    b"x-ratelimit-",
)

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

# What the lists above tell apart, for whoever tries a name of each kind.
KNOWN = tuple(
    sorted(_FRAMING | _COOKIES | _OF_THE_HOST | _OF_THE_NETWORK | _OF_THE_PAYER)
)
KNOWN_PREFIXES = (*_PREFIXES, *_OF_THE_PAYER_PREFIXES)


def relayed_headers(
    fields: Headers,
    *,
    nominated: Collection[bytes],
    org_pays: bool,
    secrets: Collection[Secret] = (),
) -> Headers:
    """
    Return the *fields* a client gets, in their order; names are lower-case.

    *nominated* are the names the provider's Connection line made hop-by-hop. A
    field that repeats one of *secrets* is dropped, and so is one with bytes that
    have no place in a header.
    """
    passes = _passes_where_org_pays if org_pays else _passes
    relayed = [
        field
        for field in fields
        if passes(field[0])
        and _VALUE.fullmatch(field[1])
        and not (nominated and field[0] in nominated)
    ]
    values = [secret.reveal_bytes() for secret in secrets if secret]
    if values:
        relayed = [
            field for field in relayed if not any(each in field[1] for each in values)
        ]
    return tuple(relayed)


# Providers send the same names with every answer.
@lru_cache(maxsize=1024)
def _passes(name: bytes) -> bool:
    return (
        name not in _DROPPED
        and not name.startswith(_PREFIXES)
        and _TOKEN.fullmatch(name) is not None
    )


@lru_cache(maxsize=1024)
def _passes_where_org_pays(name: bytes) -> bool:
    return (
        name not in _OF_THE_PAYER
        and not name.startswith(_OF_THE_PAYER_PREFIXES)
        and _passes(name)
    )
