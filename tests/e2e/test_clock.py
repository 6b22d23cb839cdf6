"""A clock that is set anew while the gateway is at work, back or forward."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from time import monotonic

import pytest

from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, environment, own_key_config
from tests.support.processes import ROOT
from tests.support.provider_process import ProviderProcess

pytestmark = pytest.mark.e2e

MESSAGES = "/v1/messages"
EVENTS = sse.text_stream("a word or two")
HOUR_S = 3600.0

# Python imports a module of this name before any other: whoever asks `time` for the
# time of day later, by whatever name, asks this clock.
CLOCK = """
import os
import signal
import time

seconds, offset_s = time.time, 0.0


def shown():
    return seconds() + offset_s


def set_anew(number, frame):
    global offset_s
    with open(os.environ["BYOK_TEST_CLOCK"]) as file:
        offset_s = float(file.read())
    # The signal may come in the middle of a write to the same stream.
    os.write(1, f"the clock is set {offset_s}\\n".encode())


time.time = shown
signal.signal(signal.SIGUSR2, set_anew)
"""


@dataclass(frozen=True)
class Line:
    """A gateway whose clock can be set, between this client and a provider."""

    gateway: Gateway
    provider: ProviderProcess
    clock: Path

    def set_clock(self, offset_s: float) -> None:
        """Set the gateway's clock so far from the right time."""
        self.clock.write_text(str(offset_s))
        process = self.gateway._process
        os.kill(process.pid, signal.SIGUSR2)
        said = f"the clock is set {offset_s}"
        process.wait_for(
            lambda lines: any(said in line for line in lines) or None, timeout_s=10
        )

    def begin(self) -> tuple[HTTPConnection, HTTPResponse]:
        """Ask for a stream; the answer's head is here."""
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)
        body = {"model": "claude-opus-5-5", "messages": [], "stream": True}
        headers = {
            "x-litellm-api-key": keys.VIRTUAL_KEY,
            "x-api-key": keys.ANTHROPIC_API_KEY,
        }
        connection.request("POST", MESSAGES, json.dumps(body), headers)
        return connection, connection.getresponse()

    def status(self) -> int:
        """What a request with the virtual key is answered."""
        connection, answer = self.begin()
        answer.read()
        connection.close()
        return answer.status


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    home, site, clock = tmp_path / "home", tmp_path / "site", tmp_path / "clock"
    home.mkdir()
    site.mkdir()
    (site / "sitecustomize.py").write_text(CLOCK)
    env = {"PYTHONPATH": f"{site}:{ROOT}", "BYOK_TEST_CLOCK": str(clock)}
    with (
        ProviderProcess() as provider,
        Gateway(home, own_key_config(provider.url), env=env) as gateway,
    ):
        gateway.make_key(key_alias="anna")
        yield Line(gateway=gateway, provider=provider, clock=clock)


def test_a_key_blocked_elsewhere_is_refused_soon_after_the_clock_was_set_back(
    line: Line,
):
    assert line.status() == 200
    line.set_clock(-HOUR_S)

    block(line.gateway, "anna")

    until, statuses = monotonic() + 10, {200}
    while statuses == {200} and monotonic() < until:
        statuses = {line.status()}
    assert statuses == {401}


@pytest.mark.parametrize("offset_s", [-HOUR_S, HOUR_S])
def test_a_stream_lasts_as_long_as_it_lasts_whatever_the_clock_says(
    line: Line, offset_s: float
):
    held = plays.stream(EVENTS).hold_before(b"event: message_stop", signal="go")
    line.provider.play(MESSAGES, held)
    connection, answer = line.begin()
    line.set_clock(offset_s)

    line.provider.fire("go")

    assert answer.read() == b"".join(EVENTS)
    connection.close()
    told = line.gateway.wait_for_event("access", route=MESSAGES)
    duration_ms = told["duration_ms"]
    assert isinstance(duration_ms, float)
    assert 0 <= duration_ms < HOUR_S * 500


def test_a_key_expires_by_the_time_of_day(line: Line):
    line.gateway.make_key(keys.VIRTUAL_KEY_2, key_alias="bob", duration="30m")
    assert caller(line.gateway, keys.VIRTUAL_KEY_2) == 200

    line.set_clock(HOUR_S)

    assert caller(line.gateway, keys.VIRTUAL_KEY_2) == 401
    line.set_clock(0.0)
    assert caller(line.gateway, keys.VIRTUAL_KEY_2) == 200


def block(gateway: Gateway, name: str) -> None:
    """Block a key as an operator does, in a process that has the right time."""
    byok = Path(sys.executable).with_name("byok")
    subprocess.run(
        [sys.executable, byok, "keys", "block", "-c", gateway.config_file, name],
        cwd=gateway.directory,
        env=environment(gateway.directory),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def caller(gateway: Gateway, key: str) -> int:
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    connection.request("GET", "/byok/whoami", headers={"x-litellm-api-key": key})
    status = connection.getresponse().status
    connection.close()
    return status
