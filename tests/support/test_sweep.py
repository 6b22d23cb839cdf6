import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import keys
from tests.support.processes import ROOT
from tests.support.sweep import Sweep, exempt, leaks_in, report

SECRET = keys.DEPLOYMENT_KEY


@pytest.mark.parametrize("secret", keys.ALL_CANARIES)
@pytest.mark.parametrize(
    "written",
    [
        str,
        repr,
        str.lower,
        str.swapcase,
        lambda secret: secret[::-1],
        quote,
        lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
        lambda secret: secret.encode().hex(),
        lambda secret: secret.encode().hex(":").upper(),
        lambda secret: "".join(f"\\u{ord(letter):04X}" for letter in secret),
        lambda secret: secret.encode("utf-16").decode("latin-1"),
        lambda secret: secret.encode("utf-16-be").decode("latin-1"),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(b"x" + secret.encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(b"\xff\xfe" + secret.encode()).decode(),
    ],
)
def test_a_planted_secret_is_seen_in_every_form(secret, written):
    data = f"before {written(secret)} after".encode("latin-1")

    (what,) = {leak.what for leak in leaks_in(data, "here")}

    assert keys.MARKERS[what] in secret


@given(st.sampled_from(list(keys.MARKERS)), st.integers(0, 99), st.integers(23, 60))
def test_a_fragment_of_two_dozen_characters_is_enough(what, start, length):
    fragment = keys.planted("", what, length=200)[start : start + length].encode()

    for written in (fragment, base64.b64encode(fragment), fragment.hex().encode()):
        assert {leak.what for leak in leaks_in(written, "here")} == {what}


@pytest.mark.parametrize(
    "data", [b"", b"canary CANARY 43414e415259", b"Q0FOQVJZ", os.urandom(200_000)]
)
def test_nothing_is_seen_where_nothing_was_planted(data):
    assert leaks_in(data, "here") == []


def test_a_report_names_secret_form_and_place_without_the_secret():
    text = report(leaks_in(SECRET.encode(), "the log"))

    assert "deployment key, plain or in another case, in the log" in text
    assert leaks_in(text.encode(), "the report") == []


def test_files_are_searched_by_name_and_content_unless_exempt(tmp_path):
    inside = exempt(tmp_path / "inside")
    (inside / "deep").mkdir(parents=True)
    (inside / "deep" / "a").write_text(SECRET)
    (inside / "source").write_text(keys.MASTER_KEY)
    (inside / keys.VIRTUAL_KEY).touch()
    (inside / "link").symlink_to("source")
    sweep = Sweep(directories=[inside], exempted={inside / "source"})

    leaks = sweep.finish()

    assert {(leak.what, leak.where) for leak in leaks} == {
        ("deployment key", str(inside / "deep" / "a")),
        ("virtual key", f"the name of {inside / keys.VIRTUAL_KEY}"),
    }
    assert sweep.finish() == []


TESTS = """
    import logging, sqlite3, sys, tempfile
    import click
    import pytest
    from click.testing import CliRunner
    from twisted.logger import Logger
    from twisted.trial.unittest import TestCase
    from tests.support.keys import DEPLOYMENT_KEY as SECRET
    from tests.support.sweep import allow, exempt, note

    def test_leak_printed():
        print("key", SECRET)

    def test_leak_on_standard_error():
        sys.stderr.write(SECRET.encode().hex())

    def test_leak_in_captured_output(capsys):
        print(SECRET)
        assert capsys.readouterr().out

    def test_leak_in_logging():
        logging.getLogger("a").warning(SECRET)

    def test_leak_in_an_event():
        Logger().info("key {key}", key=SECRET)

    def test_leak_in_an_event_where_nobody_looks():
        Logger().info("request", headers=[SECRET])

    def test_leak_in_a_failure():
        try:
            int(SECRET)
        except ValueError:
            Logger().failure("cannot")

    def test_leak_in_a_file(tmp_path):
        (tmp_path / "a").write_text(SECRET.lower())

    def test_leak_in_a_database(tmp_path):
        with sqlite3.connect(tmp_path / "byok.db") as connection:
            connection.execute("create table keys (k text)")
            connection.execute("insert into keys values (?)", (SECRET,))
        connection.close()

    def test_leak_of_a_child():
        note("the output of a child", SECRET)

    def test_leak_of_a_command():
        command = click.Command("show", callback=lambda: click.echo(SECRET))
        assert CliRunner().invoke(command).exit_code == 0

    class TrialTests(TestCase):
        def test_leak_in_a_file_of_trial(self):
            with open(self.mktemp(), "w") as file:
                file.write(SECRET)

    def test_tight_source(secret_file):
        assert SECRET in secret_file(SECRET).read_text()

    def test_tight_exempt_directory(tmp_path):
        exempt(tmp_path / "home").mkdir()
        (tmp_path / "home" / "a").write_text(SECRET)

    def test_tight_showing_on_purpose():
        allow(SECRET)
        print(SECRET)

    def test_tight_after_showing_on_purpose():
        print("CANARY")
"""
LEFT_BEHIND = """
    import tempfile
    from tests.support.keys import DEPLOYMENT_KEY as SECRET

    def test_that_leaves_a_temporary_file():
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(SECRET)
"""


def outcomes_of(directory: Path, text: str, *arguments: str) -> dict[str, str]:
    """Run the tests in *text* under our conftest, and return how each ended."""
    exempt(directory)
    (directory / "conftest.py").write_text("from tests.conftest import *\n")
    (directory / "test_planted.py").write_text(dedent(text))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"),
            *("-c", os.devnull, f"--rootdir={directory}"),
            *(f"--basetemp={directory / 'temp'}", *arguments, str(directory)),
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = re.findall(
        r"^(PASSED|ERROR|FAILED) \S*::(\w+)", run.stdout, re.MULTILINE
    )
    return {name: outcome for outcome, name in outcomes}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_every_way_out_of_a_test_is_swept(tmp_path, workers):
    outcomes = outcomes_of(tmp_path, TESTS, *workers)

    assert outcomes == {
        name: "ERROR" if name.startswith("test_leak") else "PASSED"
        for name in re.findall(r"def (test_\w+)", TESTS)
    }
    assert len(outcomes) == 16


def test_what_no_test_owns_is_swept_at_the_end(tmp_path):
    assert outcomes_of(tmp_path, LEFT_BEHIND) == {
        "test_that_leaves_a_temporary_file": "ERROR"
    }
