"""
The address of a provider: parsed once, by one strict reader.

A credential is bound to an origin, so two readers of one URL must never see two
hosts in it. What could be read in two ways (user info, backslashes, escapes,
numbers that stand for addresses) is refused instead of repaired.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from byok.core.providers import Origin

_PORTS = {"https": 443, "http": 80}
_MAX_PORT = 65535
_MAX_HOST = 253
_ENDPOINTS = ("/messages", "/count_tokens", "/completions")
_URL = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<authority>[^/]*)(?P<path>/.*)?")
_HOST = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SEGMENT = re.compile(r"[A-Za-z0-9._~@:+,=-]+")


class AddressError(ValueError):
    """Says what is wrong with an address and what to do, without quoting it."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An origin, and the path before `/v1` on it, without a final slash."""

    origin: Origin
    base_path: str


def parse(url: str, *, private: bool, plaintext_loopback: bool) -> Address:
    """
    Read the address *url*; raises AddressError.

    *private* lets it name an IP address or a private network, and
    *plaintext_loopback* this machine, also by http.
    """
    _check_characters(url)
    whole = _URL.fullmatch(url)
    scheme = whole["scheme"].lower() if whole else ""
    if whole is None or scheme not in _PORTS:
        raise _bad("is not a URL that begins with https://")
    place = _HOST.fullmatch(whole["authority"])
    if place is None:
        raise _bad("has no host that can be read in one way only")
    port = int(place["port"]) if place["port"] else _PORTS[scheme]
    if not 1 <= port <= _MAX_PORT:
        raise _bad("has a port outside 1 to 65535")
    host, address = _host(place["host"])
    origin = Origin(scheme=scheme, host=host, port=port)
    _check_reach(
        origin, address, private=private, plaintext_loopback=plaintext_loopback
    )
    return Address(origin=origin, base_path=_base_path(whole["path"] or ""))


def parse_proxy(url: str) -> tuple[str, int]:
    """
    Read the address of a proxy; raises AddressError.

    Its port is never left out: what is usual for one program is not for another.
    """
    remedy = "Write http://host:port and nothing else."
    if "@" in url:
        raise AddressError(
            "E153",
            "holds a user name",
            "Write url, username and password below egress_proxy, the password"
            " by reference.",
        )
    whole = _URL.fullmatch(url)
    if whole is None or whole["scheme"].lower() != "http":
        raise AddressError("E153", "is not a URL that begins with http://", remedy)
    place = _HOST.fullmatch(whole["authority"])
    if place is None or not place["port"] or whole["path"] not in (None, "/"):
        raise AddressError("E153", "is not a host and a port", remedy)
    port = int(place["port"])
    if not 1 <= port <= _MAX_PORT:
        raise AddressError("E153", "has a port outside 1 to 65535", remedy)
    try:
        host, _ = _host(place["host"])
    except AddressError as error:
        raise AddressError("E153", error.message, remedy) from None
    return host, port


def _check_characters(url: str) -> None:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _bad("holds a space, a control character or one outside ASCII")
    for character, name in (
        ("\\", "a backslash"),
        ("%", "a `%`"),
        ("@", "a user name"),
        ("?", "a query"),
        ("#", "a fragment"),
    ):
        if character in url:
            raise _bad(f"holds {name}")


def _host(text: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    """Return the canonical host, and the address it is where it is one."""
    if text.startswith("["):
        try:
            address: IPv4Address | IPv6Address = ip_address(text[1:-1])
        except ValueError:
            raise _bad("holds an IPv6 address that is none") from None
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            raise _bad("writes an IPv4 address as an IPv6 one")
        return str(address), address
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Resolvers take 127.1, 2130706433 and 0x7f.1 for addresses as well.
        try:
            address = IPv4Address(host)
        except ValueError:
            raise _bad("has a host that ends in a number") from None
        return str(address), address
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(each) for each in labels):
        raise _bad("has a host that is no DNS name")
    return host, None


def _check_reach(
    origin: Origin,
    address: IPv4Address | IPv6Address | None,
    *,
    private: bool,
    plaintext_loopback: bool,
) -> None:
    if origin.is_loopback:
        if plaintext_loopback or (private and origin.scheme == "https"):
            return
        raise AddressError(
            "E151" if origin.scheme == "http" else "E152",
            "is on this machine",
            "Set general_settings.allow_plaintext_loopback: true"
            " (for tests and local relays).",
        )
    if origin.scheme == "http":
        raise AddressError(
            "E151",
            "is plain http, over which no credential and no prompt may go",
            "Use https://.",
        )
    if address is not None and not private:
        raise AddressError(
            "E152",
            "names an IP address instead of a host",
            "Name the host, or set allow_private: true beside it.",
        )


def _base_path(path: str) -> str:
    segments = path.removesuffix("/").split("/")[1:]
    if not all(_SEGMENT.fullmatch(each) and each.strip(".") for each in segments):
        raise _bad("has a path that can be read in more than one way")
    if segments and segments[-1] == "v1":
        segments.pop()
    if path.removesuffix("/").endswith(_ENDPOINTS):
        raise AddressError(
            "E150",
            "goes on to one endpoint",
            "End it before /v1: byok adds the path of each request.",
        )
    return "".join(f"/{each}" for each in segments)


def _bad(what: str) -> AddressError:
    return AddressError("E150", what, "Write https://host, or https://host/path.")
