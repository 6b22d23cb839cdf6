"""S-27, S-28, S-73: what keeps others out of the process, and from reaching it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from byok.config import load
from tests.support import keys
from tests.support.gateway import Gateway, environment, own_key_config
from tests.support.processes import ROOT
from tests.support.sweep import note

pytestmark = pytest.mark.e2e

NOWHERE = "http://127.0.0.1:1"
LOCALS = """
import sys
from twisted.internet import defer
defer.setDebugging(True)
from twisted.scripts.twistd import run
sys.argv[0] = "twistd"
run()
"""
STATE = """
import ctypes, json, os, resource
from pathlib import Path
from byok.hardening import harden
harden()
Path("made").write_text("")
print(json.dumps({
    "mode": oct(os.stat("made").st_mode & 0o777),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
}))
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")


def started(
    directory: Path, *before: str, program: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Start a gateway that is expected to end by itself."""
    (directory / "config.yaml").write_text(yaml.safe_dump(own_key_config(NOWHERE)))
    twistd = program or (str(Path(sys.executable).with_name("twistd")),)
    options = ("--nodaemon", "--pidfile=", *before, "byok", "--port", "0")
    done = subprocess.run(
        [sys.executable, *twistd, *options],
        cwd=directory,
        env=environment(directory),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    note("what it said", done.stdout + done.stderr)
    return done


@pytest.mark.parametrize("option", ["--debug", "-b"])
def test_what_shows_variables_is_refused(tmp_path: Path, option: str):
    done = started(tmp_path, option)

    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "shows the variables of running code" in said
    assert "listening" not in said


def test_what_keeps_variables_is_refused(tmp_path: Path):
    done = started(tmp_path, program=("-c", LOCALS))

    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "defer.setDebugging" in said
    assert "listening" not in said


@linux
def test_a_process_is_closed_to_others_and_so_are_its_files(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", STATE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout.strip() == '{"mode": "0o600", "core": [0, 0], "dumpable": 0}'


@linux
def test_a_gateway_is_closed_to_others_before_it_listens(tmp_path: Path):
    log = tmp_path / "gateway.log"
    with Gateway(tmp_path, own_key_config(NOWHERE), logfile=log) as gateway:
        gateway.make_key(key_alias="anna")
        pid = gateway._process.pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        owner_of_memory = Path(f"/proc/{pid}/mem").stat().st_uid
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()

    (core,) = [each for each in limits.splitlines() if each.startswith("Max core")]
    assert core.split()[4:6] == ["0", "0"]
    # Of a process that can be dumped it would be whoever runs it; root is no test.
    assert owner_of_memory == 0
    made = ("gateway.log", "byok.db", "byok.db.pepper")
    assert {name: mode_of(tmp_path / name) for name in made} == dict.fromkeys(
        made, "0o600"
    )
    # S-29: other users read the arguments of a process.
    assert not any(each.encode() in arguments for each in keys.ALL_CANARIES)


def mode_of(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_by_default_this_machine_alone_is_listened_on(tmp_path: Path):
    """S-73: said and done."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(own_key_config(NOWHERE)))

    config = load(path, environ=environment(tmp_path))

    assert [each.endpoint for each in config.listen] == ["tcp:4000:interface=127.0.0.1"]
