"""Turns what twisted raises into the few faults the gateway knows."""

from typing import Never

from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    TCPTimedOutError,
)
from twisted.internet.error import (
    TimeoutError as ConnectTimeout,
)
from twisted.python.failure import Failure
from twisted.web.client import (
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)

from byok.core.errors import (
    ProviderBroken,
    ProviderFault,
    ProviderTimedOut,
    ProviderUnreachable,
)

_NOT_CONNECTED = "no connection to the provider could be made in time"
_CARRIERS = (
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)


def is_cancellation(error: BaseException) -> bool:
    """Was the request given up by us? twisted wraps that like a provider's fault."""
    return any(isinstance(cause, CancelledError) for cause in _causes(error))


def timed_out(_result: object, _timeout_s: float) -> Never:
    """Replace whatever a wait ended with by the fault that it took too long."""
    raise ProviderTimedOut("the provider did not answer in time")


def not_connected(_result: object, _timeout_s: float) -> Never:
    """Replace whatever came of connecting by the fault that it took too long."""
    raise ProviderTimedOut(_NOT_CONNECTED)


def causes_of(error: BaseException) -> str:
    """
    Name what twisted raised, for the operator's log.

    OpenSSL's words are kept, as they say what is wrong with a certificate. Other
    texts are not: a parser quotes the answer it could not read.
    """
    return ", ".join(
        str(cause) if isinstance(cause, SSL.Error) else type(cause).__name__
        for cause in _causes(error)
    )


def fault_of(error: BaseException) -> ProviderFault:
    """
    Say in our words what happened to a request that got no answer.

    The texts name no host and quote nothing: they are shown to the client.
    """
    if isinstance(error, ConnectTimeout | TCPTimedOutError):
        return ProviderTimedOut(_NOT_CONNECTED)
    if isinstance(error, DNSLookupError):
        return ProviderUnreachable("the provider's host name could not be resolved")
    if isinstance(error, ConnectError | OSError):
        return ProviderUnreachable("the provider could not be reached")
    if _is_about_tls(error):
        return ProviderUnreachable(
            "no trusted TLS connection to the provider could be made"
        )
    if isinstance(error, ConnectionClosed):
        return ProviderUnreachable(
            "the provider closed the connection before it was secured"
        )
    if isinstance(error, ResponseNeverReceived | RequestTransmissionFailed):
        return ProviderBroken("the provider closed the connection without an answer")
    return ProviderBroken("the provider's answer is not valid HTTP")


def _is_about_tls(error: BaseException) -> bool:
    # The verifier's own exception classes come from whichever library checked
    # the name; what they have in common is that TLS carried them here.
    return any(
        isinstance(cause, SSL.Error)
        or type(cause).__module__.partition(".")[0] == "service_identity"
        for cause in _causes(error)
    )


def _causes(error: BaseException) -> list[BaseException]:
    if not isinstance(error, _CARRIERS):
        return [error]
    reasons: list[Failure | BaseException] = error.reasons
    causes = (
        reason.value if isinstance(reason, Failure) else reason for reason in reasons
    )
    return [cause for cause in causes if cause is not None]
