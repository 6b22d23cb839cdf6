"""A real gateway, `twistd byok`, as a process between client and provider."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGTERM
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import yaml

from tests.support import keys
from tests.support.processes import ROOT, DiedEarly, Watched
from tests.support.sweep import note

Json = dict[str, object]

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")


def own_key_config(provider_url: str, **sections: object) -> Json:
    """
    The smallest configuration in which every developer brings an own key.

    It is the one of the documentation, but for the provider, which is the one
    at *provider_url*, and for a stop that waits for nobody. *sections* are merged
    over it, one level deep.
    """
    config: Json = {
        "model_list": [
            {
                "model_name": "claude-*",
                "litellm_params": {"model": "anthropic/claude-*"},
            },
            *(
                {
                    "model_name": name,
                    "litellm_params": {"model": f"anthropic/{name}"},
                }
                for name in MODELS
            ),
        ],
        "litellm_settings": {"forward_llm_provider_auth_headers": True},
        "general_settings": {
            "master_key": "os.environ/BYOK_TEST_MASTER_KEY",
            "allow_plaintext_loopback": True,
        },
        "providers": {"anthropic": {"api_base": provider_url}},
        # A test that leaves a stream behind does not wait for it.
        "limits": {"drain_s": 0},
    }
    for name, section in sections.items():
        before = config.get(name)
        if isinstance(before, dict) and isinstance(section, dict):
            config[name] = {**before, **section}
        else:
            config[name] = section
    return config


class Gateway:
    """
    Starts the gateway on a free port and waits until it listens.

    Used as a context manager. Leaving it sends SIGTERM, and fails if the
    gateway did not close everything in order, or logged an error meanwhile.
    Everything it writes stays in *directory*, everything it prints in `output`.
    With *logfile* it logs there instead; nothing can be waited for in that.
    """

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, object],
        *arguments: str,
        env: Mapping[str, str] | None = None,
        logfile: Path | None = None,
    ) -> None:
        self.directory = directory
        self.logfile = logfile
        self.config_file = directory / "config.yaml"
        self.config_file.write_text(yaml.safe_dump(dict(config), sort_keys=False))
        twistd = Path(sys.executable).with_name("twistd")
        to_file = () if logfile is None else ("--logfile", logfile)
        self._process = Watched(
            [
                *(sys.executable, twistd, "--nodaemon", "--pidfile=", *to_file),
                *("byok", "-c", self.config_file),
                *("--listen", "tcp:0:interface=127.0.0.1", "--log-format", "json"),
                *arguments,
            ],
            cwd=directory,
            env={**environment(directory), **(env or {})},
        )
        try:
            self.port = (
                self._process.wait_for(bound_port)
                if logfile is None
                else self._port_in(logfile)
            )
        except BaseException:
            self._process.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        code = self._process.stop()
        note("the output of the gateway", self.output)
        if kind is None:
            # twistd, once all is closed, ends itself by the signal it was sent.
            assert code == -SIGTERM, f"the gateway ended with {code}:\n{self.output}"
            names = [one.get("event") for one in self.events]
            assert "stopped" in names, (
                f"the gateway left without a word:\n{self.output}"
            )
            levels = {one.get("level") for one in self.events}
            assert not levels & {"error", "critical"}, self.output

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """All it has printed: in this harness, its log."""
        if self.logfile is not None:
            return self.logfile.read_text("utf-8")
        return self._process.output

    @property
    def events(self) -> list[Json]:
        """The log, as far as it is JSON."""
        return list(events_of(self.output.splitlines()))

    def _port_in(self, logfile: Path) -> int:
        until = monotonic() + 30.0
        while self._process.is_running and monotonic() < until:
            lines = logfile.read_text("utf-8").splitlines() if logfile.exists() else []
            if (port := bound_port(lines)) is not None:
                return port
            sleep(0.02)
        raise DiedEarly(f"it does not listen:\n{self._process.output}")

    def wait_for_event(self, name: str, **fields: object) -> Json:
        """Wait for the log event *name* that has all of *fields*."""

        def find(lines: Sequence[str]) -> Json | None:
            wanted = {"event": name, **fields}.items()
            matching = (one for one in events_of(lines) if wanted <= one.items())
            return next(matching, None)

        return self._process.wait_for(find)

    def make_key(self, key: str = keys.VIRTUAL_KEY, **fields: object) -> str:
        """Create the virtual key *key* through the API, as an administrator would."""
        status, answer = self.post("/key/generate", {"key": key, **fields})
        assert (status, answer.get("key")) == (200, key), f"{status} {answer}"
        return key

    def post(
        self, path: str, body: Mapping[str, object], *, key: str = keys.MASTER_KEY
    ) -> tuple[int, Json]:
        """Ask the gateway itself something, with the master key."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
        }
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def environment(home: Path) -> dict[str, str]:
    """
    What the process inherits: little, and a bait.

    Its configuration names one variable. The provider keys beside it are there
    for anybody who reads the environment unasked; no test wants to see them.
    """
    measuring = {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}
    return {
        **measuring,
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "BYOK_TEST_MASTER_KEY": keys.MASTER_KEY,
        "ANTHROPIC_API_KEY": keys.DEPLOYMENT_KEY_2,
        "ANTHROPIC_AUTH_TOKEN": keys.ANTHROPIC_OAUTH_2,
        "OPENAI_API_KEY": keys.OPENAI_DEPLOYMENT_KEY,
    }


def events_of(lines: Sequence[str]) -> list[Json]:
    """The lines that are JSON objects."""
    events: list[Json] = []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            events.append(value)
    return events


def bound_port(lines: Sequence[str]) -> int | None:
    """The port of the first "listening" event, if it is there."""
    for event in events_of(lines):
        port = event.get("port")
        if event.get("event") == "listening" and isinstance(port, int):
            return port
    return None
