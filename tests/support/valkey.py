"""
A real server for counters: Valkey, or Redis of Debian's, which speaks the same.

It is started when the first test asks for it, on a free port of the loopback, and
keeps nothing on disk: one that was killed comes back empty. Where there is none the
tests are skipped, but in CI they fail: there it has to be.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from time import monotonic, sleep
from typing import Self

import pytest

from byok.core.errors import CountersUnavailable
from byok.counters.scripts import Script
from tests.support.keys import COUNTERS_PASSWORD

PREFIX = b"{byok}:"
_PROGRAMS = ("valkey-server", "redis-server")


class Valkey:
    """One server, which a test may kill, freeze and start again."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._directory = Path(tempfile.mkdtemp(prefix="byok-valkey-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.start()

    @property
    def url(self) -> str:
        """Its address; the password stands elsewhere."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if self._process is not None:
            return
        # By a file: arguments are for everybody on the machine to read.
        config = self._directory / "valkey.conf"
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {COUNTERS_PASSWORD}\n"
            f"dir {self._directory}\nsave ''\nappendonly no\n".replace("''", '""')
        )
        self._process = subprocess.Popen(
            [self._program, str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = monotonic() + 20
        while True:
            try:
                with Asking(self.port) as asking:
                    asking.ask("PING")
                return
            except OSError:
                assert self._process.poll() is None, "the server ended"
                assert monotonic() < until, "the server does not answer"
                sleep(0.01)

    def kill(self) -> None:
        """End it at once; all that it knew is gone."""
        if self._process is not None:
            self._process.send_signal(SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it say nothing more, and keep its connections."""
        assert self._process is not None
        self._process.send_signal(SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(SIGCONT)

    def empty(self) -> None:
        """Let it forget everything."""
        with Asking(self.port) as asking:
            asking.ask("FLUSHALL")

    def remove(self) -> None:
        """Stop it and leave nothing behind."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


class Asking:
    """A connection that waits for each answer, for tests without a reactor."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self.ask("AUTH", COUNTERS_PASSWORD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, *words: str | bytes | int) -> object:
        """Return the answer to a command."""
        sent = [
            word if isinstance(word, bytes) else str(word).encode() for word in words
        ]
        parts = [b"*%d\r\n" % len(sent)]
        parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in sent]
        self._socket.sendall(b"".join(parts))
        return self._answer()

    def names(self, pattern: str) -> list[bytes]:
        """Return the keys there are."""
        found = self.ask("KEYS", pattern)
        assert isinstance(found, list)
        return found

    async def run(self, script: Script, arguments: Sequence[bytes]) -> list[bytes]:
        """Run *script*, as a limiter wants it."""
        try:
            answer = self.ask("EVALSHA", script.digest, 1, PREFIX, *arguments)
        except CountersUnavailable as error:
            if "NOSCRIPT" not in str(error):
                raise
            answer = self.ask("EVAL", script.text, 1, PREFIX, *arguments)
        assert isinstance(answer, list)
        return answer

    def _answer(self) -> object:
        line = self._file.readline()
        if not line:
            raise ConnectionError("the server is gone")
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"+":
                return rest.decode()
            case b":":
                return int(rest)
            case b"$":
                length = int(rest)
                return None if length < 0 else self._file.read(length + 2)[:-2]
            case b"*":
                return [self._answer() for _ in range(int(rest))]
        raise CountersUnavailable(rest.decode())


@pytest.fixture(scope="session")
def valkey_of_session() -> Iterator[Valkey]:
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        reason = "no Valkey is installed: apt-get install redis-server"
        if os.environ.get("CI") or os.environ.get("BYOK_CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = Valkey(program)
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def valkey(valkey_of_session: Valkey) -> Iterator[Valkey]:
    """Return the session's server, empty."""
    valkey_of_session.start()
    valkey_of_session.empty()
    yield valkey_of_session
    valkey_of_session.thaw()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
