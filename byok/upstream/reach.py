"""
Which addresses a provider may have: what a name leads to is not taken on trust.

Whoever answers for a name decides where it leads, and that may be this machine or
one beside it, whose door no stranger could reach. Such an address needs the
operator's leave. An address inside of another, as IPv6 has several ways to write
IPv4 ones, is judged by what it leads to.
"""

from dataclasses import dataclass
from enum import Enum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)


class Place(Enum):
    """Where an address is, if it is not simply somewhere in the internet."""

    UNSPECIFIED = "the unspecified address"
    LOOPBACK = "a loopback address"
    LINK_LOCAL = "a link-local address"
    PRIVATE = "an address in a private network"
    SHARED = "an address that a carrier shares out (CGNAT)"
    MULTICAST = "a multicast address"
    RESERVED = "a reserved address"

    @property
    def is_a_place(self) -> bool:
        """Could there be a provider at all?"""
        return self not in (Place.UNSPECIFIED, Place.MULTICAST)


_PLACES: tuple[tuple[IPv4Network | IPv6Network, Place], ...] = tuple(
    (ip_network(network), place)
    for place, networks in (
        (Place.UNSPECIFIED, "0.0.0.0/8 255.255.255.255 ::"),
        (Place.LOOPBACK, "127.0.0.0/8 ::1"),
        (Place.LINK_LOCAL, "169.254.0.0/16 fe80::/10"),
        (
            Place.PRIVATE,
            "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10 64:ff9b:1::/48",
        ),
        (Place.SHARED, "100.64.0.0/10"),
        (Place.MULTICAST, "224.0.0.0/4 ff00::/8"),
        (
            Place.RESERVED,
            """
            192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24
            203.0.113.0/24 240.0.0.0/4 100::/64 2001:db8::/32 3fff::/20
            """,
        ),
    )
    for network in networks.split()
)

_LAST_32_BITS = tuple(
    ip_network(network)
    for network in (
        "::ffff:0:0/96",  # mapped, RFC 4291
        "::/96",  # compatible, RFC 4291
        "::ffff:0:0:0/96",  # translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052
    )
)
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def place_of(host: str) -> Place | None:
    """
    Return where the IP address *host* is; None is the internet.

    What is no address is in no place that anybody gave leave for.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return Place.UNSPECIFIED
    # First, as `::` and `::1` would be IPv4 addresses in IPv6 otherwise.
    for network, place in _PLACES:
        if address in network:
            return place
    inner = _inner(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return place_of(str(inner))
    return None if address.is_global else Place.RESERVED


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that *address* leads to, where it does."""
    bits = int(address)
    if any(address in network for network in _LAST_32_BITS):
        return IPv4Address(bits & 0xFFFFFFFF)
    if address in _6TO4:
        return IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        return IPv4Address(~bits & 0xFFFFFFFF)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """
    How far the operator lets connections go: the internet, and what is named here.

    *private* is `allow_private`; *loopback* the leave for an address that names this
    machine itself, `allow_plaintext_loopback`.
    """

    private: bool = False
    loopback: bool = False

    def covers(self, place: Place | None) -> bool:
        """May there be connected to an address in *place*?"""
        if place is None or (place is Place.LOOPBACK and self.loopback):
            return True
        return self.private and place.is_a_place


ANYWHERE = Reach(private=True)
"""Where a host may be that the operator named to be connected to."""


class AddressRefused(Exception):
    """A host has addresses only where nothing may be connected to."""

    def __init__(self, places: frozenset[Place]) -> None:
        named = " and ".join(sorted(place.value for place in places))
        able = any(place.is_a_place for place in places)
        leave = (
            "`allow_private: true` in its deployment, or beside its api_base under"
            " providers, would permit it"
            if able
            else "which no setting permits"
        )
        super().__init__(f"its name leads to {named}; {leave}")
        self.places = places
