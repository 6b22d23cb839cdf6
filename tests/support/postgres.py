"""
A real PostgreSQL of the tests' own: one cluster a session, one database a test.

It is started from the system's binaries when the first test asks for it, in a
directory of its own, on a free port of the loopback, and without any care for power
cuts. A test that stops it starts it again. Where there is no PostgreSQL the tests
are skipped, but in CI they fail: there it has to be.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from byok.store.location import Server
from tests.support.keys import STORE_PASSWORD

USER = "byok"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin")
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "fatal",
    "listen_addresses": "127.0.0.1",
}


class Cluster:
    """One server, with as many databases as tests ask for."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        # Not among pytest's directories: its user cannot reach them, and the sweep
        # for secrets has nothing to look for in forty megabytes of a database's own.
        self._directory = Path(tempfile.mkdtemp(prefix="byok-pg-", dir="/tmp"))
        self._numbers = count(1)
        self.port = _free_port()
        self._is_running = False
        self._as: list[str] = []
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._directory, user.pw_uid, user.pw_gid)
            self._as = ["runuser", "-u", "postgres", "--"]

    def make(self) -> None:
        """Make the cluster and start it."""
        self._run(
            "initdb",
            *("-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8"),
            *("--locale=C", "--no-sync"),
        )
        self.start()
        with self._admin() as connection:
            connection.execute(
                sql.SQL("ALTER USER byok PASSWORD {}").format(STORE_PASSWORD)
            )
        # From here on whoever comes by the network has to have it.
        self._write(
            "pg_hba.conf",
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
        )
        self._run("pg_ctl", "reload", "-D", self._data)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            **_SETTINGS,
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = str(self._directory / "log")
        self._run(
            *("pg_ctl", "start", "-w", "-t", "60", "-D", self._data, "-l", log),
            *("-o", options),
        )
        self._is_running = True

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._is_running:
            self._is_running = False
            self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def remove(self) -> None:
        """Stop it and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def database(self, *, password: str = STORE_PASSWORD) -> Server:
        """Make a new database and return its address."""
        name = f"test_{next(self._numbers)}"
        with self._admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            )
        return Server(
            url=f"postgresql://{USER}:{quote(password)}@127.0.0.1:{self.port}/{name}"
        )

    def connect(self, server: Server) -> "psycopg.Connection[Any]":
        """Connect to the database of *server* past byok."""
        name = server.url.rpartition("/")[2]
        return self._admin(name)

    def by_socket(self, server: Server) -> str:
        """Return the address of the database of *server* that needs no password."""
        name = server.url.rpartition("/")[2]
        return f"postgresql://{USER}@:{self.port}/{name}?host={self._directory}"

    def restore(self, server: Server, copy: Path) -> None:
        """Put what is in *copy*, a dump, into the database of *server*."""
        name = server.url.rpartition("/")[2]
        with copy.open("rb") as file:
            self._run(
                *("pg_restore", "--no-owner", "--exit-on-error", "-U", USER),
                *("-h", str(self._directory), "-p", str(self.port), "-d", name),
                given=file,
            )

    @property
    def _data(self) -> str:
        return str(self._directory / "data")

    def _admin(self, name: str = "postgres") -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host=str(self._directory),
            port=self.port,
            user=USER,
            dbname=name,
            autocommit=True,
        )

    def _write(self, name: str, text: str) -> None:
        Path(self._data, name).write_text(text, "ascii")

    def _run(
        self, program: str, *arguments: str, given: IO[bytes] | None = None
    ) -> None:
        # The server would keep a pipe open for as long as it runs.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [*self._as, str(self._binaries / program), *arguments],
                stdin=subprocess.DEVNULL if given is None else given,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                check=False,
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """Return the session's PostgreSQL, started."""
    binaries = _binaries()
    if binaries is None:
        reason = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI") or os.environ.get("BYOK_CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    cluster = Cluster(binaries)
    try:
        cluster.make()
        yield cluster
    finally:
        cluster.remove()


def _binaries() -> Path | None:
    for place in _PLACES:
        top, _, pattern = place.partition("*")
        found = sorted(Path(top).glob(f"*{pattern}")) if pattern else [Path(place)]
        for directory in reversed(found):
            if (directory / "initdb").exists() and (directory / "pg_ctl").exists():
                return directory
    found_in_path = shutil.which("initdb")
    return Path(found_in_path).parent if found_in_path else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
