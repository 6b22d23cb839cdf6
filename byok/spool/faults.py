"""What keeps a record from being taken."""

import errno
import os

from constantly import NamedConstant  # type: ignore[import-untyped]
from twisted.logger import LogLevel

from byok.core.errors import ByokError


class SpoolUnavailable(ByokError):
    """The spool's directory cannot be written at the moment."""


class SpoolFull(SpoolUnavailable):
    """The spool holds as much as it may, and its headroom is used up."""


class RecordTooLong(ByokError):
    """A record is longer than the spool takes."""


# Somebody has opened too many; it passes, and the gateway says so by itself.
_PASSING = frozenset(map(os.strerror, (errno.EMFILE, errno.ENFILE)))


def level_of(reason: str) -> NamedConstant:
    """Return how loudly to say that a file cannot be used for that *reason*."""
    return LogLevel.warn if reason in _PASSING else LogLevel.critical
