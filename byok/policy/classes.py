"""
What a header is: one class for each field, and how it was found out.

A credential is recognised by its value before its name is asked, since the same
key travels in several headers and a name says nothing about whose key it is.
Values are compared and searched, never stored.
"""

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from byok.policy import names

GATEWAY = "credential.gateway"
UNKNOWN_CREDENTIAL = "credential.provider.unknown"
OTHER_CREDENTIAL = "credential.other"
ANTHROPIC_API_KEY = "credential.provider.anthropic.api_key"
ANTHROPIC_OAUTH = "credential.provider.anthropic.oauth"
ANTHROPIC_ADMIN = "credential.provider.anthropic.admin"
ANTHROPIC_OTHER = "credential.provider.anthropic.other"
OPENAI_API_KEY = "credential.provider.openai.api_key"
OPENROUTER_API_KEY = "credential.provider.openrouter.api_key"
AZURE_API_KEY = "credential.provider.azure.api_key"
GOOGLE_API_KEY = "credential.provider.google.api_key"
FRAMING = "framing"
HOP_BY_HOP = "hop-by-hop"
COOKIE = "cookie"
GATEWAY_CONTROL = "gateway-control"
CLIENT_NETWORK = "client-network"
CLIENT_IDENTITY = "client-identity"
PROTOCOL = "protocol"
TRACING = "tracing"
SDK_TELEMETRY = "telemetry.sdk"
AMBIGUOUS = "ambiguous"
UNCLASSIFIED = "unclassified"

PROVIDER_CREDENTIAL_PREFIX = "credential.provider."

# Longest prefix first: `sk-ant-` alone is the net under the ones before it.
CREDENTIAL_SHAPES: tuple[tuple[bytes, str], ...] = (
    (b"sk-ant-admin", ANTHROPIC_ADMIN),
    (b"sk-ant-api", ANTHROPIC_API_KEY),
    (b"sk-ant-oat", ANTHROPIC_OAUTH),
    (b"sk-ant-", ANTHROPIC_OTHER),
    (b"sk-proj-", OPENAI_API_KEY),
    (b"sk-svcacct-", OPENAI_API_KEY),
    (b"sk-or-", OPENROUTER_API_KEY),
    (b"sk-byok-", GATEWAY),
    (b"AIza", GOOGLE_API_KEY),
)

# What every shape begins with: a value with none of these has no shape.
MARKS = (b"sk-", b"AIza")

CLASSES: frozenset[str] = frozenset(
    {cls for _, cls in CREDENTIAL_SHAPES}
    | {
        GATEWAY,
        UNKNOWN_CREDENTIAL,
        OTHER_CREDENTIAL,
        AZURE_API_KEY,
        FRAMING,
        HOP_BY_HOP,
        COOKIE,
        GATEWAY_CONTROL,
        CLIENT_NETWORK,
        CLIENT_IDENTITY,
        PROTOCOL,
        TRACING,
        SDK_TELEMETRY,
        AMBIGUOUS,
        UNCLASSIFIED,
    }
)

# Where each provider reads its credential: header name -> is it a bearer there.
OWN_SLOTS: dict[str, dict[bytes, bool]] = {
    ANTHROPIC_API_KEY: {b"x-api-key": False, b"authorization": True},
    ANTHROPIC_OAUTH: {b"authorization": True},
    OPENAI_API_KEY: {b"authorization": True},
    OPENROUTER_API_KEY: {b"authorization": True},
    AZURE_API_KEY: {b"api-key": False},
    GOOGLE_API_KEY: {b"x-goog-api-key": False},
    UNKNOWN_CREDENTIAL: {b"x-api-key": False, b"authorization": True},
}

# Where a token may begin: behind what is no part of one, or behind an escape whose
# last character looks like one (`Bearer%20sk-...`, `\nsk-...`).
TOKEN_START = rb"(?:(?<![A-Za-z0-9_-])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
# What is looked ahead for first is what nearly all texts do not have.
_BOUNDARY = rb"(?=sk-|AIza)" + TOKEN_START
_TOKEN_START = re.compile(TOKEN_START)
_SHAPE = re.compile(
    _BOUNDARY
    + rb"(?:"
    + b"|".join(re.escape(prefix) for prefix, _ in CREDENTIAL_SHAPES)
    + rb")(?=[A-Za-z0-9_-])"
    # As long as keys are, it is one wherever it stands, with letters before it too.
    + rb"|sk-byok-(?=[A-Za-z0-9]{49})"
    + rb"|(?:sk-ant-a(?:dmin|pi)|sk-ant-oat|AIza)(?=[A-Za-z0-9_-]{24})"
    + rb"|(?:sk-proj-|sk-svcacct-)(?=[A-Za-z0-9_-]{40})"
)
_SHAPE_CLASS = dict(CREDENTIAL_SHAPES)
_BASIC = re.compile(rb"(?i)\A\s*basic\s+([A-Za-z0-9+/=_-]+)\s*\Z")
_BEARER = re.compile(rb"(?i)\Abearer(?:[ \t]+|\Z)")
_FINDABLE = 12
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/=-]+")


class How(Enum):
    """By what a field's class was decided."""

    VALUE = "value"
    SHAPE = "shape"
    NAME = "name"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """One field's class, and whether it stands in its provider's own slot."""

    cls: str
    how: How
    own_slot: bool = False

    @property
    def is_credential(self) -> bool:
        """Is this anybody's credential?"""
        return self.cls.startswith("credential.")

    @property
    def is_provider_credential(self) -> bool:
        """Is this a credential for some provider?"""
        return self.cls.startswith(PROVIDER_CREDENTIAL_PREFIX)


def without_scheme(value: bytes) -> bytes:
    """Return *value* without a leading Bearer scheme, whatever its case."""
    value = value.strip()
    found = _BEARER.match(value)
    return value[found.end() :].strip() if found else value


def has_bearer_scheme(value: bytes) -> bool:
    """Does *value* begin with the Bearer scheme?"""
    return _BEARER.match(value.strip()) is not None


def find_credential(value: bytes) -> str | None:
    """
    Return the class of the first recognisable credential anywhere in *value*.

    A key in the middle of a list or behind another word is still a key, so the
    search is for a known prefix at a token boundary and not for a whole match.
    """
    found = _SHAPE.search(value)
    if found:
        return _SHAPE_CLASS[found.group()]
    basic = basic_text(value)
    found = _SHAPE.search(basic) if basic else None
    return _SHAPE_CLASS[found.group()] if found else None


def holds_gateway_credential(value: bytes, secrets: Collection[bytes]) -> bool:
    """
    Does *value* hold one of the gateway's own *secrets*, bare, in a list or in Basic?

    The comparison is by value: the same key re-sent under another name is still
    the gateway's. Empty secrets hold nothing.
    """
    if any(_holds(value, secret) for secret in secrets):
        return True
    decoded = basic_text(value)
    return any(_holds(decoded, secret) for secret in secrets) if decoded else False


def _holds(value: bytes, secret: bytes) -> bool:
    if len(secret) >= _FINDABLE:
        return secret in value
    # A short key is part of many words; as a word of its own it is still the key.
    at = value.find(secret) if secret else -1
    while at >= 0:
        behind = value[at + len(secret) :][:1]
        if _TOKEN_START.match(value, at) and _WORD.isdisjoint(behind):
            return True
        at = value.find(secret, at + 1)
    return False


def basic_text(value: bytes) -> bytes:
    """Return what *value* says under the Basic scheme; nothing under any other."""
    basic = _BASIC.match(value)
    if basic is None:
        return b""
    encoded = basic.group(1)
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_")
    except ValueError:
        return b""


def is_own_slot(name: bytes, value: bytes, cls: str) -> bool:
    """
    Is *name* where the provider of *cls* reads this credential, and it alone?

    A key hidden among other words in the right header is not in its slot: the
    whole value has to be one token, with the scheme the slot asks for, and a
    shape may stand at its beginning only.
    """
    slots = OWN_SLOTS.get(cls, {})
    if name not in slots:
        return False
    bearer = slots[name]
    if bearer != has_bearer_scheme(value):
        return False
    token = without_scheme(value)
    return _TOKEN.fullmatch(token) is not None and _SHAPE.search(token, 1) is None


def classify(
    name: bytes,
    value: bytes,
    *,
    gateway_names: Collection[bytes] = names.GATEWAY_CREDENTIALS,
    gateway_secrets: Collection[bytes] = (),
) -> Classified:
    """
    Say what the field *name*: *value* is; *name* is lower-case.

    The order is value, shape, name: a gateway key wherever it stands, then a
    provider's key wherever it stands, then what the name alone says. A value
    with bytes outside ASCII is read in more ways than one, whatever its name.
    """
    if gateway_secrets and holds_gateway_credential(value, gateway_secrets):
        return Classified(cls=GATEWAY, how=How.VALUE)
    shaped = find_credential(value)
    if shaped is not None:
        return Classified(
            cls=shaped, how=How.SHAPE, own_slot=is_own_slot(name, value, shaped)
        )
    if name in gateway_names:
        return Classified(cls=GATEWAY, how=How.NAME)
    cls = class_of_name(name)
    if cls.startswith(PROVIDER_CREDENTIAL_PREFIX):
        own = is_own_slot(name, value, cls)
        return Classified(cls=cls, how=How.NAME, own_slot=own)
    if not value.isascii():
        return Classified(cls=AMBIGUOUS, how=How.VALUE)
    if cls == UNCLASSIFIED:
        return Classified(cls=cls, how=How.DEFAULT)
    return Classified(cls=cls, how=How.NAME)


def class_of_name(name: bytes) -> str:
    """Return the class that the lower-case header *name* has by itself."""
    if name in names.HOP_BY_HOP:
        return HOP_BY_HOP
    if name in names.FRAMING:
        return FRAMING
    if name in names.COOKIES:
        return COOKIE
    if name in names.GATEWAY_CREDENTIALS:
        return GATEWAY
    if name in names.AMBIGUOUS_CREDENTIALS:
        return UNKNOWN_CREDENTIAL
    if name in names.NAMED_CREDENTIALS:
        return names.NAMED_CREDENTIALS[name]
    if name.startswith(names.GATEWAY_CONTROL_PREFIXES):
        return GATEWAY_CONTROL
    if b"_" in name:
        # Other servers read it as the name with `-` in that place.
        return AMBIGUOUS
    return _class_of_plain_name(name)


def _class_of_plain_name(name: bytes) -> str:
    # Asked first: a name that says it holds a secret does so under any prefix.
    if (
        name in names.OTHER_CREDENTIALS
        or name.startswith(names.OTHER_CREDENTIAL_PREFIXES)
        or name.endswith(names.OTHER_CREDENTIAL_SUFFIXES)
    ):
        return OTHER_CREDENTIAL
    if name in names.PROTOCOL or name.startswith(names.PROTOCOL_PREFIXES):
        return PROTOCOL
    if name in names.CLIENT_NETWORK or name.startswith(names.CLIENT_NETWORK_PREFIXES):
        return CLIENT_NETWORK
    if name in names.CLIENT_IDENTITY or name.startswith(names.CLIENT_IDENTITY_PREFIXES):
        return CLIENT_IDENTITY
    if name in names.TRACING or name.startswith(names.TRACING_PREFIXES):
        return TRACING
    if name.startswith(names.SDK_TELEMETRY_PREFIXES):
        return SDK_TELEMETRY
    return UNCLASSIFIED
