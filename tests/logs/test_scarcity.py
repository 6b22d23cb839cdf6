"""What Twisted whispers when files run out is said aloud, once a minute."""

from typing import Any

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface.verify import verifyObject

from byok.logs.scarcity import AGAIN_S, Scarcity

WHISPER: LogEvent = {
    "log_namespace": "twisted.internet.tcp.Port",
    "log_format": "EMFILE encountered; releasing reserved file descriptor.",
    "log_level": LogLevel.info,
    "log_time": 1.0,
}


def warnings(passed: list[LogEvent]) -> list[LogEvent]:
    return [each for each in passed if each.get("event") == "out-of-files"]


def test_a_flood_is_one_warning_a_minute():
    passed: Any = []
    now = 0.0
    observer = Scarcity(passed.append, seconds=lambda: now)
    verifyObject(ILogObserver, observer)

    for _ in range(1000):
        observer(WHISPER)
    first = len(warnings(passed))
    now = AGAIN_S
    observer(WHISPER)

    assert (first, len(warnings(passed))) == (1, 2)
    assert warnings(passed)[0]["log_level"] is LogLevel.warn
    assert passed.count(WHISPER) == 1001


def test_other_events_are_passed_on_and_no_more():
    passed: Any = []
    observer = Scarcity(passed.append, seconds=lambda: 0.0)
    others: list[LogEvent] = [
        {},
        {"log_namespace": "byok.web", "log_format": "EMFILE encountered"},
        {"log_namespace": "twisted.internet.tcp.Port", "log_format": "starting"},
        {"log_namespace": "twisted.internet.tcp.Port"},
    ]

    for each in others:
        observer(each)

    assert passed == others
