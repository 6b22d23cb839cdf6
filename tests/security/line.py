"""A client that waits for its answers, for properties that are tried in a thread."""

from http.client import HTTPException, HTTPResponse
from socket import create_connection, socket

from tests.e2e.raw import Answer


class Line:
    """One connection at a time to the gateway at *port*, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket | None = None

    def ask(self, raw: bytes, *, method: str = "POST") -> Answer:
        """Send *raw* and read one answer."""
        try:
            return self._ask(raw, method)
        except (ConnectionError, HTTPException):
            # The connection was closed between two questions, as it may be.
            self.close()
            return self._ask(raw, method)

    def _ask(self, raw: bytes, method: str) -> Answer:
        if self._socket is None:
            self._socket = create_connection(("127.0.0.1", self._port), timeout=20)
        self._socket.sendall(raw)
        response = HTTPResponse(self._socket, method=method)
        try:
            response.begin()
            body = response.read()
        finally:
            response.close()
        answer = Answer(
            status=response.status,
            reason=response.reason,
            headers=tuple(response.getheaders()),
            body=body,
            complete=True,
        )
        if response.will_close or answer.value("connection") == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
