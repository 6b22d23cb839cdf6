"""
A relay that a client talks through, so that a test sees what it really sent.

It stands before the gateway: the bytes a client sent can be compared with what
the provider received behind the gateway. Two threads a connection, no reactor;
an end of stream and a reset travel through as they came.
"""

import contextlib
import socket
import struct
from collections.abc import Callable
from threading import Lock, Thread
from types import TracebackType
from typing import Self

from tests.support.http1 import Request, RequestReader

LINGER_NOT = struct.pack("ii", 1, 0)
"""With this option a close sends a RST."""


class Wiretap:
    """Listens on loopback and passes everything on to *port*, both ways."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._sent: list[bytearray] = []
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            sockets = [self._listener, *self._sockets]
        for one in sockets:
            # Wakes the thread that waits on it, which closing does not.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        for one in sockets:
            one.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests that clients sent, connection by connection."""
        with self._lock:
            sent = [bytes(data) for data in self._sent]
        found: list[Request] = []
        for number, data in enumerate(sent):
            found += RequestReader(connection=number).feed(data)
        return tuple(found)

    def requests_for(self, path: str) -> tuple[Request, ...]:
        """The requests for *path*, whatever their query."""
        return tuple(one for one in self.requests if one.path == path.encode())

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        record = bytearray()
        with self._lock:
            self._sockets.append(client)
            self._sent.append(record)
        try:
            server = socket.create_connection(self._target)
        except OSError:
            reset(client)
            return
        with self._lock:
            self._sockets.append(server)
        self._start(lambda: self._pass_on(client, server, record))
        self._start(lambda: self._pass_on(server, client, None))

    def _pass_on(
        self, source: socket.socket, sink: socket.socket, record: bytearray | None
    ) -> None:
        try:
            while data := source.recv(65536):
                if record is not None:
                    with self._lock:
                        record += data
                sink.sendall(data)
        except OSError:
            reset(source)
            reset(sink)
            return
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _start(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


def reset(one: socket.socket) -> None:
    """End *one* with a RST, from whichever thread finds out first."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        # The other thread waits in a read, and holds the socket open until then.
        one.shutdown(socket.SHUT_RD)
    one.close()
