"""
The proxy that requests go through on their way out, and which of them go past it.

The operator names it; nothing else does. What passes through is a tunnel: the proxy
learns the provider's host and port, and sees nothing of what is in it.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from byok.core.providers import Origin
from byok.core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """
    Hosts that are connected to directly, by name or by network.

    A *domain* stands for itself and for what is below it, and `*` for every host;
    None for *port* means any. A *network* is compared with addresses as an address
    was written, since names are not looked up for it.
    """

    domain: str = ""
    network: IPv4Network | IPv6Network | None = None
    port: int | None = None

    def covers(self, origin: Origin) -> bool:
        """Is *origin* connected to directly?"""
        if self.port is not None and self.port != origin.port:
            return False
        if self.network is not None:
            try:
                return ip_address(origin.host) in self.network
            except ValueError:
                return False
        if self.domain in ("*", origin.host):
            return True
        return origin.host.endswith(f".{self.domain}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    """
    An HTTP proxy that opens tunnels by CONNECT, and its exemptions.

    *authorization* is what it is shown, and *password* the secret in that.
    """

    host: str
    port: int
    authorization: Secret | None = None
    password: Secret | None = None
    exempt: tuple[Exemption, ...] = ()

    def __str__(self) -> str:
        return str(Origin(scheme="http", host=self.host, port=self.port))

    def takes(self, origin: Origin) -> bool:
        """Does a connection to *origin* go through it? None to this machine does."""
        if origin.is_loopback:
            return False
        return not any(each.covers(origin) for each in self.exempt)

    def shown(self) -> bytes | None:
        """Return what is sent to it in `proxy-authorization`, if anything."""
        return None if self.authorization is None else self.authorization.reveal_bytes()

    @property
    def secrets(self) -> Sequence[Secret]:
        """What no output may show."""
        both = (self.authorization, self.password)
        return tuple(each for each in both if each is not None)


def basic_authorization(username: str, password: Secret) -> Secret:
    """Return what a user shows to a proxy (RFC 7617)."""
    both = f"{username}:{password.reveal()}".encode()
    return Secret(f"Basic {b64encode(both).decode('ascii')}")
