"""Looks names up so that whoever asked always hears of it."""

from collections.abc import Callable
from socket import gaierror, getaddrinfo
from typing import Any

from twisted.internet._resolver import GAIResolver


def answer_every_lookup(
    reactor: Any, *, getaddrinfo: Callable[..., Any] = getaddrinfo
) -> None:
    """
    Make *reactor* say of a name that cannot be looked up now that it leads nowhere.

    Twisted's resolver expects that of names that do not exist. A system that has no
    file left for the look-up is another error, of which nobody would be told: the
    request would wait until its time to connect is over.
    """

    def looked_up(*question: Any) -> Any:
        try:
            return getaddrinfo(*question)
        except gaierror:
            raise
        except OSError as error:
            raise gaierror(*error.args) from error

    resolver: Any = GAIResolver
    reactor.installNameResolver(resolver(reactor, reactor.getThreadPool, looked_up))
