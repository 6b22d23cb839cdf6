"""The proxies that are measured, each as a user would run one worker of it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from benchmarks.exchange.payloads import CHOSEN_KEY, MODEL, PLAYS
from benchmarks.exchange.processes import (
    ROOT,
    BenchmarkError,
    Child,
    free_port,
    wait_until_it_listens,
)

LITELLM = ROOT / ".venv-bench/bin/litellm"
MASTER_KEY = "sk-" + "m" * 48
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A proxy that takes requests on *port*, where *key* opens it."""

    child: Child
    port: int
    key: str = field(default=CHOSEN_KEY, repr=False)


class Subject(Protocol):
    """A proxy that can be started between the load and the upstream."""

    @property
    def name(self) -> str:
        """What it is called in the options and in the samples."""

    def missing(self) -> str | None:
        """Say why it cannot be measured here, if it cannot."""

    def version(self) -> str:
        """Return what is measured, for the record."""

    @contextmanager
    def run(self, directory: Path, upstream_port: int) -> Iterator[Running]:
        """Run it, with all it writes in *directory*."""


class HAProxy:
    """One thread that deletes one header: about as little as a proxy can do."""

    name = "haproxy"

    def missing(self) -> str | None:
        """Say so where it is not installed."""
        found = shutil.which("haproxy", path=_PATH)
        return None if found else "haproxy is not installed: apt-get install haproxy"

    def version(self) -> str:
        """Return haproxy's version."""
        return first_line([shutil.which("haproxy", path=_PATH) or "haproxy", "-v"])

    @contextmanager
    def run(self, directory: Path, upstream_port: int) -> Iterator[Running]:
        """Run it in the foreground."""
        port = free_port()
        config = directory / "haproxy.cfg"
        config.write_text(
            f"""
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    option abortonclose
    timeout connect 5s
    timeout client 900s
    timeout server 900s
frontend front
    bind 127.0.0.1:{port} backlog 4096
    http-request del-header x-litellm-api-key
    default_backend back
backend back
    http-reuse always
    server upstream 127.0.0.1:{upstream_port}
"""
        )
        program = shutil.which("haproxy", path=_PATH) or "haproxy"
        command: list[str | Path] = [program, "-db", "-f", config]
        with Child(command, output=directory / "haproxy.txt") as child:
            wait_until_it_listens(child, port, timeout_s=10)
            yield Running(child=child, port=port)


class Byok:
    """
    `twistd byok` with everything on.

    A virtual key, both forwarding switches, the usage reader, the access log as JSON
    in a file, and the log of decisions as it is by default. *arguments* are further
    ones for twistd.
    """

    name = "byok"

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def missing(self) -> str | None:
        """Say so where twistd is not beside this Python."""
        return (
            None if self._twistd().is_file() else "twistd is not installed: make test"
        )

    def version(self) -> str:
        """Return byok's version, and those of what it stands on."""
        names = ("byok", "twisted", "treq", "httptools", "msgspec")
        return ", ".join(f"{name} {version(name)}" for name in names)

    @contextmanager
    def run(self, directory: Path, upstream_port: int) -> Iterator[Running]:
        """Run it with a fresh store, and make a key."""
        port = free_port()
        config = directory / "byok.json"
        # JSON is YAML.
        config.write_text(
            json.dumps(
                {
                    "model_list": [
                        {
                            "model_name": "claude-*",
                            "litellm_params": {"model": "anthropic/claude-*"},
                        }
                    ],
                    "litellm_settings": {
                        "forward_llm_provider_auth_headers": True,
                        "forward_client_headers_to_llm_api": True,
                        "json_logs": True,
                    },
                    "general_settings": {
                        "master_key": "os.environ/BYOK_MASTER_KEY",
                        "allow_plaintext_loopback": True,
                    },
                    "providers": {
                        "anthropic": {"api_base": f"http://127.0.0.1:{upstream_port}"}
                    },
                }
            )
        )
        command: list[str | Path] = [
            *(sys.executable, self._twistd(), "--nodaemon", "--pidfile="),
            *("--logfile", directory / "access.json"),
            *self._arguments,
            *("byok", "-c", config, "--port", str(port)),
        ]
        env = {
            "PATH": _PATH,
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "HOME": str(directory),
            "BYOK_MASTER_KEY": MASTER_KEY,
        }
        output = directory / "byok.txt"
        with Child(command, output=output, env=env, cwd=directory) as child:
            wait_until_it_listens(child, port, timeout_s=30)
            yield Running(child=child, port=port, key=_made_key(port))

    @staticmethod
    def _twistd() -> Path:
        return Path(sys.executable).with_name("twistd")


class LiteLLM:
    """LiteLLM's proxy, one worker, no database, the developer's own key forwarded."""

    name = "litellm"

    def missing(self) -> str | None:
        """Say so where `make bench-peers` did not install it."""
        return (
            None if LITELLM.is_file() else "LiteLLM is not installed: make bench-peers"
        )

    def version(self) -> str:
        """Return LiteLLM's version."""
        python = LITELLM.with_name("python")
        script = "from importlib.metadata import version; print(version('litellm'))"
        return "litellm " + first_line([str(python), "-c", script])

    @contextmanager
    def run(self, directory: Path, upstream_port: int) -> Iterator[Running]:
        """Run it; without a database the master key is the only key."""
        port = free_port()
        config = directory / "litellm.json"
        config.write_text(
            json.dumps(
                {
                    "model_list": [
                        {
                            "model_name": MODEL + play,
                            "litellm_params": {
                                "model": f"anthropic/{MODEL}{play}",
                                "api_base": f"http://127.0.0.1:{upstream_port}",
                            },
                        }
                        for play in PLAYS
                    ],
                    "litellm_settings": {
                        "forward_llm_provider_auth_headers": True,
                        "forward_client_headers_to_llm_api": True,
                        "num_retries": 0,
                    },
                    "general_settings": {
                        "master_key": CHOSEN_KEY,
                        "forward_client_headers_to_llm_api": True,
                    },
                    "router_settings": {"num_retries": 0, "disable_cooldowns": True},
                }
            )
        )
        command: list[str | Path] = [
            *(LITELLM, "--config", config, "--host", "127.0.0.1"),
            *("--port", str(port), "--num_workers", "1"),
        ]
        env = {
            "PATH": f"{LITELLM.parent}:{_PATH}",
            "LANG": "C.UTF-8",
            "HOME": str(directory),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_TELEMETRY": "False",
            "NO_PROXY": "127.0.0.1",
        }
        output = directory / "litellm.txt"
        with Child(command, output=output, env=env, cwd=directory) as child:
            wait_until_it_listens(child, port, timeout_s=180)
            yield Running(child=child, port=port)


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def every_subject() -> tuple[Subject, ...]:
    """Return them in the order of the table."""
    return (HAProxy(), Byok(), LiteLLM())


NOTHING_SAID = "unknown"


def first_line(command: Sequence[str]) -> str:
    """Return the first line that *command* prints, NOTHING_SAID where it has none."""
    done = subprocess.run(  # noqa: S603 - programs named here
        command, capture_output=True, text=True, check=False, timeout=60
    )
    return next(iter((done.stdout or done.stderr).splitlines()), NOTHING_SAID)


def _made_key(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(
            "POST",
            "/key/generate",
            json.dumps({"key_alias": "bench"}),
            {
                "Authorization": f"Bearer {MASTER_KEY}",
                "Content-Type": "application/json",
            },
        )
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status != _OK:
        raise BenchmarkError(f"byok made no key: {answer.status}")
    key: str = json.loads(said)["key"]
    return key
