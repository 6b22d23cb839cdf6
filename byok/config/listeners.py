"""
Endpoint strings of Twisted: what byok listens on, and who can reach it.

The strings are Twisted's own and are handed to it as they are, but for the mode of
a Unix socket; they are read here only far enough to refuse nonsense before the start
and to know whether a listener can be reached from another machine.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address

DEFAULT = "tcp:4000:interface=127.0.0.1"

_PART = re.compile(r"((?:[^:=\\]|\\.)*)([:=]|\Z)")
# Twisted's own default lets everybody on the machine in.
UNIX_MODE = "660"

# In the order in which Twisted takes them.
_SSL_WORDS = (
    *("port", "privateKey", "certKey", "sslmethod", "interface", "backlog"),
    *("extraCertChain", "dhParameters"),
)

_MAX_PORT = 65535


class ListenerError(ValueError):
    """Says what is wrong with an endpoint string, without quoting it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSFiles:
    """The files of a listener's certificate, as they were named."""

    key: str
    certificate: str
    chain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """
    One endpoint to listen on.

    `endpoint` is the string as it was written and `opened_as` as Twisted gets it: for
    TLS that is what it stands on, and `tls` is what stands on that.
    """

    endpoint: str
    opened_as: str
    kind: str
    is_loopback: bool
    tls: TLSFiles | None = None


def parse(endpoint: str) -> Listener:
    """Read one endpoint string; raises ListenerError."""
    positional, named = _split(endpoint)
    kind = positional[0] if positional else ""
    match kind:
        case "ssl":
            return _secure(endpoint, positional, named)
        case "tcp" | "tcp4" | "tcp6":
            _check_port(positional, named)
            interface = named.get("interface", "")
            return Listener(
                endpoint=endpoint,
                opened_as=endpoint,
                kind=kind,
                is_loopback=_is_loopback(interface),
            )
        case "unix":
            address = named.get("address", positional[1] if len(positional) > 1 else "")
            if not address:
                raise ListenerError("a unix listener needs the path of its socket")
            has_mode = "mode" in named or len(positional) > len(("unix", "path"))
            return Listener(
                endpoint=endpoint,
                opened_as=endpoint if has_mode else f"{endpoint}:mode={UNIX_MODE}",
                kind=kind,
                is_loopback=True,
            )
        case "systemd":
            # Which addresses the socket unit has is not known here.
            return Listener(
                endpoint=endpoint, opened_as=endpoint, kind=kind, is_loopback=False
            )
        case _:
            raise ListenerError(
                "a listener begins with tcp:, tcp6:, ssl:, unix: or systemd:"
            )


def of_host_and_port(host: str, port: int) -> str:
    """Return the endpoint string for the `--host` and `--port` of a command line."""
    kind = "tcp6" if ":" in host else "tcp"
    return f"{kind}:{port}:interface={_quoted(host)}"


def _secure(endpoint: str, positional: list[str], named: dict[str, str]) -> Listener:
    said = {**dict(zip(_SSL_WORDS, positional[1:], strict=False)), **named}
    strange = said.keys() - set(_SSL_WORDS)
    if strange or len(positional) > len(_SSL_WORDS) + 1:
        raise ListenerError(f"ssl: takes {', '.join(_SSL_WORDS)} and no more")
    if "sslmethod" in said or "dhParameters" in said:
        raise ListenerError(
            "sslmethod and dhParameters have no place here: TLS is 1.2 or later, with"
            " the library's own choice of ciphers"
        )
    _check_port([], said)
    key = said.get("privateKey", "server.pem")
    interface = said.get("interface", "")
    below = of_host_and_port(interface, int(said["port"])).removesuffix(":interface=")
    if "backlog" in said:
        below += f":backlog={_quoted(said['backlog'])}"
    return Listener(
        endpoint=endpoint,
        opened_as=below,
        kind="ssl",
        is_loopback=_is_loopback(interface),
        tls=TLSFiles(
            key=key,
            certificate=said.get("certKey", key),
            chain=said.get("extraCertChain"),
        ),
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")


def _split(endpoint: str) -> tuple[list[str], dict[str, str]]:
    positional: list[str] = []
    named: dict[str, str] = {}
    at = 0
    name: str | None = None
    while True:
        found = _PART.match(endpoint, at)
        if found is None:
            raise ListenerError("a listener may not end in a backslash")
        text = re.sub(r"\\(.)", r"\1", found.group(1))
        at = found.end()
        if found.group(2) == "=" and name is None:
            name = text
            continue
        if found.group(2) == "=":
            raise ListenerError("a value in a listener holds a bare `=`")
        if name is None:
            positional.append(text)
        else:
            named[name] = text
            name = None
        if not found.group(2):
            return positional, named


def _check_port(positional: list[str], named: dict[str, str]) -> None:
    text = named.get("port", positional[1] if len(positional) > 1 else "")
    if not text.isascii() or not text.isdecimal() or int(text[:6]) > _MAX_PORT:
        raise ListenerError("a listener needs a port from 0 to 65535")


def _is_loopback(interface: str) -> bool:
    if interface == "localhost":
        return True
    try:
        return ip_address(interface).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a listener listens; `path` for a Unix socket, host and port for others."""

    host: str = ""
    port: int = 0
    is_v6: bool = False
    path: str = ""
    mode: int | None = None


def address_of(listener: Listener) -> Address | None:
    """Return the address of *listener*; None where it gets a socket from elsewhere."""
    positional, named = _split(listener.opened_as)
    kind, *rest = positional
    match kind:
        case "unix":
            said = {**dict(zip(_UNIX_WORDS, rest, strict=False)), **named}
            return Address(
                path=said["address"],
                mode=int(said["mode"], 8) if "mode" in said else None,
            )
        case "systemd":
            return None
    said = {**dict(zip(_TCP_WORDS, rest, strict=False)), **named}
    host = said.get("interface", "")
    return Address(
        host=host,
        port=int(said["port"]),
        is_v6=kind == "tcp6" or ":" in host,
    )


_TCP_WORDS = ("port", "interface", "backlog")
_UNIX_WORDS = ("address", "mode", "backlog")
