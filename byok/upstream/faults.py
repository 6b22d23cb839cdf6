"""Turns what twisted and the wire raise into the few faults the gateway knows."""

from OpenSSL import SSL
from twisted.internet.error import (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    TCPTimedOutError,
)
from twisted.internet.error import (
    TimeoutError as ConnectTimeout,
)

from byok.core.errors import (
    ProviderBroken,
    ProviderFault,
    ProviderTimedOut,
    ProviderUnreachable,
)
from byok.wire.errors import AnswerTimedOut, ClosedEarly, ConnectTimedOut

_FAULTS: tuple[tuple[tuple[type[BaseException], ...], ProviderFault], ...] = (
    (
        (ConnectTimeout, TCPTimedOutError, ConnectTimedOut),
        ProviderTimedOut("no connection to the provider could be made in time"),
    ),
    (
        (AnswerTimedOut,),
        ProviderTimedOut("the provider did not answer in time"),
    ),
    (
        (DNSLookupError,),
        ProviderUnreachable("the provider's host name could not be resolved"),
    ),
    (
        (ConnectionClosed,),
        ProviderUnreachable("the provider closed the connection before it was secured"),
    ),
    (
        (ConnectError, OSError),
        ProviderUnreachable("the provider could not be reached"),
    ),
    (
        (ClosedEarly,),
        ProviderBroken("the provider closed the connection without an answer"),
    ),
)


def causes_of(error: BaseException) -> str:
    """
    Name what was raised, for the operator's log.

    OpenSSL's words are kept, as they say what is wrong with a certificate. Other
    texts are not: a parser quotes the answer it could not read.
    """
    return str(error) if isinstance(error, SSL.Error) else type(error).__name__


def fault_of(error: BaseException) -> ProviderFault:
    """
    Say in our words what happened to a request that got no answer.

    The texts name no host and quote nothing: they are shown to the client.
    """
    if _is_about_tls(error):
        return ProviderUnreachable(
            "no trusted TLS connection to the provider could be made"
        )
    for kinds, fault in _FAULTS:
        if isinstance(error, kinds):
            return type(fault)(str(fault))
    return ProviderBroken("the provider's answer is not valid HTTP")


def _is_about_tls(error: BaseException) -> bool:
    # The verifier's own exception classes come from whichever library checked the
    # name; what they have in common is that TLS carried them here.
    return (
        isinstance(error, SSL.Error)
        or type(error).__module__.partition(".")[0] == "service_identity"
    )
