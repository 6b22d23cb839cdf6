"""
The sweep for planted secrets after every test, and what it needs to see.

Nothing here has to be asked for: a test that plants a secret from
`tests.support.keys` and lets it out fails at its teardown. See
`tests/support/sweep.py` for what may be registered as no output.
"""

import tempfile
from collections.abc import Callable, Generator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from twisted.logger import (
    ILogObserver,
    LogEvent,
    eventAsJSON,
    formatEvent,
    globalLogPublisher,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from tests.support.postgres import postgres as postgres  # noqa: PLC0414
from tests.support.sweep import SWEEP, exempt, note, report
from tests.support.valkey import valkey as valkey  # noqa: PLC0414
from tests.support.valkey import (
    valkey_of_session as valkey_of_session,  # noqa: PLC0414
)

# On a busy machine an example may take long without being slow; a test that hangs
# is stopped by the timeout of all tests.
settings.register_profile("byok", deadline=None)
settings.load_profile("byok")


def pytest_configure() -> None:
    globalLogPublisher.addObserver(sweep_event)


def pytest_unconfigure() -> None:
    globalLogPublisher.removeObserver(sweep_event)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test at the end of its teardown for every secret that it let out."""
    made = yield
    if made.when == "teardown":
        for title, text in made.sections:
            note(title, text)
        leaks = SWEEP.finish()
        # Not before: the last test of all shares its teardown with the session's.
        SWEEP.allowed.clear()
        if leaks:
            made.outcome = "failed"
            made.longrepr = report(leaks)
    return made


@provider(ILogObserver)
def sweep_event(event: LogEvent) -> None:
    """
    Look at an event of twisted's log as both of its own observers would show it.

    This is before our observers clean it: an event should not hold a secret in
    the first place.
    """
    namespace = event.get("log_namespace")
    note(f"a log event of {namespace}", formatEvent(event))
    note(f"a log event of {namespace} as JSON", eventAsJSON(dict(event)))
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        note(f"a traceback logged by {namespace}", failure.getTraceback())


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """The test's own directory; everything in it is an output, unless exempt."""
    SWEEP.directories.append(tmp_path)
    return tmp_path


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a secret to a file that a configuration may name as its source."""

    def write(secret: str, name: str = "secret.key") -> Path:
        path = exempt(tmp_path / name)
        path.touch(mode=0o600)
        path.write_text(secret, encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def sweep_what_is_captured(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look at output that a test takes away before the report has it."""
    numbers = count()

    def read(capture: pytest.CaptureFixture[str]) -> object:
        captured = read_captured(capture)
        note("captured output", f"{captured.out}\n{captured.err}")
        return captured

    def invoke(runner: CliRunner, *arguments: Any, **options: Any) -> Result:
        result = invoke_command(runner, *arguments, **options)
        note("the output of a command", result.output_bytes)
        return result

    def mktemp(case: SynchronousTestCase) -> str:
        directory: Path = request.getfixturevalue("tmp_path")
        return str(directory / f"trial-{next(numbers)}")

    read_captured = pytest.CaptureFixture.readouterr
    invoke_command = CliRunner.invoke
    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", read)
    monkeypatch.setattr(CliRunner, "invoke", invoke)
    monkeypatch.setattr(SynchronousTestCase, "mktemp", mktemp)


@pytest.fixture(scope="session", autouse=True)
def sweep_what_no_test_owns(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Keep temporary files where they can be searched, and do so at the end."""
    before = tempfile.tempdir
    tempfile.tempdir = str(tmp_path_factory.mktemp("tempfile"))
    yield
    tempfile.tempdir = before
    for directory in tmp_path_factory.getbasetemp().iterdir():
        # Beside each directory pytest keeps a link to the latest of its name.
        if not directory.is_symlink() and directory not in SWEEP.swept:
            SWEEP.look_into(directory)
    leaks = SWEEP.finish()
    assert not leaks, report(leaks)
