"""What `twistd byok` understands, and the service it makes of that."""

import atexit
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TextIO

from constantly import NamedConstant  # type: ignore[import-untyped]
from twisted.application.service import IService
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger, LogLevel
from twisted.python import usage

from byok.config import Config, ConfigError, examine, load
from byok.config.kept import Kept
from byok.config.listeners import ListenerError, of_host_and_port
from byok.hardening import harden, why_not
from byok.logs.live import LiveSecrets
from byok.logs.observers import human_observer, json_observer, missing_lines
from byok.logs.scarcity import Scarcity
from byok.logs.writer import LineWriter
from byok.service import GatewayService
from byok.upstream.lookups import answer_every_lookup
from byok.workers.handover import Handover
from byok.workers.member import Member, Membership
from byok.workers.supervisor import Supervisor

DEFAULT_PORT = 4000
_MAX_PORT = 65535
_MAX_WORKERS = 64

LEVELS = {
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "warning": LogLevel.warn,
    "error": LogLevel.error,
    "critical": LogLevel.critical,
}
FORMATS = ("human", "json")


class Options(usage.Options):
    """The options behind `twistd byok`."""

    synopsis = "[options]"
    longdesc = (
        "A gateway between Claude Code and Anthropic where every developer brings"
        " their own key. Example: twistd --nodaemon byok --config config.yaml"
        " --port 4000. Check a configuration with `byok validate config.yaml`, and"
        " see what one request would become with `byok explain-request`."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", "config.yaml", "The configuration file."],
        ["host", None, None, "Address to listen on.  [default: the config's listen]"],
        ["port", None, None, "Port to listen on.  [default: the config's listen]"],
        ["log-format", None, None, "human or json."],
        ["log-level", None, None, "debug, info, warn, error or critical."],
        ["workers", None, "1", "How many processes share the work."],
        ["as-worker", None, None, "What a supervisor tells its workers; not for you."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """Twisted endpoint to listen on, such as tcp:4000:interface=127.0.0.1 or
        unix:/run/byok.sock. May be repeated; replaces the config's listen."""
        self["listen"].append(endpoint)

    def postOptions(self) -> None:
        """Check what can be checked without the configuration."""
        if self["log-format"] not in (None, *FORMATS):
            raise usage.UsageError("--log-format is human or json")
        if self["log-level"] is not None and self["log-level"].lower() not in LEVELS:
            raise usage.UsageError(f"--log-level is one of {', '.join(LEVELS)}")
        port = self["port"]
        if port is not None and not (
            port.isascii() and port.isdecimal() and int(port) <= _MAX_PORT
        ):
            raise usage.UsageError("--port is a number from 0 to 65535")

        workers = self["workers"]
        if not (
            workers.isascii()
            and workers.isdecimal()
            and 0 < int(workers) <= _MAX_WORKERS
        ):
            raise usage.UsageError(f"--workers is a number from 1 to {_MAX_WORKERS}")
        if self["as-worker"] is not None:
            try:
                Membership.read(self["as-worker"])
            except ValueError as error:
                raise usage.UsageError("--as-worker is for byok itself") from error

    @property
    def listeners(self) -> list[str]:
        """The endpoints that the command line asks for, none if it does not."""
        given = list(self["listen"])
        if self["host"] is not None or self["port"] is not None:
            host = self["host"] or "127.0.0.1"
            given.append(of_host_and_port(host, int(self["port"] or DEFAULT_PORT)))
        return given

    @property
    def level(self) -> NamedConstant:
        """From which level on events are written; LiteLLM's variable is honoured."""
        word = self["log-level"] or os.environ.get("LITELLM_LOG") or "info"
        return LEVELS.get(word.lower(), LogLevel.info)


def makeService(options: Options) -> IService:
    """
    Make the gateway that *options* describe; open nothing yet.

    Whatever is wrong with the configuration is said all at once, and ends the
    process: a UsageError raised here would be shown as a traceback by twistd,
    and one raised while it reads options as a page of help before the findings.
    """
    from twisted.internet import reactor

    twistd: Mapping[str, Any] = options.parent or {}
    if (reason := why_not(twistd)) is not None:
        sys.exit(f"byok: {reason}")
    harden()
    membership = _membership(options)
    handed = None if membership is None else membership.receive()
    config = _load(options, None if handed is None else handed.kept)
    keep_steady_time(reactor)
    answer_every_lookup(reactor)
    # The working directory is not what it was once twistd has gone to the background.
    path = Path(options["config"]).absolute()
    for option in ("logger", "syslog"):
        if twistd.get(option):
            sys.exit(
                "byok writes its own log, so that no secret gets into it: use"
                f" --logfile, and `byok --log-format json`, in place of --{option}"
            )
    live = LiveSecrets()
    stream = _log_stream(twistd)
    as_json = (options["log-format"] or _default_format(config)) == "json"
    make_observer = json_observer if as_json else human_observer
    writer = LineWriter(stream, missing=partial(missing_lines, as_json=as_json))
    reactor.addSystemEventTrigger("after", "shutdown", writer.stop)
    observer = Scarcity(
        make_observer(writer, live, minimum=options.level), seconds=time.monotonic
    )
    if int(options["workers"]) > 1 and options["as-worker"] is None:
        supervisor = Supervisor(
            _worker_command(options, path, as_json=as_json),
            count=int(options["workers"]),
            listeners=config.listen,
            reactor=reactor,
            log_fd=stream.fileno(),
            drain_s=config.limits.drain_s,
            accepted=Handover(number=1, kept=config.kept),
            fail=lambda: _stop_in_failure(reactor),
            observer=observer,
        )
        stop_once(reactor, again=partial(_hurry, supervisor))
        return supervisor
    member = None
    if membership is not None:
        member = Member(reactor, membership, stop=partial(_stop, reactor))
    service = GatewayService(
        config,
        reactor=reactor,
        live=live,
        observer=observer,
        announce=_announce if as_json else lambda lines: _write(writer, lines),
        explain_each=options.level is LogLevel.debug,
        fail=lambda: _stop_in_failure(reactor),
        reread=partial(examine, path, listen=options.listeners or None),
        member=member,
        handed=None if handed is None else handed.number,
        lines_dropped=lambda: writer.dropped,
        started=_keep_for_good,
    )
    # A worker may hear it from everybody who knows its process. Its supervisor alone
    # says that it is meant twice.
    stop_once(reactor, again=partial(_hurry, service) if member is None else _shrug)
    return service


def _keep_for_good() -> None:
    # Modules, configuration and plans live as long as the process. To look through
    # them for what can go took as long as a hundred requests, again and again.
    gc.collect()
    gc.freeze()


def _hurry(service: GatewayService | Supervisor) -> None:
    Logger(namespace="byok.service").info("already stopping")
    service.hurry()


def _shrug() -> None:
    """Do nothing."""


def _stop(reactor: Any) -> None:
    # Looked up at the last moment: what it is is changed by `stop_once`.
    reactor.stop()


def _worker_command(options: Options, config: Path, *, as_json: bool) -> list[str]:
    """Return the command of a worker that is to do as *options* say."""
    command = [sys.executable, str(Path(sys.argv[0]).absolute())]
    command += ["--nodaemon", "--pidfile=", "byok", "--config", str(config)]
    for listener in options.listeners:
        command += ["--listen", listener]
    command += ["--log-format", "json" if as_json else "human"]
    return [*command, "--log-level", options.level.name]


def keep_steady_time(reactor: Any) -> None:
    """
    Make timers of *reactor* count seconds that pass, whatever the clock is set to.

    By itself it asks for the time of day. A clock that is set back an hour would
    then keep every timer waiting for that hour, the one that notices blocked keys
    too, and one that is set forward would cut every silent stream. Nothing is
    scheduled yet: what is would be due at a time that never comes. Logs ask for
    the time of day themselves.
    """
    reactor.seconds = time.monotonic


def stop_once(reactor: Any, *, again: Callable[[], None]) -> None:
    """
    Make *reactor* call *again* for each further wish to stop.

    Each signal to end is such a wish, and a second one would be a traceback in the
    log: an impatient Ctrl-C, or a supervisor that sends SIGINT after SIGTERM. Whoever
    says it twice does not want to wait.
    """
    stop = reactor.stop

    def stop_or_go_on_stopping() -> None:
        try:
            stop()
        except ReactorNotRunning:
            again()

    reactor.stop = stop_or_go_on_stopping


def _membership(options: Options) -> Membership | None:
    said = options["as-worker"]
    return None if said is None else Membership.read(said)


def _load(options: Options, kept: Kept | None) -> Config:
    path = Path(options["config"])
    try:
        return load(path, listen=options.listeners or None, kept=kept)
    except ListenerError as error:
        sys.exit(f"byok: {error}")
    except ConfigError as error:
        findings = "\n".join(str(each) for each in error.findings)
        sys.exit(
            f"byok: {path} cannot be used:\n{findings}\n"
            f"`byok validate {path}` says the same, and more of what is fine."
        )


def _default_format(config: Config) -> str:
    return "json" if config.general.json_logs else "human"


def _log_stream(twistd: Mapping[str, Any]) -> TextIO:
    """Open what twistd would have written its log to."""
    name = twistd.get("logfile")
    if name in {None, "", "-"} and twistd.get("nodaemon", True):
        return sys.stdout
    return Path(str(name or "twistd.log")).open("a", encoding="utf-8")


def _write(writer: LineWriter, lines: Sequence[str]) -> None:
    writer.write("".join(f"{line}\n" for line in lines))


def _announce(lines: Sequence[str]) -> None:
    log = Logger(namespace="byok.service")
    log.info("how to use it from Claude Code", event="banner", lines=list(lines))


def _stop_in_failure(reactor: Any) -> None:
    """Stop *reactor*, and let the process end with a status that says it failed."""
    atexit.register(_exit_with_1)
    reactor.callWhenRunning(reactor.stop)


def _exit_with_1() -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
