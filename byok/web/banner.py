"""What is said at the start: where the gateway is, and how to use it from a shell."""

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - to recognise, not to use
_ON_THIS_MACHINE = ("127.", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """One socket that is open, and from where it can be reached."""

    address: str
    port: int | None
    secure: bool

    @property
    def url(self) -> str | None:
        """The base URL for a client on this machine; None for a Unix socket."""
        if self.port is None:
            return None
        host = "127.0.0.1" if self.address in _EVERYWHERE else self.address
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.address if self.port is None else f"{self.address} port {self.port}"

    @property
    def exposure(self) -> str:
        """From where it can be reached."""
        if self.port is None or self.address.startswith(_ON_THIS_MACHINE):
            return "this machine only"
        if self.address in _EVERYWHERE:
            return "every network this machine is in"
        return f"the network of {self.address}"


def listening_at(address: IAddress, *, secure: bool) -> Listening:
    """Describe the socket bound to *address*."""
    if isinstance(address, IPv4Address | IPv6Address):
        return Listening(address=address.host, port=address.port, secure=secure)
    name = address.name if isinstance(address, UNIXAddress) else None
    shown = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return Listening(address=shown, port=None, secure=secure)


def banner(
    sockets: Sequence[Listening],
    *,
    key_header: str,
    single_user: bool,
    make_key: str = "",
) -> tuple[str, ...]:
    """
    Return the lines to paste into a shell, each with what it is for.

    *make_key* is the command that makes a virtual key and prints nothing else.
    """
    url = next((each.url for each in sockets if each.url), None)
    if url is None:
        return ("no TCP listener: give Claude Code the address of what stands before",)
    key = f'export ANTHROPIC_CUSTOM_HEADERS="{key_header}: $({make_key})"'
    about_key = (
        "The second line makes you a byok key, another one each time it is pasted; if",
        "you have one, write it in place of $(...).",
    )
    return (
        "To use it from Claude Code, paste into another shell:",
        "",
        f"  export ANTHROPIC_BASE_URL={url}",
        *(() if single_user else (f"  {key}",)),
        "  export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
        "",
        *(() if single_user else about_key),
        "The last line is not optional: without it Claude Code sends its custom",
        "headers past the gateway to api.anthropic.com, your byok key among them.",
    )
