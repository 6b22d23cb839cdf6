"""
The way to one deployment: an endpoint, and connections that nobody else uses.

Connections are kept by origin, CA file and deployment together. Two deployments
on one host may trust different roots or carry different owners' keys, and what
a provider remembers about a connection must not reach the other's requests.
"""

from dataclasses import dataclass
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from byok.core.providers import Origin
from byok.upstream.tls import connection_creator
from byok.wire.deadlines import Deadlines
from byok.wire.limits import ClientLimits
from byok.wire.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkKey:
    """What two exchanges must have in common to share a connection."""

    origin: Origin
    ca_file: Path | None
    deployment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where and how to connect, and under which key connections are kept."""

    key: LinkKey
    endpoint: IStreamClientEndpoint
    connect_timeout_s: float


class Links:
    """Every deployment's link, made once, and the connections they keep open."""

    def __init__(
        self, reactor: object, deadlines: Deadlines, *, limits: ClientLimits
    ) -> None:
        self._reactor = reactor
        self._links: dict[LinkKey, Link] = {}
        # Nothing is sent twice: a repeated request costs the client's money, so
        # that is the client's call.
        self.pool = Pool(deadlines, limits=limits)

    def link(self, key: LinkKey, *, connect_timeout_s: float) -> Link:
        """
        Return the link for *key*.

        No proxy variable and no netrc has a say in it. Raises OSError or
        ValueError where the deployment's CA file cannot be used.
        """
        known = self._links.get(key)
        if known is None:
            known = self._links[key] = Link(
                key=key,
                endpoint=self._endpoint(key, connect_timeout_s),
                connect_timeout_s=connect_timeout_s,
            )
        return known

    def close(self) -> Deferred[None]:
        """Close the idle connections; fires when they are gone."""
        return self.pool.close()

    def _endpoint(self, key: LinkKey, timeout_s: float) -> IStreamClientEndpoint:
        origin = key.origin
        tcp = HostnameEndpoint(
            self._reactor, origin.host, origin.port, timeout=timeout_s
        )
        if origin.scheme == "http":
            return tcp
        secured: IStreamClientEndpoint = wrapClientTLS(
            connection_creator(origin.host, key.ca_file), tcp
        )
        return secured
