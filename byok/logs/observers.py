"""Where events go: lines for a person at a terminal, or JSON lines for machines."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

import msgspec
from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from byok.logs.entries import LEVELS, Entry, Level, entry_of, level_of
from byok.logs.live import LiveSecrets
from byok.logs.redact import Redactor

_COLOURS = {
    LogLevel.debug: "\x1b[2m",
    LogLevel.warn: "\x1b[33m",
    LogLevel.error: "\x1b[31m",
    LogLevel.critical: "\x1b[1;31m",
}
_PLAIN = "\x1b[0m"
_ENCODER = msgspec.json.Encoder()
_DEL = b"\x7f"
# C0, DEL, C1, the other line ends, and what turns the direction of writing: a
# line of ours is one line, and looks like what it is.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_RESERVED = frozenset({"time", "level", "namespace", "message", "failure"})


class Lines(Protocol):
    """Where lines are written to: a file, or something like one."""

    def write(self, text: str, /) -> object:
        """Write *text*."""

    def flush(self) -> None:
        """Keep none of it back."""

    def isatty(self) -> bool:
        """Does a person look on?"""
        ...


def human_observer(
    stream: Lines, live: LiveSecrets, *, minimum: Level = LogLevel.info
) -> ILogObserver:
    """Write a line for each event, coloured where *stream* is a terminal."""
    colours = _COLOURS if stream.isatty() else {}

    def write(entry: Entry) -> str:
        colour = colours.get(entry.level, "")
        return human_line(entry, colour=colour)

    return LineObserver(
        stream, write, redactor=Redactor(live), minimum=minimum, fields=False
    )


def json_observer(
    stream: Lines, live: LiveSecrets, *, minimum: Level = LogLevel.info
) -> ILogObserver:
    """Write a JSON object for each event, with every field of it."""
    return LineObserver(stream, json_line, redactor=Redactor(live), minimum=minimum)


@implementer(ILogObserver)
class LineObserver:
    """
    Cleans each event, then writes it to one stream.

    Twisted's own events of lesser importance, such as starting factories, are
    for those who debug.
    """

    def __init__(
        self,
        stream: Lines,
        write: Callable[[Entry], str],
        *,
        redactor: Redactor,
        minimum: Level,
        fields: bool = True,
    ) -> None:
        self._stream = stream
        self._write = write
        self._redactor = redactor
        self._fields = fields
        self._wanted = _from(minimum)
        self._wanted_of_twisted = _from(max(minimum, LogLevel.warn, key=LEVELS.index))
        if minimum is LogLevel.debug:
            self._wanted_of_twisted = self._wanted

    def __call__(self, event: LogEvent) -> None:
        """Write *event*, if its level is wanted."""
        if level_of(event) not in self._wanted_for(event):
            return
        line = self._write(entry_of(event, self._redactor, fields=self._fields))
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # A full disk or a closed pipe is no reason to stop serving, and
            # there is nowhere left to say so.
            return

    def _wanted_for(self, event: LogEvent) -> frozenset[Level]:
        namespace = str(event.get("log_namespace"))
        if namespace.startswith("twisted.") or namespace == "log_legacy":
            return self._wanted_of_twisted
        return self._wanted


def missing_lines(count: int, *, as_json: bool) -> str:
    """Say that *count* lines are missing here, as one of the log."""
    entry = Entry(
        time=time.time(),
        level=LogLevel.warn,
        namespace="byok.logs",
        message=f"{count} lines of the log are missing here: they could not be written"
        " as fast as they came, or at all",
        fields={"event": "log-dropped", "dropped": count},
    )
    return (json_line(entry) if as_json else human_line(entry)) + "\n"


def human_line(entry: Entry, *, colour: str = "") -> str:
    """Write *entry* as one line, and its traceback as further, indented ones."""
    time = datetime.fromtimestamp(entry.time, tz=UTC).astimezone()
    level = entry.level.name
    line = (
        f"{time:%Y-%m-%d %H:%M:%S} {level:<8} "
        f"{entry.namespace.removeprefix('byok.')}: {_visible(entry.message)}"
    )
    if colour:
        line = f"{colour}{line}{_PLAIN}"
    traceback = (entry.failure or "").splitlines()
    return "\n".join([line, *("    " + _visible(text) for text in traceback)])


def json_line(entry: Entry) -> str:
    """Write *entry* as one line of JSON, in ASCII."""
    document = {
        "time": _utc(entry.time),
        "level": entry.level.name,
        "namespace": entry.namespace,
        "message": entry.message,
    }
    if entry.failure is not None:
        document["failure"] = entry.failure
    for name, value in entry.fields.items():
        document[f"{name}_" if name in _RESERVED else name] = value
    try:
        line = _ENCODER.encode(document)
    except UnicodeEncodeError:
        # Half of a surrogate pair, which only the slower encoder can escape.
        line = _DEL
    if line.isascii() and _DEL not in line:
        return line.decode("ascii")
    # What is not ASCII can move the cursor, or what is read after it.
    return json.dumps(document, separators=(",", ":")).replace("\x7f", "\\u007f")


def _utc(time: float) -> str:
    whole, fraction = divmod(time, 1)
    return f"{_second(int(whole))}.{int(fraction * 1000):03d}Z"


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    return f"{datetime.fromtimestamp(whole, tz=UTC):%Y-%m-%dT%H:%M:%S}"


def _from(minimum: Level) -> frozenset[Level]:
    return frozenset(LEVELS[LEVELS.index(minimum) :])


def _visible(text: str) -> str:
    return _CONTROL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
