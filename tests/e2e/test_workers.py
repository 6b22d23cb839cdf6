"""Several workers that serve as one gateway, as real processes."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from select import select
from threading import Event, Thread
from typing import Self

import pytest
import yaml

from tests.e2e.test_process import ended, started, write
from tests.support import keys, plays, sse
from tests.support.gateway import Gateway, Json, own_key_config
from tests.support.provider_process import ProviderProcess

pytestmark = pytest.mark.e2e

NOWHERE = "http://127.0.0.1:1"
ALIVE = b"GET /health/liveliness HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
MESSAGES = "/v1/messages"


@contextmanager
def workers(
    directory: Path, *arguments: str, count: int = 2, **sections: object
) -> Iterator[Gateway]:
    config = own_key_config(NOWHERE, **sections)
    with Gateway(directory, config, "--workers", str(count), *arguments) as gateway:
        assert len(ready(gateway, count)) == count
        yield gateway


def ready(gateway: Gateway, count: int) -> list[int]:
    """Wait until *count* workers were ready in all; return their processes."""

    def find(_: object) -> list[int] | None:
        told = [e for e in gateway.events if e.get("event") == "worker-started"]
        return [int(str(e["pid"])) for e in told] if len(told) >= count else None

    return gateway._process.wait_for(find)


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def generations(gateway: Gateway, count: int = 24) -> set[str]:
    """Ask on *count* connections, which go to all workers, what is in use."""
    answers = [get(gateway.port, "/health/readiness") for _ in range(count)]
    return {json.loads(body)["generation"] for _, body in answers}


class Clients:
    """Clients that ask again and again, each in its way, and keep what went wrong."""

    def __init__(self, port: int, *, count: int = 4) -> None:
        self._port = port
        self._stop = Event()
        self.served = 0
        self.wrong: list[str] = []
        ways: list[Callable[[], None]] = [self._anew, self._on_and_on]
        self._threads = [Thread(target=ways[at % 2]) for at in range(count)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(30)

    def wait_for(self, more: int) -> None:
        """Wait until *more* requests were answered."""
        enough = self.served + more
        while self.served < enough and any(each.is_alive() for each in self._threads):
            self._threads[0].join(0.01)

    def _ask(self, connection: HTTPConnection) -> bool:
        connection.request("GET", "/health/liveliness")
        answer = connection.getresponse()
        whole = answer.status == 200 and answer.read() == b'"I\'m alive!"'
        assert whole, answer.status
        self.served += 1
        return answer.will_close

    def _anew(self) -> None:
        while not self._stop.is_set():
            connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
            self._tried(connection)
            connection.close()

    def _on_and_on(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._stop.is_set():
            # http.client connects anew by itself where it was told to.
            if not self._tried(connection):
                connection.close()
        connection.close()

    def _tried(self, connection: HTTPConnection) -> bool:
        try:
            self._ask(connection)
        except (OSError, HTTPException, AssertionError) as error:
            self.wrong.append(type(error).__name__)
            return False
        return True


def test_two_workers_start_log_and_end_as_one(tmp_path: Path):
    with workers(tmp_path) as gateway:
        gateway.make_key(key_alias="anna")
        connection_headers = {"x-litellm-api-key": keys.VIRTUAL_KEY}

        def ask() -> None:
            connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)
            for _ in range(50):
                connection.request("GET", "/byok/whoami", headers=connection_headers)
                answer = connection.getresponse()
                assert json.loads(answer.read())["key"] == "anna"
            connection.close()

        threads = [Thread(target=ask) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)

    lines = [e for e in gateway.events if e.get("route") == "/byok/whoami"]
    assert len(lines) == 400
    # Every line is whole: nothing that was printed is anything but JSON.
    assert len(gateway.events) == len(gateway._process.lines)
    assert len([e for e in gateway.events if e.get("event") == "listening"]) == 1
    assert len([e for e in gateway.events if e.get("event") == "banner"]) == 1
    assert len([e for e in gateway.events if e.get("event") == "stopped"]) == 3


def test_connections_are_shared_out_evenly(tmp_path: Path):
    count = 200
    with workers(tmp_path) as gateway:
        stopped, _ = ready(gateway, 2)
        os.kill(stopped, signal.SIGSTOP)
        clients = [
            socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(count)
        ]
        for each in clients:
            each.sendall(ALIVE)
        waiting = set(clients)
        while answered := select(waiting, (), (), 2.0)[0]:
            waiting -= set(answered)
        os.kill(stopped, signal.SIGCONT)
        left = len(waiting)
        while waiting and (answered := select(waiting, (), (), 20.0)[0]):
            waiting -= set(answered)
        for each in clients:
            each.close()

    assert not waiting
    assert 0.3 * count < left < 0.7 * count


def test_a_worker_that_is_killed_is_replaced_and_others_go_on(tmp_path: Path):
    with workers(tmp_path) as gateway, Clients(gateway.port) as clients:
        clients.wait_for(50)
        os.kill(ready(gateway, 2)[0], signal.SIGKILL)
        lost = gateway.wait_for_event("worker-lost")
        ready(gateway, 3)
        wrong_by_then = len(clients.wrong)
        clients.wait_for(200)

    assert (lost["code"], lost["wait_s"]) == (-signal.SIGKILL, 0)
    assert set(clients.wrong) <= {"ConnectionResetError", "RemoteDisconnected"}
    # Each client meets it once at most: on the connection that it had.
    assert len(clients.wrong) == wrong_by_then <= 4


def test_one_that_dies_again_leaves_its_share_to_others_meanwhile(tmp_path: Path):
    with workers(tmp_path) as gateway:
        os.kill(ready(gateway, 2)[0], signal.SIGKILL)
        os.kill(ready(gateway, 3)[2], signal.SIGKILL)
        gateway.wait_for_event("worker-lost", wait_s=0.5)
        statuses = [get(gateway.port, "/health/liveliness")[0] for _ in range(20)]
        ready(gateway, 4)
        statuses += [get(gateway.port, "/health/liveliness")[0] for _ in range(20)]

    assert set(statuses) == {200}


def test_a_rolling_restart_drops_no_request(tmp_path: Path):
    with workers(tmp_path, limits={"drain_s": 20}) as gateway:
        before = ready(gateway, 2)
        with Clients(gateway.port) as clients:
            clients.wait_for(50)
            os.kill(gateway._process.pid, signal.SIGUSR2)
            gateway.wait_for_event("workers-replaced")
            clients.wait_for(50)
            gateway._process.wait_for(lambda _: gone(before) or None)
            clients.wait_for(50)

    assert clients.wrong == []
    assert len(set(ready(gateway, 4))) == 4


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_new_worker_that_does_not_come_up_leaves_the_old_ones(tmp_path: Path):
    with workers(tmp_path) as gateway:
        before = ready(gateway, 2)
        good = gateway.config_file.read_text()
        gateway.config_file.write_text("nonsense: 1\n")
        os.kill(gateway._process.pid, signal.SIGUSR2)
        gateway.wait_for_event("workers-kept")
        statuses = {get(gateway.port, "/health/liveliness")[0] for _ in range(10)}
        gateway.config_file.write_text(good)
        os.kill(gateway._process.pid, signal.SIGUSR2)
        gateway.wait_for_event("workers-replaced")

        assert statuses == {200}
        assert len(set(ready(gateway, 4)) - set(before)) == 2


def test_a_reload_reaches_every_worker_before_it_is_answered(tmp_path: Path):
    with workers(tmp_path) as gateway:
        first = generations(gateway)
        config = yaml.safe_load(gateway.config_file.read_text())
        config["general_settings"]["user_header_name"] = "x-who"
        gateway.config_file.write_text(yaml.safe_dump(config))
        status, answer = gateway.post("/byok/reload", {})
        second = generations(gateway)

    assert (status, answer["workers"]) == (200, {"reloaded": 2, "workers": 2})
    assert len(first) == len(second) == 1
    assert second == {answer["generation"]}
    assert {each[:3] for each in first | second} == {"g1-", "g2-"}


def test_a_worker_that_is_replaced_serves_by_what_the_others_serve_by(tmp_path: Path):
    write_policies(tmp_path, "what was reviewed")
    with workers(tmp_path, policy_files=["rules.yaml"]) as gateway:
        (generation,) = generations(gateway)
        # Nobody reviewed this, and it could be used.
        write_policies(tmp_path, "what nobody looked at")
        config = yaml.safe_load(gateway.config_file.read_text())
        config["general_settings"]["user_header_name"] = "x-who"
        gateway.config_file.write_text(yaml.safe_dump(config))
        os.kill(ready(gateway, 2)[0], signal.SIGKILL)
        ready(gateway, 3)
        after = generations(gateway)
        # And what is there can be used by nobody.
        (tmp_path / "rules.yaml").unlink()
        gateway.config_file.write_text("nonsense: [\n")
        os.kill(ready(gateway, 3)[1], signal.SIGKILL)
        ready(gateway, 4)
        at_last = generations(gateway)

    assert after == at_last == {generation}


def write_policies(directory: Path, why: str) -> None:
    rule = {
        "id": "no-lab",
        "match": {"header": {"name": ["x-lab"]}},
        "action": "strip",
        "why": why,
    }
    document = {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "ours", "owner": "us"},
        "tier": "settings",
        "rules": [rule],
    }
    (directory / "rules.yaml").write_text(yaml.safe_dump(document))


def test_a_worker_that_is_replaced_keeps_what_was_reloaded(tmp_path: Path):
    with workers(tmp_path) as gateway:
        good = gateway.config_file.read_text()
        config = yaml.safe_load(good)
        config["general_settings"]["user_header_name"] = "x-who"
        gateway.config_file.write_text(yaml.safe_dump(config))
        status, answer = gateway.post("/byok/reload", {})
        gateway.config_file.write_text(good)
        for at in range(2):
            os.kill(ready(gateway, 2 + at)[at], signal.SIGKILL)
            ready(gateway, 3 + at)
        after = generations(gateway)

    assert (status, str(answer["previous"])[:3]) == (200, "g1-")
    assert after == {answer["generation"]}


def test_a_signal_reloads_every_worker(tmp_path: Path):
    with workers(tmp_path) as gateway:
        os.kill(gateway._process.pid, signal.SIGHUP)

        def both(_: object) -> list[Json] | None:
            told = [e for e in gateway.events if e.get("event") == "reloaded"]
            return told if len(told) == 2 else None

        told = gateway._process.wait_for(both)

        assert {each["by"] for each in told} == {"SIGHUP"}
        assert {each[:3] for each in generations(gateway)} == {"g2-"}


def test_a_stop_lets_the_streams_of_all_workers_end(tmp_path: Path):
    held = plays.stream(sse.text_stream("a word")).hold_before(
        b"event: message_delta", signal="go"
    )
    bodies: list[bytes] = []
    with ProviderProcess() as provider:
        config = own_key_config(provider.url, limits={"drain_s": 30})
        with Gateway(tmp_path, config, "--workers", "2") as gateway:
            ready(gateway, 2)
            gateway.make_key(key_alias="anna")
            provider.always(MESSAGES, held)
            streams = [begun(gateway.port) for _ in range(6)]
            answers = [each.getresponse() for each in streams]
            os.kill(gateway._process.pid, signal.SIGTERM)
            gateway.wait_for_event("draining")
            provider.fire("go")
            bodies += [each.read() for each in answers]
            for each in streams:
                each.close()

    assert [b"message_stop" in each for each in bodies] == [True] * 6
    lines = [e for e in gateway.events if e.get("route") == MESSAGES]
    assert {(e["status"], e["ending"]) for e in lines} == {(200, "complete")}


def begun(port: int) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    body = {"model": "claude-opus-5-5", "messages": [], "stream": True}
    headers = {
        "x-litellm-api-key": keys.VIRTUAL_KEY,
        "x-api-key": keys.ANTHROPIC_API_KEY,
    }
    connection.request("POST", MESSAGES, json.dumps(body), headers)
    return connection


def test_a_second_signal_ends_the_streams_of_all_workers(tmp_path: Path):
    held = plays.stream(sse.text_stream("a word")).hold_before(
        b"event: message_delta", signal="never"
    )
    with ProviderProcess() as provider:
        config = own_key_config(provider.url, limits={"drain_s": 600})
        with Gateway(tmp_path, config, "--workers", "2") as gateway:
            ready(gateway, 2)
            gateway.make_key(key_alias="anna")
            provider.always(MESSAGES, held)
            stream = begun(gateway.port)
            answer = stream.getresponse()
            os.kill(gateway._process.pid, signal.SIGTERM)
            gateway.wait_for_event("draining")
        told = answer.read1(65536)
        stream.close()

    assert b"message_start" in told
    (line,) = [e for e in gateway.events if e.get("route") == MESSAGES]
    assert line["ending"] == "stopped"


def test_workers_end_when_their_supervisor_is_gone(tmp_path: Path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(own_key_config(NOWHERE)))
    process = started(
        tmp_path,
        *("--workers", "2", "--log-format", "json"),
        *("--listen", "tcp:0:interface=127.0.0.1"),
    )

    def both(lines: object) -> list[int] | None:
        told = [json.loads(each) for each in process.lines if "worker-started" in each]
        return [each["pid"] for each in told] if len(told) == 2 else None

    process.wait_for(both)
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    # Its output ends with the last one that holds it.
    process._reader.join(30)
    process.stop()

    assert not process._reader.is_alive()
    assert process.output.count('"stopped"') == 2


def test_a_unix_socket_is_shared_too(tmp_path: Path):
    path = tmp_path / "byok.sock"
    with workers(tmp_path, "--listen", f"unix:{path}") as gateway:
        os.kill(gateway._process.pid, signal.SIGUSR2)
        gateway.wait_for_event("workers-replaced")
        for _ in range(10):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(ALIVE)
                assert client.recv(4096).startswith(b"HTTP/1.1 200 ")

    assert not path.exists()


def test_a_port_that_is_taken_fails_the_start(tmp_path: Path):
    write(tmp_path, own_key_config(NOWHERE))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = started(
            tmp_path, "--workers", "2", "--listen", f"tcp:{port}:interface=127.0.0.1"
        )
        code = ended(process)
    process.stop()

    assert code == 1
    assert "Address already in use" in process.output


def test_what_no_worker_can_use_fails_the_start(tmp_path: Path):
    write(tmp_path, {**own_key_config(NOWHERE), "store": "sqlite:///no/such/dir/a.db"})
    process = started(tmp_path, "--workers", "2", "--listen", "tcp:0")

    code = ended(process)
    process.stop()

    assert code == 1
    assert "byok could not start" in process.output
