"""What `twistd byok` understands, and what it says when it cannot use it."""

from pathlib import Path
from time import monotonic

import pytest
import yaml
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.logger import ILogObserver, LogLevel
from twisted.python import usage
from twisted.python.usage import UsageError

import byok.tap
from byok.service import GatewayService
from byok.tap import Options, makeService
from byok.workers.supervisor import Supervisor
from tests.support import keys

CONFIG = {
    "model_list": [
        {"model_name": "claude-*", "litellm_params": {"model": "anthropic/claude-*"}}
    ],
    "general_settings": {"master_key": "os.environ/BYOK_TEST_MASTER_KEY"},
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYOK_TEST_MASTER_KEY", keys.MASTER_KEY)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The reactor is everybody's: it keeps the time that it had.

    The process is as well; that it is closed to others is tested with one of its own.
    """
    monkeypatch.setattr(byok.tap, "harden", lambda: None)
    monkeypatch.setattr(reactor, "seconds", IReactorTime(reactor).seconds)
    monkeypatch.setattr(reactor, "stop", IReactorCore(reactor).stop)


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


@pytest.mark.parametrize(
    ("arguments", "listeners"),
    [
        ((), []),
        (("--port", "4001"), ["tcp:4001:interface=127.0.0.1"]),
        (("--host", "0.0.0.0"), ["tcp:4000:interface=0.0.0.0"]),
        (("--host", "::1", "--port", "0"), ["tcp6:0:interface=\\:\\:1"]),
        (
            ("--listen", "unix:/run/a.sock", "--listen", "tcp:0"),
            ["unix:/run/a.sock", "tcp:0"],
        ),
    ],
)
def test_where_to_listen_can_be_said_on_the_command_line(arguments, listeners):
    assert parsed(*arguments).listeners == listeners


@pytest.mark.parametrize(
    ("arguments", "litellm_log", "level"),
    [
        ((), None, LogLevel.info),
        ((), "DEBUG", LogLevel.debug),
        ((), "WARNING", LogLevel.warn),
        ((), "ERROR", LogLevel.error),
        ((), "nonsense", LogLevel.info),
        (("--log-level", "warn"), "DEBUG", LogLevel.warn),
        (("--log-level", "Debug"), None, LogLevel.debug),
    ],
)
def test_the_level_is_said_on_the_command_line_or_as_litellm_users_do(
    arguments, litellm_log, level, monkeypatch
):
    monkeypatch.delenv("LITELLM_LOG", raising=False)
    if litellm_log is not None:
        monkeypatch.setenv("LITELLM_LOG", litellm_log)

    assert parsed(*arguments).level is level


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log-format", "xml"),
        ("--log-level", "loud"),
        ("--port", "http"),
        ("--port", "65536"),
        ("--port", "-1"),
        ("--port", "٤"),
        ("--workers", "0"),
        ("--workers", "65"),
        ("--workers", "٤"),
        ("--workers", "many"),
        ("--as-worker", "1"),
        ("--nonsense",),
        ("extra",),
    ],
)
def test_nonsense_is_a_usage_error(arguments):
    with pytest.raises(UsageError):
        parsed(*arguments)


def test_the_help_shows_an_example():
    assert "--config config.yaml" in str(Options())


def test_a_service_is_made_and_nothing_is_opened(config: Path):
    service = makeService(parsed("-c", str(config)))

    assert isinstance(service, GatewayService)
    assert service.listening == ()
    assert [path.name for path in config.parent.iterdir()] == ["config.yaml"]


def test_several_workers_have_a_supervisor_and_one_has_none(config: Path):
    several = makeService(parsed("-c", str(config), "--workers", "2"))
    alone = makeService(parsed("-c", str(config), "--workers", "1"))

    assert isinstance(several, Supervisor)
    assert isinstance(alone, GatewayService)
    assert [path.name for path in config.parent.iterdir()] == ["config.yaml"]


def test_timers_do_not_ask_for_the_time_of_day(config: Path):
    makeService(parsed("-c", str(config)))

    assert IReactorTime(reactor).seconds is monotonic


def test_its_log_takes_the_place_of_twistds(config: Path):
    application = Application("byok")

    makeService(parsed("-c", str(config))).setServiceParent(application)

    assert application.getComponent(ILogObserver, None) is not None


def test_everything_wrong_with_a_configuration_is_said_at_once(config: Path):
    broken = {
        **CONFIG,
        "listen": "carrier-pigeon:1",
        "general_settings": {"master_key": "os.environ/BYOK_TEST_NOT_SET"},
    }
    config.write_text(yaml.safe_dump(broken))

    with pytest.raises(SystemExit) as caught:
        makeService(parsed("-c", str(config)))

    assert "BYOK_TEST_NOT_SET" in str(caught.value)
    assert "listen" in str(caught.value)
    assert "byok validate" in str(caught.value)


def test_a_missing_configuration_ends_with_a_word(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"missing\.yaml"):
        makeService(parsed("-c", str(tmp_path / "missing.yaml")))


def test_a_listener_on_the_command_line_that_is_none_ends_with_a_word(config: Path):
    with pytest.raises(SystemExit):
        makeService(parsed("-c", str(config), "--listen", "carrier-pigeon:1"))


@pytest.mark.parametrize(
    ("option", "value"),
    [("logger", "twisted.logger.textFileLogObserver"), ("syslog", 1)],
)
def test_a_log_that_is_not_cleaned_is_refused(config: Path, option, value):
    options = parsed("-c", str(config))
    options.parent = usage.Options()
    options.parent[option] = value

    with pytest.raises(SystemExit, match=f"--log-format.*in place of --{option}"):
        makeService(options)
