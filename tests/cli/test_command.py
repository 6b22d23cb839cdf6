"""The `byok` command itself."""

import subprocess
import sys

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
