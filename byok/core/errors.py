"""Refusals are data that pure code returns; faults are exceptions I/O code raises."""

from dataclasses import dataclass
from typing import Literal

ErrorKind = Literal[
    "authentication_error",
    "permission_error",
    "invalid_request_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "billing_error",
    "api_error",
    "overloaded_error",
    "timeout_error",
]
"""Anthropic's error types: clients of that API choose what to do by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """
    An answer of our own instead of the provider's, and the reason for it.

    The *message* is written to the caller's developer: it names the header,
    field or rule and the remedy, never a value that could be a secret. *code*
    is our own slug (`auth.missing-key`) and travels in `x-byok-error`.
    """

    status: int
    kind: ErrorKind
    code: str
    message: str
    rule: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class ByokError(Exception):
    """Something went wrong inside the gateway."""


class ProviderFault(ByokError):
    """The provider could not answer."""


class ProviderUnreachable(ProviderFault):
    """The provider could not be reached."""


class ProviderOutOfReach(ProviderFault):
    """The provider is where the operator lets no connection go."""


class ProxyRefused(ProviderFault):
    """The egress proxy does not let the gateway through to the provider."""


class ProxyFailed(ProviderFault):
    """The egress proxy could not be reached, or could not reach the provider."""


class ProviderTimedOut(ProviderFault):
    """The provider did not answer in time."""


class ProviderBroken(ProviderFault):
    """The provider sent an answer that is not valid HTTP or broke off."""


class ClientGone(ByokError):
    """The client hung up before the answer was complete."""


class StoreUnavailable(ByokError):
    """The key store cannot be read or written at the moment."""


class CountersUnavailable(ByokError):
    """The server that gateways count in together cannot be used at the moment."""


class EgressViolation(ByokError):
    """A request was about to leave with what must not leave, and was stopped."""
