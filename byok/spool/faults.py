"""What keeps a record from being taken."""

from byok.core.errors import ByokError


class SpoolUnavailable(ByokError):
    """The spool's directory cannot be written at the moment."""


class SpoolFull(SpoolUnavailable):
    """The spool holds as much as it may, and its headroom is used up."""


class RecordTooLong(ByokError):
    """A record is longer than the spool takes."""
