"""The gateway as twistd runs it: how it starts, fails to start, and ends."""

import getpass
import json
import signal
import socket
import stat
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

from tests.support import keys
from tests.support.gateway import Gateway, environment, events_of, own_key_config
from tests.support.processes import Watched
from tests.support.sweep import exempt

pytestmark = pytest.mark.e2e

NOWHERE = "http://127.0.0.1:1"
SHOW = 'echo "$ANTHROPIC_BASE_URL $ANTHROPIC_CUSTOM_HEADERS"'
NEXT_SECOND = 'now=$(date); while [ "$(date)" = "$now" ]; do :; done'


def started(directory: Path, *arguments: str, env=None) -> Watched:
    """Run `twistd byok` in *directory*, in the configuration that is there."""
    twistd = Path(sys.executable).with_name("twistd")
    return Watched(
        [sys.executable, twistd, "-n", "--pidfile=", "byok", *arguments],
        cwd=directory,
        env={**environment(directory), **(env or {})},
    )


def ended(process: Watched) -> int:
    """Wait for *process* to end by itself; return the exit code."""
    return process._process.wait(timeout=30)


def write(directory: Path, config: dict[str, object]) -> None:
    (directory / "config.yaml").write_text(yaml.safe_dump(config))


def test_it_listens_tells_where_and_ends_cleanly(tmp_path: Path):
    with Gateway(tmp_path, own_key_config(NOWHERE)) as gateway:
        listening = gateway.wait_for_event("listening")

        assert listening["address"] == "127.0.0.1"
        assert listening["exposure"] == "this machine only"


def test_the_lines_it_prints_make_a_shell_ready_each_time_they_are_pasted(
    tmp_path: Path,
):
    home, elsewhere = tmp_path / "my gateway", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    with Gateway(home, own_key_config(NOWHERE)) as gateway:
        lines = gateway.wait_for_event("banner")["lines"]
        assert isinstance(lines, list)
        pasted = "\n".join(line for line in lines if line.startswith("  export "))

        done = subprocess.run(
            ["sh", "-c", f"{pasted}\n{SHOW}\n{NEXT_SECOND}\n{pasted}\n{SHOW}"],
            cwd=elsewhere,
            env=environment(elsewhere),
            capture_output=True,
            text=True,
            check=False,
        )

        callers = set()
        for line in done.stdout.splitlines():
            url, name, key = line.split()
            assert (url, name) == (gateway.url, "x-litellm-api-key:")
            callers.add(caller_of(gateway, key))
        assert len(callers) == 2, done.stderr
        assert {name[:-16] for name in callers} == {getpass.getuser()}


def caller_of(gateway: Gateway, key: str) -> str:
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    connection.request("GET", "/byok/whoami", headers={"x-litellm-api-key": key})
    name = json.loads(connection.getresponse().read())["key"]
    connection.close()
    return str(name)


def test_a_key_made_before_a_restart_works_after_it(tmp_path: Path):
    with Gateway(tmp_path, own_key_config(NOWHERE)) as gateway:
        gateway.make_key(key_alias="anna")
    with Gateway(tmp_path, own_key_config(NOWHERE)) as gateway:
        assert caller_of(gateway, keys.VIRTUAL_KEY) == "anna"


def test_the_first_start_makes_a_master_key_that_only_its_owner_can_read(
    tmp_path: Path,
):
    config = own_key_config(NOWHERE)
    config["general_settings"] = {
        "master_key": "file:master.key",
        "generate_master_key": True,
        "allow_plaintext_loopback": True,
    }
    path = exempt(tmp_path / "master.key")
    with Gateway(tmp_path, config) as gateway:
        made = gateway.wait_for_event("master-key-made")
        first = path.read_text()

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert str(made["path"]).endswith("master.key")
        assert first.strip() not in gateway.output
        status, _ = gateway.post(
            "/key/generate", {"key_alias": "anna"}, key=first.strip()
        )
        assert status == 200
    with Gateway(tmp_path, config) as gateway:
        assert path.read_text() == first


def test_a_running_gateway_says_when_its_configuration_changed(tmp_path: Path):
    with Gateway(tmp_path, own_key_config(NOWHERE)) as gateway:
        with gateway.config_file.open("a") as file:
            file.write("# another line\n")

        changed = gateway.wait_for_event("config-changed")

        assert str(changed["files"]).endswith("config.yaml")
        connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        connection.request("GET", "/health/readiness")
        assert b"changed on disk" in connection.getresponse().read()
        connection.close()


def test_a_port_in_use_is_one_line_and_an_exit_code(tmp_path: Path):
    write(tmp_path, own_key_config(NOWHERE))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = started(tmp_path, "--port", str(port), "--log-format", "json")

        code = ended(process)

    process.stop()
    assert code == 1
    failed = [e for e in events_of(process.lines) if e.get("event") == "start-failed"]
    assert len(failed) == 1
    assert failed[0]["level"] == "critical"
    assert str(port) in str(failed[0]["reason"])
    assert "Traceback" not in process.output


def test_a_store_that_cannot_be_opened_is_one_line_and_an_exit_code(tmp_path: Path):
    write(tmp_path, {**own_key_config(NOWHERE), "store": "sqlite:///missing/byok.db"})
    process = started(tmp_path, "--port", "0")

    code = ended(process)

    process.stop()
    assert code == 1
    assert "byok could not start" in process.output
    assert "Traceback" not in process.output


def test_a_broken_configuration_is_told_in_full_and_without_a_traceback(
    tmp_path: Path,
):
    config = own_key_config(
        NOWHERE, general_settings={"allow_plaintext_loopback": "yes"}
    )
    write(tmp_path, {**config, "store": "sqlite://"})
    process = started(tmp_path)

    code = ended(process)

    process.stop()
    assert code == 1
    assert "allow_plaintext_loopback" in process.output
    assert "store" in process.output
    assert "Traceback" not in process.output


def test_the_environment_is_not_read_for_keys_that_nobody_named(tmp_path: Path):
    with Gateway(tmp_path, own_key_config(NOWHERE)) as gateway:
        gateway.make_key(key_alias="anna")
        connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        connection.request(
            "POST",
            "/v1/messages",
            b'{"model":"claude-opus-5-5"}',
            {"x-litellm-api-key": keys.VIRTUAL_KEY},
        )
        answer = connection.getresponse()

        assert answer.status == 401
        assert answer.headers["x-byok-error"] == "credential.missing"
        connection.close()


def test_debug_explains_each_request_as_litellm_users_ask_for_it(tmp_path: Path):
    write(tmp_path, own_key_config(NOWHERE))
    process = started(
        tmp_path,
        *("--listen", "tcp:0:interface=127.0.0.1", "--log-format", "json"),
        env={"LITELLM_LOG": "DEBUG"},
    )
    try:
        listening = process.wait_for(
            lambda lines: next(
                (e for e in events_of(lines) if e.get("event") == "listening"), None
            )
        )
        connection = HTTPConnection(
            "127.0.0.1", int(str(listening["port"])), timeout=20
        )
        headers = {
            "x-litellm-api-key": keys.MASTER_KEY,
            "x-api-key": keys.ANTHROPIC_API_KEY,
        }
        body = b'{"model":"claude-opus-5-5"}'
        connection.request("POST", "/v1/messages", body, headers)
        connection.getresponse().read()
        connection.close()
        process.wait_for(
            lambda lines: next(
                (e for e in events_of(lines) if e.get("event") == "access"), None
            )
        )
    finally:
        code = process.stop()

    assert code == -signal.SIGTERM
    assert "credential client x-api-key  (payer: user-key)" in process.output
    assert keys.ANTHROPIC_API_KEY not in process.output
    assert keys.MASTER_KEY not in process.output
