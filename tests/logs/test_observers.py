import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher
from twisted.logger import LegacyLogObserverWrapper as OlderObserver
from twisted.python import log as older_log
from twisted.python.failure import Failure
from zope.interface import provider
from zope.interface.verify import verifyObject

from byok.core.secret import Secret
from byok.logs.entries import SAID, Entry, entry_of
from byok.logs.live import LiveSecrets
from byok.logs.observers import human_observer, json_line, json_observer
from byok.logs.redact import Redactor
from tests.support import keys

OBSERVERS = [human_observer, json_observer]
both = pytest.mark.parametrize("observer", OBSERVERS)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


def logger(observer, *, live=None, minimum=LogLevel.info, namespace="byok.web.proxy"):
    """A logger over *observer*, and the stream it writes to."""
    stream = io.StringIO()
    if live is None:
        live = LiveSecrets()
    return Logger(
        namespace=namespace, observer=observer(stream, live, minimum=minimum)
    ), stream


def is_clean(text):
    return text != "" and not any(marker in text for marker in keys.MARKERS.values())


# -- Lines -----------------------------------------------------------------------


def test_a_line_for_a_person_has_time_level_place_and_message():
    log, stream = logger(human_observer)

    log.info("relaying to {deployment}", deployment="main")

    date, time, rest = stream.getvalue().split(" ", 2)
    assert (len(date), len(time)) == (10, 8)
    assert rest == "info     web.proxy: relaying to main\n"


def test_a_line_for_a_machine_is_json_with_every_field():
    log, stream = logger(json_observer)

    log.warn("slow: {seconds}", seconds=7, deployment="main", namespace=b"odd", ok=True)

    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warn",
        "namespace": "byok.web.proxy",
        "message": "slow: 7",
        "seconds": 7,
        "deployment": "main",
        "namespace_": "odd",
        "ok": True,
    }


def test_colour_is_for_terminals_only():
    plain, terminal = io.StringIO(), Terminal()
    for stream in (plain, terminal):
        log = Logger(namespace="a", observer=human_observer(stream, LiveSecrets()))
        log.error("broken")
        log.info("fine")

    assert "\x1b" not in plain.getvalue()
    broken, fine = terminal.getvalue().splitlines()
    assert broken.startswith("\x1b[31m")
    assert broken.endswith("broken\x1b[0m")
    assert "\x1b" not in fine


@both
@pytest.mark.parametrize(
    ("minimum", "written"),
    [(LogLevel.debug, "diwec"), (LogLevel.info, "iwec"), (LogLevel.error, "ec")],
)
def test_what_is_below_the_level_is_not_written(observer, minimum, written):
    log, stream = logger(observer, minimum=minimum)

    log.debug("<d>")
    log.info("<i>")
    log.warn("<w>")
    log.error("<e>")
    log.critical("<c>")

    shown = stream.getvalue()
    assert [letter for letter in "diwec" if f"<{letter}>" in shown] == list(written)


@both
@pytest.mark.parametrize("namespace", ["twisted.web.server", "log_legacy"])
def test_the_small_talk_of_twisted_is_for_those_who_debug(observer, namespace):
    for minimum, shown in ((LogLevel.info, ["<w>"]), (LogLevel.debug, ["<i>", "<w>"])):
        log, stream = logger(observer, minimum=minimum, namespace=namespace)

        log.info("<i>")
        log.warn("<w>")

        assert [word for word in ("<i>", "<w>") if word in stream.getvalue()] == shown


@both
def test_an_observer_is_one_of_twisted(observer):
    assert verifyObject(ILogObserver, observer(io.StringIO(), LiveSecrets()))


@both
def test_a_full_disk_does_not_reach_who_logs(observer):
    closed = io.StringIO()
    write_closed = Logger(observer=observer(closed, LiveSecrets()))
    closed.close()

    Logger(observer=observer(Full(), LiveSecrets())).info("lost")
    write_closed.info("lost")

    assert closed.closed


# -- Log injection (S-70) --------------------------------------------------------


@given(st.text())
def test_a_message_stays_on_its_line_and_moves_no_cursor(text):
    human, lines = logger(human_observer)
    machine, documents = logger(json_observer)

    human.info("agent {agent}", agent=text)
    machine.info("agent {agent}", agent=text)

    line = lines.getvalue()
    assert line.splitlines() == [line.removesuffix("\n")]
    assert line.removesuffix("\n").isprintable() or not text.isprintable()
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in line[:-1])
    document = documents.getvalue()
    assert document.removesuffix("\n").isascii()
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in document[:-1])
    assert len(document.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil", "\\u202eevil"),
        ("\x7f", "\\x7f"),
        ("\ud800", "\\ud800"),
        ("schön 😀", "schön 😀"),
    ],
)
def test_what_would_act_on_a_terminal_is_shown_instead(text, shown):
    log, stream = logger(human_observer)

    log.info("{text}", text=text)

    assert stream.getvalue().endswith(f": {shown}\n")


# -- Secrets (S-26) --------------------------------------------------------------


def log_everything(log, value):
    """Every way in which a value gets into an event."""
    log.info("value {value}", value=value)
    log.info("attribute {value.args} item {items[0]!r}", value=value, items=[value])
    log.info("unreferenced", anything=value, nested={"headers": [(b"x-key", value)]})
    log.info("cannot be formatted {", value=value)
    log.info("no such key {nothing}", value=value)
    log.info(f"already in the format {value!s}".replace("{", "").replace("}", ""))
    log.failure("with a failure", Failure(ValueError(value)))
    log.failure("why {value}", Failure(KeyError((value, [value]))), value=value)
    try:
        raise_chained(value)
    except RuntimeError:
        log.failure("chained")


def raise_chained(value):
    cause = ValueError(value)
    raise RuntimeError("outer", cause, value) from cause


@both
@pytest.mark.parametrize("secret", keys.ALL_CANARIES)
@pytest.mark.parametrize("dress", [str, str.encode, lambda text: [{"a": text}]])
def test_no_way_of_logging_a_live_secret_writes_it(observer, secret, dress):
    live = LiveSecrets()
    live.add(Secret(secret))
    log, stream = logger(observer, live=live)

    log_everything(log, dress(secret))

    assert is_clean(stream.getvalue())
    assert "<secret:len=" in stream.getvalue()


@both
@pytest.mark.parametrize(
    "secret", [keys.ANTHROPIC_API_KEY, keys.ANTHROPIC_OAUTH, keys.VIRTUAL_KEY, keys.JWT]
)
def test_no_way_of_logging_a_shaped_key_writes_it(observer, secret):
    log, stream = logger(observer)

    log_everything(log, secret)
    log_everything(log, f"Bearer {secret}")

    assert is_clean(stream.getvalue())


def test_a_failure_of_a_header_value_is_written_without_it():
    log, stream = logger(human_observer)

    try:
        int(f"Bearer {keys.OPAQUE_TOKEN}")
    except ValueError:
        log.failure("cannot read the header")

    shown = stream.getvalue()
    assert "Bearer <secret:len=48" in shown
    assert "Traceback" in shown
    assert is_clean(shown)


def test_the_json_observer_cleans_keys_nobody_formatted():
    log, stream = logger(json_observer)

    log.info("request", request={b"authorization": keys.OPAQUE_TOKEN.encode()})

    assert is_clean(stream.getvalue())
    assert "authorization" in json.loads(stream.getvalue())["request"]


@both
def test_events_of_the_older_log_are_cleaned_too(observer):
    stream = io.StringIO()
    publisher = LogPublisher(observer(stream, LiveSecrets(), minimum=LogLevel.debug))
    older = older_log.LogPublisher(
        observerPublisher=publisher, publishPublisher=publisher
    )

    older.msg("key", keys.ANTHROPIC_API_KEY)
    older.msg(format="key %(key)s", key=keys.ANTHROPIC_API_KEY)
    older.msg(
        why="failed",
        failure=Failure(ValueError(keys.ANTHROPIC_API_KEY)),
        isError=1,
    )

    shown = stream.getvalue()
    assert is_clean(shown)
    assert shown.count("<secret:len=108") >= 3
    assert shown.count("ValueError") == 1


def test_an_observer_of_the_older_log_takes_no_traceback_away():
    stream = io.StringIO()
    older = OlderObserver(provider(ILogObserver)(lambda event: None))
    log = Logger(
        observer=LogPublisher(older, human_observer(stream, LiveSecrets())),
        namespace="byok.web",
    )

    log.failure("broken", Failure(ValueError("the reason")))

    assert "ValueError: the reason" in stream.getvalue()


# -- Failing closed --------------------------------------------------------------


class BrokenRedactor(Redactor):
    def text(self, text):
        raise RuntimeError(f"cannot clean {text}")


@pytest.mark.parametrize("namespace", ["byok.web.proxy", "no\nname", None, 7])
def test_an_event_that_cannot_be_cleaned_is_dropped_and_said_so(namespace):
    event = {
        "log_namespace": namespace,
        "log_level": LogLevel.info,
        "log_format": "{key}",
        "log_time": 1e300,
        "key": keys.ANTHROPIC_API_KEY,
    }

    entry = entry_of(event, BrokenRedactor(LiveSecrets()))

    assert entry.message == "event dropped: redaction error"
    assert entry.level is LogLevel.error
    assert entry.namespace == (
        "byok.web.proxy" if namespace == "byok.web.proxy" else "unknown"
    )
    assert (entry.fields, entry.failure, entry.time) == ({}, None, 0.0)


@both
def test_a_dropped_event_makes_a_line(observer, monkeypatch):
    monkeypatch.setattr("byok.logs.observers.Redactor", BrokenRedactor)
    log, stream = logger(observer)

    log_everything(log, keys.ANTHROPIC_API_KEY)

    lines = stream.getvalue().splitlines()
    assert len(lines) == 9
    assert all("event dropped: redaction error" in line for line in lines)
    assert all("web.proxy" in line for line in lines)
    assert is_clean(stream.getvalue())


def test_an_event_of_nothing_is_an_entry():
    entry = entry_of({}, Redactor(LiveSecrets()))

    assert (entry.level, entry.namespace, entry.message) == (
        LogLevel.info,
        "unknown",
        "",
    )


def test_standard_output_can_be_the_stream(capsys):
    Logger(namespace="byok", observer=human_observer(sys.stdout, LiveSecrets())).info(
        "hello"
    )

    assert capsys.readouterr().out.endswith("byok: hello\n")


def test_a_line_of_json_is_ascii_whatever_an_event_says():
    for text in ("ä\u202e", "\ud800", "\x7f", "plain"):
        entry = Entry(
            time=1.5,
            level=LogLevel.info,
            namespace="byok.test",
            message=text,
            fields={"text": text},
        )

        line = json_line(entry)

        assert line.isascii()
        assert "\x7f" not in line
        assert json.loads(line)["text"] == text
        assert json.loads(line)["time"] == "1970-01-01T00:00:01.500Z"


def test_an_event_that_is_a_text_already_is_not_formatted_again():
    stream = io.StringIO()
    observer = json_observer(stream, LiveSecrets())

    observer({"log_format": SAID, "said": "{not} a field", "log_namespace": "byok"})

    document = json.loads(stream.getvalue())
    assert document["message"] == "{not} a field"
    assert "said" not in document
