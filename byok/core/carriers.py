"""
Carriers: in which header the caller's gateway key came, and in which it did not.

The first carrier that holds a candidate decides; a wrong key in it is never
rescued by a later one. A value of a provider's shape is no candidate: the
caller's own Anthropic key is for Anthropic.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from byok.core.errors import ErrorKind, Refusal
from byok.core.secret import Secret
from byok.policy import classes
from byok.policy.classes import has_bearer_scheme, without_scheme
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.outcome import Headers

CARRIERS: tuple[bytes, ...] = (
    b"x-litellm-api-key",
    b"x-byok-api-key",
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"x-goog-api-key",
)


_HIDDEN = b"x-api-key"
_HIDDEN_WORD = re.compile(_HIDDEN.decode(), re.IGNORECASE)

CUSTOM = 'ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: <your byok key>"'
"""How Claude Code is told to send the byok key where it hinders nothing else."""

# Where these carry the byok key, Claude Code fills them from variables of their own.
_OWN_VARIABLES = {
    b"x-api-key": "ANTHROPIC_API_KEY",
    b"authorization": "ANTHROPIC_AUTH_TOKEN",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A value that may be a gateway key, and the header it came in."""

    carrier: str
    key: Secret


def carriers(configured: str | None) -> tuple[bytes, ...]:
    """Return the carriers in order, the *configured* name before the others."""
    if configured is None:
        return CARRIERS
    first = configured.lower().encode()
    return (first, *(name for name in CARRIERS if name != first))


def find_key(
    headers: Headers,
    order: Sequence[bytes],
    class_table: ClassTable = NOTHING_DECLARED,
) -> Presented | Refusal:
    """Return the first candidate for a gateway key, or a 401 that says what came."""
    for carrier in order:
        for name, value in headers:
            if name != carrier or not value:
                continue
            shape = class_table.find_credential(value)
            if shape is not None and shape != classes.GATEWAY:
                continue
            if carrier == b"authorization" and not has_bearer_scheme(value):
                return _wrong_scheme(headers, class_table)
            key = without_scheme(value)
            if key:
                return Presented(carrier=carrier.decode(), key=Secret.from_bytes(key))
    return refuse(
        headers,
        code="auth.missing-key",
        class_table=class_table,
        message=(
            "No byok key came with this request"
            f" ({seen(headers, class_table=class_table)}). Send it as"
            f" {shown(order[0])}: in Claude Code, set {_variable(order[0])}."
        ),
    )


def _variable(carrier: bytes) -> str:
    """Say what makes Claude Code send the byok key in *carrier*."""
    own = _OWN_VARIABLES.get(carrier)
    if own is not None:
        return f"{own}=<your byok key>"
    return f'ANTHROPIC_CUSTOM_HEADERS="{carrier.decode()}: <your byok key>"'


def variable_of(carrier: bytes) -> str:
    """Name the variable of Claude Code that fills the header *carrier*."""
    return _OWN_VARIABLES.get(carrier, "ANTHROPIC_CUSTOM_HEADERS")


def _wrong_scheme(headers: Headers, class_table: ClassTable) -> Refusal:
    return refuse(
        headers,
        code="auth.scheme",
        class_table=class_table,
        message=(
            "The Authorization header does not use the Bearer scheme. Send"
            ' "Authorization: Bearer <your byok key>", or put the key in'
            " x-litellm-api-key (ANTHROPIC_CUSTOM_HEADERS in Claude Code)."
        ),
    )


def refuse_key(
    headers: Headers, carrier: str, class_table: ClassTable = NOTHING_DECLARED
) -> Refusal:
    """
    Return the one refusal of a key that opens nothing.

    Unknown, expired, blocked and malformed keys get the same bytes, so that
    nobody learns from them whether a key exists.
    """
    return refuse(
        headers,
        code="auth.invalid-key",
        class_table=class_table,
        message=(
            f"The byok key in {shown(carrier.encode())} is not accepted: it is"
            " unknown, expired or blocked. Compare it with the key you were given (in"
            f" Claude Code it stands in {variable_of(carrier.encode())}), or ask for a"
            " new one."
        ),
    )


def refuse(
    headers: Headers,
    *,
    code: str,
    message: str,
    class_table: ClassTable = NOTHING_DECLARED,
) -> Refusal:
    """
    Return a refusal about identity or credentials.

    A 401 makes a client with a claude.ai login spend its refresh token, so where
    the request carries one the status is 403.
    """
    status, kind = identity_status(headers, class_table)
    return Refusal(status=status, kind=kind, code=code, message=message)


def identity_status(
    headers: Headers, class_table: ClassTable = NOTHING_DECLARED
) -> tuple[int, ErrorKind]:
    """Return the status and type of a refusal about identity."""
    for name, value in headers:
        if (
            name == b"authorization"
            and class_table.find_credential(value) == classes.ANTHROPIC_OAUTH
        ):
            return 403, "permission_error"
    return 401, "authentication_error"


_WORDS = {
    classes.ANTHROPIC_API_KEY: "an Anthropic API key",
    classes.ANTHROPIC_OAUTH: "a claude.ai login token",
    classes.ANTHROPIC_ADMIN: "an Anthropic admin key",
    classes.ANTHROPIC_OTHER: "an Anthropic credential of no known kind",
    classes.OPENAI_API_KEY: "an OpenAI API key",
    classes.OPENROUTER_API_KEY: "an OpenRouter API key",
    classes.AZURE_API_KEY: "an Azure API key",
    classes.GOOGLE_API_KEY: "a Google API key",
    classes.GATEWAY: "a byok key",
}


def seen(
    headers: Headers,
    ours: Collection[bytes] = (),
    class_table: ClassTable = NOTHING_DECLARED,
) -> str:
    """
    Say which credentials came, by header and class; never a value.

    *ours* are secrets of the gateway, which may have no shape that shows it.
    """
    found: list[str] = []
    for name, value in headers:
        by_name = class_table.class_of_name(name)
        if not by_name.startswith("credential."):
            continue
        header = shown(name)
        if not value:
            found.append(f"{header} is empty")
            continue
        is_ours = classes.holds_gateway_credential(value, ours)
        cls = classes.GATEWAY if is_ours else class_table.find_credential(value)
        if cls is None and by_name != classes.class_of_name(name):
            # The operator has said what stands in this header, whatever it looks like.
            cls = by_name
        found.append(f"{header} holds {named(cls)}")
    return "; ".join(found) if found else "no credential at all came"


def named(cls: str | None) -> str:
    """Return the words for a credential of class *cls*; None has no known shape."""
    return _WORDS.get(cls or "", "a value of no known shape")


def shown(name: bytes) -> str:
    """
    Return the words for the header *name* in a message to a client.

    Claude Code hides every message that names one header literally, behind
    "Invalid API key": the developer would go looking for the wrong key.
    """
    if name == _HIDDEN:
        return "the API key header"
    return name.replace(_HIDDEN, b"(API key)").decode("latin-1")


def readable(message: str) -> str:
    """Return *message* so that Claude Code shows it, whoever wrote it; see `shown`."""
    return _HIDDEN_WORD.sub("the API key header", message)
