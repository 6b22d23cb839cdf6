"""Events of twisted.logger made into entries that are safe to write."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from constantly import NamedConstant  # type: ignore[import-untyped]
from twisted.logger import LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure

from byok.logs.redact import Clean, Redactor

Level: TypeAlias = NamedConstant
LEVELS: tuple[Level, ...] = tuple(LogLevel.iterconstants())

# What Twisted's older log module adds to its events, and says again in `log_text`.
_OLDER_FIELDS = frozenset(
    {"failure", "format", "isError", "message", "printed", "system", "time", "why"}
)
SAID = "{said}"
"""
The format of an event whose whole text is *said*, made of its other fields.

Where nothing in these is a secret, nothing in the text is.
"""

_NOT_FIELDS = _OLDER_FIELDS | {"said"}
_LATEST = 2**33
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,120}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One event as it may be written: no field holds a secret.

    *failure* is the traceback of the event's failure, without local variables.
    """

    time: float
    level: Level
    namespace: str
    message: str
    fields: Mapping[str, Clean]
    failure: str | None = None


def entry_of(event: LogEvent, redactor: Redactor, *, fields: bool = True) -> Entry:
    """
    Clean *event* into an entry, with its single *fields* if they are wanted.

    What cannot be cleaned is not written: where the redactor fails the entry
    says so, and from where the event came, and nothing else of it.
    """
    try:
        if fields and (entry := _plain_entry(event, redactor)) is not None:
            return entry
        return Entry(
            time=_time_of(event),
            level=level_of(event),
            namespace=_namespace_of(event),
            message=redactor.text(_message_of(event)),
            fields=_fields_of(event, redactor) if fields else {},
            failure=_failure_of(event, redactor),
        )
    except Exception:  # noqa: BLE001 - a log must not fail, nor leak by failing
        return Entry(
            time=_time_of(event),
            level=LogLevel.error,
            namespace=_namespace_of(event),
            message="event dropped: redaction error",
            fields={},
        )


def _plain_entry(event: LogEvent, redactor: Redactor) -> Entry | None:
    """Return the entry of an event that is all in its fields, if it holds no secret."""
    message = event.get("said")
    if (
        not isinstance(message, str)
        or event.get("log_format") != SAID
        or "log_failure" in event
    ):
        return None
    clean = redactor.plain(_named(event))
    if clean is None:
        return None
    return Entry(
        time=_time_of(event),
        level=level_of(event),
        namespace=_namespace_of(event),
        message=message,
        fields=clean,
    )


def _fields_of(event: LogEvent, redactor: Redactor) -> dict[str, Clean]:
    return redactor.fields(_named(event))


def _named(event: LogEvent) -> dict[str, object]:
    return {
        name: value
        for name, value in event.items()
        if not name.startswith("log_") and name not in _NOT_FIELDS
    }


def _message_of(event: LogEvent) -> str:
    # What is a text already needs no formatter, which takes longer than all the rest.
    said = event.get("said")
    if isinstance(said, str) and event.get("log_format") == SAID:
        return said
    return formatEvent(event)


def level_of(event: LogEvent) -> Level:
    """Return the event's level; failures of Twisted's older log have none."""
    level = event.get("log_level")
    if isinstance(level, NamedConstant):
        return level
    return LogLevel.critical if event.get("isError") else LogLevel.info


def _failure_of(event: LogEvent, redactor: Redactor) -> str | None:
    failure = event.get("log_failure")
    if not isinstance(failure, Failure):
        return None
    # Twisted's older log has put the traceback into its text already. That an
    # event has its fields says nothing: its observers add them to every event.
    if event.get("log_namespace") == "log_legacy":
        return None
    return redactor.text(failure.getTraceback())


def _namespace_of(event: LogEvent) -> str:
    namespace = event.get("log_namespace")
    if isinstance(namespace, str) and _NAMESPACE.fullmatch(namespace):
        return namespace
    return "unknown"


def _time_of(event: LogEvent) -> float:
    time = event.get("log_time")
    return time if isinstance(time, float) and 0 <= time < _LATEST else 0.0
