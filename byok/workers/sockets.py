"""
The sockets on which workers listen, opened and held by their supervisor.

Where the kernel shares connections out among sockets of one address (SO_REUSEPORT on
Linux), each worker has its own: an even share, and nobody is woken for nothing.
A worker that is replaced leaves its socket to the next one, with whoever waits in it.
Elsewhere, and for Unix sockets, all have the same one.
"""

import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path

from byok.config.listeners import Address, Listener, address_of

BACKLOG = 1024
"""How many connections may wait for a worker to accept them."""

Opened = tuple[socket.socket, ...]
"""The sockets of one worker, one for each listener."""


class Sockets:
    """
    Opens a worker's sockets, all on the addresses of *listeners*.

    Raises OSError where an address cannot be had, and ValueError for a listener that
    cannot be shared.
    """

    def __init__(self, listeners: tuple[Listener, ...]) -> None:
        self._listeners = listeners
        self._shared: dict[int, socket.socket] = {}
        self._ports: dict[int, int] = {}

    def open(self) -> Opened:
        """Return sockets for one worker more."""
        opened: list[socket.socket] = []
        try:
            for at, listener in enumerate(self._listeners):
                opened.append(self._opened(at, listener))
        except BaseException:
            self.close(tuple(opened))
            raise
        return tuple(opened)

    def close(self, opened: Opened) -> None:
        """Close those of *opened* that nobody else listens on."""
        for each in opened:
            if each not in self._shared.values():
                each.close()

    def close_all(self) -> None:
        """Close what all have in common, and take Unix sockets off the disk."""
        for each in self._shared.values():
            if each.family == socket.AF_UNIX:
                with suppress(OSError):
                    Path(each.getsockname()).unlink()
            each.close()
        self._shared.clear()

    def _opened(self, at: int, listener: Listener) -> socket.socket:
        if at in self._shared:
            return self._shared[at]
        address = address_of(listener)
        if address is None:
            raise ValueError(
                f"{listener.endpoint} cannot be shared by workers; tcp:, tcp6:, ssl:"
                " and unix: can"
            )
        if address.path:
            made = self._shared[at] = _listening_at_path(address)
        else:
            made = self._listening_at_port(at, address)
        made.setblocking(False)  # noqa: FBT003 - its only name
        return made

    def _listening_at_port(self, at: int, address: Address) -> socket.socket:
        is_first = at not in self._ports
        port = self._ports.get(at, address.port)
        if is_first and port:
            # Another gateway's socket would be shared as well, and half its clients.
            _bound(address, port, reuses=False).close()
        made = _bound(address, port, reuses=_shares_out())
        self._ports[at] = made.getsockname()[1]
        made.listen(BACKLOG)
        if not _shares_out():
            self._shared[at] = made
        return made


def _shares_out() -> bool:
    return sys.platform.startswith("linux") and hasattr(socket, "SO_REUSEPORT")


def _bound(address: Address, port: int, *, reuses: bool) -> socket.socket:
    family = socket.AF_INET6 if address.is_v6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuses:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((address.host, port))
    except BaseException:
        made.close()
        raise
    return made


def _listening_at_path(address: Address) -> socket.socket:
    _clear_away(Path(address.path))
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(address.path)
        if address.mode is not None:
            Path(address.path).chmod(address.mode)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _clear_away(path: Path) -> None:
    """Remove a socket that nobody listens on any more."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
