"""The address of the server that several gateways count in."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from byok.core.secret import Secret

_SCHEMES = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_PORT = 6379
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")

PREFIX = "byok"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountersAddress:
    """
    Where the server is, and who asks.

    *ca_pem* is the authority of its certificate, where that is not one that the
    system trusts. The *prefix* stands before each of our keys in it.
    """

    host: str
    port: int = _PORT
    secure: bool = False
    user: str | None = None
    password: Secret | None = None
    database: int | None = None
    ca_pem: bytes | None = field(default=None, repr=False)
    prefix: str = PREFIX

    @property
    def shown(self) -> str:
        """The address without what is secret in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "rediss" if self.secure else "redis"
        return f"{scheme}://{host}:{self.port}"

    def with_password(self, password: Secret) -> "CountersAddress":
        """Return the same with this *password*."""
        return replace(self, password=password)


def read_counters(url: str) -> CountersAddress | str:
    """
    Return the address that *url* is, or what is wrong with it.

    What is said quotes nothing of the address, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has a host or a port that cannot be read"
    if parts.scheme not in _SCHEMES or not url.startswith(f"{parts.scheme}://"):
        return "is not the URL of a Valkey or Redis server"
    if not parts.hostname:
        return "names no host"
    if parts.query or parts.fragment:
        return "has options; byok knows none"
    database = parts.path.removeprefix("/")
    if database and not (database.isascii() and database.isdigit()):
        return "does not end in the number of a database"
    return CountersAddress(
        host=parts.hostname,
        port=_PORT if port is None else port,
        secure=_SCHEMES[parts.scheme],
        user=unquote(parts.username) if parts.username else None,
        password=Secret(unquote(parts.password)) if parts.password else None,
        database=int(database) if database else None,
    )


def is_prefix(text: str) -> bool:
    """May *text* stand before every key? Braces have a meaning of their own there."""
    return _PREFIX.fullmatch(text) is not None
