"""
The way to one deployment: an endpoint, and connections that nobody else uses.

Connections are kept for each deployment by itself. Two deployments on one host may
trust different roots, reach differently far or carry different owners' keys, and
what a provider remembers about a connection must not reach the other's requests.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from byok.core.routing import Deployment
from byok.upstream.dialling import CheckedEndpoint
from byok.upstream.reach import ANYWHERE, Reach
from byok.upstream.tls import connection_creator
from byok.wire.deadlines import Deadlines
from byok.wire.limits import ClientLimits
from byok.wire.pool import Pool
from byok.wire.tunnel import TunnelEndpoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """
    Where and how to connect for one deployment.

    It is what its connections are kept by, and is like no other link, so that none
    is shared.
    """

    deployment: Deployment
    endpoint: IStreamClientEndpoint
    is_secure: bool
    connect_timeout_s: float


class Links:
    """Every deployment's link, made once, and the connections they keep open."""

    def __init__(
        self, reactor: Any, deadlines: Deadlines, *, limits: ClientLimits
    ) -> None:
        self._reactor = reactor
        self._links: dict[str, Link] = {}
        # Nothing is sent twice: a repeated request costs the client's money, so
        # that is the client's call.
        self.pool = Pool(deadlines, limits=limits)

    def link(self, deployment: Deployment) -> Link:
        """
        Return the link of *deployment*.

        No proxy variable and no netrc has a say in it. Raises OSError or
        ValueError where the deployment's CA file cannot be used.
        """
        known = self._links.get(deployment.name)
        if known is not None and known.deployment is deployment:
            return known
        # One like it will do; another one of its name gets connections of its own.
        if known is None or known.deployment != deployment:
            known = self._links[deployment.name] = self._made_for(deployment)
        return known

    def close(self) -> Deferred[None]:
        """Close the idle connections; fires when they are gone."""
        return self.pool.close()

    def _made_for(self, deployment: Deployment) -> Link:
        is_secure = deployment.origin.scheme == "https"
        endpoint = self._way_to(deployment)
        if is_secure:
            ca_file = deployment.ca_file
            creator = connection_creator(
                deployment.origin.host, None if ca_file is None else Path(ca_file)
            )
            endpoint = wrapClientTLS(creator, endpoint)
        return Link(
            deployment=deployment,
            endpoint=endpoint,
            is_secure=is_secure,
            connect_timeout_s=deployment.connect_timeout_s,
        )

    def _way_to(self, deployment: Deployment) -> IStreamClientEndpoint:
        via = deployment.via
        if via is None:
            origin = deployment.origin
            reach = Reach(
                private=deployment.allow_private, loopback=deployment.plaintext_ok
            )
            return self._direct(origin.host, origin.port, deployment, reach=reach)
        # The operator named the proxy, and the proxy alone looks up the provider.
        proxy = self._direct(via.host, via.port, deployment, reach=ANYWHERE)
        return TunnelEndpoint(
            proxy,
            deployment.origin.authority.encode("ascii"),
            authorization=via.shown,
        )

    def _direct(
        self, host: str, port: int, deployment: Deployment, *, reach: Reach
    ) -> IStreamClientEndpoint:
        return CheckedEndpoint(
            self._reactor,
            host,
            port,
            reach=reach,
            timeout_s=deployment.connect_timeout_s,
        )
