"""
Sees every name that this process resolves and every address that it dials.

The interpreter's own audit events tell it, so nothing is replaced and nothing
that opens a connection can go past it, whichever library it belongs to.
"""

import sys
from types import TracebackType
from typing import Self


class DialLog:
    """Used as a context manager: what happened while it was open."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.ports: set[int] = set()

    def __enter__(self) -> Self:
        _OPEN.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _OPEN.remove(self)


_OPEN: list[DialLog] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if not _OPEN:
        return
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _note(arguments[0], None)
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple):
            _note(address[0], address[1])


def _note(host: object, port: object) -> None:
    name = host.decode("latin-1") if isinstance(host, bytes) else str(host)
    for log in _OPEN:
        log.names.add(name)
        if isinstance(port, int):
            log.ports.add(port)


# A hook cannot be taken away again; while no log is open it does nothing.
sys.addaudithook(_hear)
