"""Sends one planned request to its provider and brings back the answer's head."""

from collections.abc import Collection

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from byok.core.errors import (
    ByokError,
    ProviderBroken,
    ProviderUnreachable,
)
from byok.core.exchange import Planned
from byok.core.routing import Deployment
from byok.upstream.agent import ExchangeAgent
from byok.upstream.faults import causes_of, fault_of
from byok.upstream.guard import EgressGuard, IsOurs, Passport
from byok.upstream.link import Link, Links
from byok.upstream.outgoing import prepare
from byok.wire.answer import Answer
from byok.wire.deadlines import Deadlines
from byok.wire.limits import ClientLimits

_NOT_MODIFIED = 304

_log = Logger(namespace="byok.upstream")


class Providers:
    """The way out: one link for each deployment, one guard before all of them."""

    def __init__(
        self,
        reactor: object,
        *,
        clock: IReactorTime,
        limits: ClientLimits | None = None,
        guard: EgressGuard | None = None,
        is_ours: IsOurs | None = None,
    ) -> None:
        limits = limits or ClientLimits()
        self._links = Links(reactor, Deadlines(clock), limits=limits)
        self._guard = EgressGuard(clock=clock) if guard is None else guard
        self._is_ours = is_ours
        self.idle_s = limits.silence_s

    @property
    def guard_trips(self) -> int:
        """How many requests the guard stopped; anything but 0 is a fault of ours."""
        return self._guard.trips

    @property
    def open_connections(self) -> int:
        """How many connections to providers there are, idle ones included."""
        return self._links.pool.open_connections

    def prepare(self, deployments: Collection[Deployment]) -> None:
        """Read every CA file now: a bad one stops the start and not a request."""
        for deployment in deployments:
            self._links.link(deployment)

    async def send(
        self, planned: Planned, *, gateway_secrets: Collection[bytes]
    ) -> Answer:
        """
        Send *planned*; return once status and headers are here, or raise a fault.

        An answer that must not be relayed (a redirect, a status that is none)
        is a fault too, and its body is not waited for.
        """
        deployment = planned.deployment
        outgoing = prepare(
            origin=deployment.origin,
            method=planned.method,
            target=planned.target,
            headers=planned.headers,
            body=planned.body,
        )
        passport = Passport(
            deployment=deployment.name,
            trusted=deployment.trusted,
            own=() if deployment.api_key is None else (deployment.api_key,),
            gateway=gateway_secrets,
            plaintext_ok=deployment.plaintext_ok,
            is_ours=self._is_ours,
            class_table=planned.decided.plan.class_table,
        )
        agent = ExchangeAgent(
            outgoing,
            link=self._link(deployment),
            pool=self._links.pool,
        )
        try:
            answer = await self._guard.send(outgoing, passport, agent)
        except (ByokError, CancelledError):
            raise
        except Exception as error:
            fault = fault_of(error)
            _log.warn(
                "{deployment}{via}: {fault} ({causes})",
                deployment=deployment.name,
                via="" if deployment.via is None else f" via {deployment.via}",
                fault=str(fault),
                causes=causes_of(error),
            )
            raise fault from error
        return _only_relayable(answer)

    def close(self) -> Deferred[None]:
        """Close the idle connections; fires when they are gone."""
        return self._links.close()

    def _link(self, deployment: Deployment) -> Link:
        try:
            return self._links.link(deployment)
        except (OSError, ValueError) as error:
            raise ProviderUnreachable(
                "the CA file of the deployment cannot be used"
            ) from error


def _only_relayable(answer: Answer) -> Answer:
    # A client that follows a redirect takes all of its headers there, the
    # gateway's key among them.
    if answer.status == _NOT_MODIFIED:
        answer.abort()
        raise ProviderBroken(
            "the provider answered 304, as if there were something to compare with"
        )
    if answer.status in range(300, 400):
        answer.abort()
        raise ProviderBroken(
            "the provider answered with a redirect, which is never followed"
        )
    if answer.status not in range(200, 600):
        answer.abort()
        raise ProviderBroken("the provider's answer has a status that does not exist")
    return answer
