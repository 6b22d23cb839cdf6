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
    ProviderOutOfReach,
    ProviderTimedOut,
    ProviderUnreachable,
    ProxyFailed,
    ProxyRefused,
)
from byok.upstream.reach import AddressRefused
from byok.wire.errors import (
    AnswerTimedOut,
    ClosedEarly,
    ClosedWhileKept,
    ConnectTimedOut,
    TunnelBroken,
    TunnelRefused,
    TunnelUnreachable,
)

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
        (AddressRefused,),
        ProviderOutOfReach(
            "the provider's host name leads to an address that the gateway may not"
            " connect to"
        ),
    ),
    (
        (TunnelUnreachable,),
        ProxyFailed("the egress proxy could not be reached"),
    ),
    (
        (TunnelBroken,),
        ProxyFailed("the egress proxy did not answer as a proxy does"),
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
        (ClosedWhileKept,),
        ProviderBroken(
            "the provider closed a kept connection as the request was sent on it, and"
            " whether it was taken is not known"
        ),
    ),
    (
        (ClosedEarly,),
        ProviderBroken("the provider closed the connection without an answer"),
    ),
)

_WANTS_CREDENTIALS = 407
_PASSING = (408, 429)
_CLIENT_ERRORS, _SERVER_ERRORS = range(400, 500), range(500, 600)


def causes_of(error: BaseException) -> str:
    """
    Name what was raised, for the operator's log.

    OpenSSL's words are kept, as they say what is wrong with a certificate, and our
    own about addresses and proxies. Other texts are not: a parser quotes the answer it
    could not read.
    """
    if isinstance(error, TunnelUnreachable):
        return causes_of(error.why)
    is_told = isinstance(error, SSL.Error | AddressRefused | TunnelBroken)
    return str(error) if is_told else type(error).__name__


def fault_of(error: BaseException) -> ProviderFault:
    """
    Say in our words what happened to a request that got no answer.

    The texts name no host and quote nothing: they are shown to the client.
    """
    if _is_about_tls(error):
        return ProviderUnreachable(
            "no trusted TLS connection to the provider could be made"
        )
    if isinstance(error, TunnelRefused):
        return _fault_of_proxy(error.status)
    for kinds, fault in _FAULTS:
        if isinstance(error, kinds):
            return type(fault)(str(fault))
    return ProviderBroken("the provider's answer is not valid HTTP")


def _fault_of_proxy(status: int) -> ProviderFault:
    if status == _WANTS_CREDENTIALS:
        return ProxyRefused(
            "the egress proxy does not accept the gateway's credentials, or misses them"
            f" ({status})"
        )
    if status in _CLIENT_ERRORS and status not in _PASSING:
        return ProxyRefused(
            f"the egress proxy does not let the gateway through to the provider"
            f" ({status})"
        )
    if status in _SERVER_ERRORS:
        return ProxyFailed(f"the egress proxy could not reach the provider ({status})")
    return ProxyFailed(f"the egress proxy opened no tunnel ({status})")


def _is_about_tls(error: BaseException) -> bool:
    # The verifier's own exception classes come from whichever library checked the
    # name; what they have in common is that TLS carried them here.
    return (
        isinstance(error, SSL.Error)
        or type(error).__module__.partition(".")[0] == "service_identity"
    )
