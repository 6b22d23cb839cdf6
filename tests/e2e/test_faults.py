"""What breaks around a running gateway: its disk, its open files, its own life."""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from socket import create_connection, socket
from threading import Thread
from time import monotonic, sleep

import pytest

from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, Json, environment, own_key_config
from tests.support.provider_process import ProviderProcess
from tests.support.sweep import note

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        sys.platform != "linux", reason="limits of another process are set as on Linux"
    ),
]

MESSAGES = "/v1/messages"
WHOAMI = "/byok/whoami"
STREAM = plays.stream(sse.text_stream("a word or two"))
FILES = resource.RLIMIT_NOFILE
SIZES = resource.RLIMIT_FSIZE
FAR_FROM_S = 10.0
A_FEW_FILES = 32


@dataclass(frozen=True)
class Line:
    """A gateway between this client and a provider."""

    gateway: Gateway
    provider: ProviderProcess

    @property
    def pid(self) -> int:
        return self.gateway._process.pid

    def connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.gateway.port, timeout=20)

    def begin(self) -> tuple[HTTPConnection, HTTPResponse]:
        """Ask for a stream; the answer's head is here."""
        connection = self.connection()
        ask(connection)
        return connection, connection.getresponse()

    def status(self) -> int:
        """What a request for a stream is answered, its whole body read."""
        with closing(self.connection()) as connection:
            ask(connection)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def get(self, path: str, key: str = keys.VIRTUAL_KEY) -> tuple[int, Json]:
        with closing(self.connection()) as connection:
            connection.request("GET", path, headers={"x-litellm-api-key": key})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


def ask(connection: HTTPConnection) -> None:
    body = {"model": "claude-opus-5-5", "messages": [], "stream": True}
    headers = {
        "x-litellm-api-key": keys.VIRTUAL_KEY,
        "x-api-key": keys.ANTHROPIC_API_KEY,
    }
    connection.request("POST", MESSAGES, json.dumps(body), headers)


@contextmanager
def line(directory: Path, *, logfile: Path | None = None) -> Iterator[Line]:
    with (
        ProviderProcess() as provider,
        Gateway(directory, own_key_config(provider.url), logfile=logfile) as gateway,
    ):
        gateway.make_key(key_alias="anna")
        yield Line(gateway=gateway, provider=provider)


@contextmanager
def limited(pid: int, kind: int, most: int) -> Iterator[None]:
    """Let the process have no more than *most* of *kind* for a while."""
    soft, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, (soft, hard))


def eventually(condition: Callable[[], bool]) -> bool:
    """Ask *condition* again and again, until it holds or that takes far too long."""
    until = monotonic() + FAR_FROM_S
    while not (held := condition()) and monotonic() < until:
        sleep(0.02)
    return held


def test_without_a_file_to_open_streams_go_on_and_newcomers_are_turned_away(
    tmp_path: Path,
):
    with line(tmp_path) as place:
        held = STREAM.hold_before(b"event: message_delta", signal="go")
        place.provider.play(MESSAGES, held)
        streaming, answer = place.begin()
        begun = answer.read1(10)
        with limited(place.pid, FILES, A_FEW_FILES):
            crowd = [newcomer(place) for _ in range(50)]
            turned_away = [each for each in crowd if is_closed(each)]
            place.provider.fire("go")
            rest = answer.read()
            for each in crowd:
                each.close()
        streaming.close()
        recovered = eventually(lambda: place.status() == 200)
        told = [e for e in place.gateway.events if e.get("event") == "out-of-files"]

    assert begun
    assert b"message_stop" in rest
    assert len(turned_away) >= 20
    assert recovered
    (warning,) = told
    assert (warning["level"], "turned away" in str(warning)) == ("warn", True)


def test_a_request_without_a_file_for_its_provider_is_told_at_once(tmp_path: Path):
    with line(tmp_path) as place:
        kept = place.connection()
        kept.request("GET", "/health/liveliness")
        kept.getresponse().read()
        with limited(place.pid, FILES, 1):
            begun_at = monotonic()
            ask(kept)
            refused = kept.getresponse()
            refused.read()
            took_s = monotonic() - begun_at
        ask(kept)
        answered = kept.getresponse()
        answered.read()
        kept.close()

    assert (refused.status, refused.headers["x-byok-error"]) == (
        502,
        "provider.unreachable",
    )
    assert took_s < 5
    assert answered.status == 200


def newcomer(place: Line) -> socket:
    return create_connection(("127.0.0.1", place.gateway.port), timeout=20)


def is_closed(client: socket) -> bool:
    """Does the other side close the connection, or keep it and say nothing?"""
    client.settimeout(0.05)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_on_a_full_disk_requests_go_on_and_what_cannot_be_kept_is_refused(
    tmp_path: Path,
):
    """Both the log and the store have no room, and then have it again."""
    log = tmp_path / "gateway.log"
    with line(tmp_path, logfile=log) as place:
        assert place.status() == 200
        with limited(place.pid, SIZES, 1):
            streamed = place.status()
            unknown, _ = place.get(WHOAMI, key=keys.VIRTUAL_KEY_2)
            refused, said = place.gateway.post("/key/generate", {"key_alias": "bob"})
            ready, _ = place.get("/health/readiness")
            before = log.stat().st_size
            for _ in range(50):
                assert place.get(WHOAMI)[0] == 200
            assert log.stat().st_size == before
        made, _ = place.gateway.post("/key/generate", {"key_alias": "bob"})
        answered = place.status()
    lines = log.read_text().splitlines()

    assert (streamed, unknown, ready) == (200, 401, 200)
    assert (refused, said["error"]["code"]) == (503, "store.unavailable")  # type: ignore[index]
    assert (made, answered) == (200, 200)
    assert all(json.loads(each) for each in lines)
    assert json.loads(lines[-1])["event"] == "stopped"


def test_a_log_that_nobody_reads_holds_up_nobody_and_loses_no_line(tmp_path: Path):
    count = 400
    (tmp_path / "config.yaml").write_text(json.dumps(own_key_config("http://[::1]:1")))
    process = subprocess.Popen(
        [
            *(sys.executable, Path(sys.executable).with_name("twistd")),
            *("--nodaemon", "--pidfile=", "byok", "--log-format", "json"),
            *("--listen", "tcp:0:interface=127.0.0.1"),
        ],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    lines: list[Json] = []
    while "port" not in (lines or [{}])[-1]:
        lines.append(json.loads(process.stdout.readline()))
    # From here on nobody reads, and a pipe takes 64 kB.
    with closing(HTTPConnection("127.0.0.1", int(str(lines[-1]["port"])))) as client:
        for _ in range(count):
            client.request("GET", "/" + "x" * 200)
            assert client.getresponse().read()
    process.terminate()
    lines += map(json.loads, process.communicate(timeout=20)[0].splitlines())
    written = [e for e in lines if e.get("event") == "access"]
    note("a log that was read late", json.dumps(lines))

    assert len(json.dumps(written)) > 2 * 65536
    assert len(written) == count
    assert lines[-1]["event"] == "stopped"


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path):
    """With streams on their way, and while keys are made as fast as it can."""
    with ProviderProcess() as provider:
        provider.always(MESSAGES, STREAM)
        config = own_key_config(provider.url)
        gateway = Gateway(tmp_path, config)
        gateway.make_key(key_alias="anna")
        place = Line(gateway=gateway, provider=provider)
        acknowledged: list[str] = []
        workers = [
            Thread(target=until_it_dies, args=(place.status,)),
            Thread(target=until_it_dies, args=(place.status,)),
            Thread(target=until_it_dies, args=(partial(add_key, place, acknowledged),)),
        ]
        for worker in workers:
            worker.start()
        assert eventually(lambda: len(acknowledged) >= 20)

        code = gateway._process.stop(signal.SIGKILL)

        for worker in workers:
            worker.join(20)
        note("the output of the gateway", gateway.output)
        with Gateway(tmp_path, config) as second:
            again = Line(gateway=second, provider=provider)
            callers = {again.get(WHOAMI, key=key)[0] for key in acknowledged}
            answered = again.status()

    assert code == -signal.SIGKILL
    assert not any(worker.is_alive() for worker in workers)
    assert callers == {200}
    assert answered == 200


def until_it_dies(act: Callable[[], object]) -> None:
    with suppress(OSError, HTTPException, ValueError):
        while True:
            act()


def add_key(place: Line, acknowledged: list[str]) -> None:
    status, said = place.gateway.post("/key/generate", {})
    assert status == 200
    acknowledged.append(str(said["key"]))
