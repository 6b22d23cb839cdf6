"""Whoever asks where a name leads is told, even where nobody can look it up."""

import errno
from collections.abc import Callable
from socket import AF_INET, EAI_NONAME, SOCK_STREAM, gaierror
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from byok.upstream.lookups import answer_every_lookup

REACTOR: Any = reactor
FOUND = [(AF_INET, SOCK_STREAM, 6, "", ("192.0.2.7", 443))]


class Reactor:
    """As much of the reactor as a look-up takes, and a resolver of its own."""

    nameResolver: IHostnameResolver
    getThreadPool = REACTOR.getThreadPool
    callFromThread = REACTOR.callFromThread

    def installNameResolver(self, resolver: IHostnameResolver) -> None:
        self.nameResolver = resolver


@implementer(IResolutionReceiver)
class Asking:
    def __init__(self) -> None:
        self.found: list[IAddress] = []
        self.told: Deferred[list[IAddress]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """It is under way."""

    def addressResolved(self, address: IAddress) -> None:
        self.found.append(address)

    def resolutionComplete(self) -> None:
        self.told.callback(self.found)


def asked(getaddrinfo: Callable[..., Any]) -> Deferred[list[IAddress]]:
    mine, asking = Reactor(), Asking()
    answer_every_lookup(mine, getaddrinfo=getaddrinfo)
    mine.nameResolver.resolveHostName(asking, "api.example", 443)
    return asking.told


def failing(error: OSError) -> Callable[..., Any]:
    def getaddrinfo(*question: Any) -> Any:
        raise error

    return getaddrinfo


class LookupTests(TestCase):
    timeout = 10

    async def test_what_a_name_leads_to_is_told(self):
        (found,) = await asked(lambda *question: FOUND)

        self.assertEqual((found.host, found.port), ("192.0.2.7", 443))  # type: ignore[attr-defined]

    async def test_a_name_that_is_none_leads_nowhere(self):
        self.assertEqual(await asked(failing(gaierror(EAI_NONAME, "no such"))), [])

    async def test_a_look_up_that_the_system_cannot_make_is_answered_too(self):
        out_of_files = OSError(errno.EMFILE, "Too many open files")

        self.assertEqual(await asked(failing(out_of_files)), [])
