"""The `byok` command itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from byok import __version__
from byok.cli import main


def run(*arguments):
    return CliRunner().invoke(main, [*arguments])


def test_help_lists_every_command_with_a_line():
    result = run("--help")

    assert result.exit_code == 0
    for name in ("validate", "explain-request", "keys"):
        assert f"  {name}  " in result.output


def test_the_version_is_shown():
    assert run("--version").output == f"byok {__version__}\n"


def test_an_unknown_command_is_an_error_that_names_the_nearest():
    result = run("validte")

    assert result.exit_code == 2
    assert "validate" in result.output


def loaded_by(code):
    script = f"import sys; {code}; print('\\n'.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(done.stdout.splitlines())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import byok.cli", {"byok.config", "yaml", "jsonschema", "byok.cli.validate"}),
        (
            "from byok.cli import validate",
            {"byok.web", "byok.upstream", "byok.store", "twisted", "treq"},
        ),
    ],
)
def test_a_command_loads_what_it_needs_and_no_more(code, absent):
    assert loaded_by(code) & absent == set()


PROGRAM = (sys.executable, "-c", "from byok.cli import main; main()")


def byok(*words, **options):
    """Run the program itself, whose standard streams are those of *options*."""
    return subprocess.run([*PROGRAM, *words], check=False, text=True, **options)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["validate", "nope"]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full device")
def test_a_full_disk_is_told_in_a_line(words):
    with Path("/dev/full").open("w") as full:
        done = byok(*words, stdout=full, stderr=subprocess.PIPE)

    assert done.returncode == 1
    assert done.stderr == "byok: cannot write the output: No space left on device\n"


def test_a_closed_output_is_told_before_anything_is_done(tmp_path):
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM, "keys", "create"],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr == "byok: standard output is closed\n"
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_read_enough_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = byok("--help", stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)

    assert done.stderr == ""


def test_what_a_terminal_cannot_show_is_escaped(tmp_path):
    name = os.fsdecode(b"caf\xc3\xa9-\xe9.yaml")
    done = byok(
        "validate",
        str(tmp_path / name),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )

    assert done.returncode == 2
    assert r"caf\xe9-\udce9.yaml cannot be read" in done.stdout
    assert done.stderr == ""
