"""
The text of a record as it is kept: whole, or what differs from others of its kind.

A record is some seven kilobytes of JSON, of which requests of one shape share nearly
all. What they share is a pattern with holes and is kept once; a record then is what
fills the holes. JSON escapes line breaks, so a line of either is one piece.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

_ID_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the records of one shape share, a line for each piece between two holes."""

    id: str
    text: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the pattern that *text* is; equal texts have equal ids."""
        return cls(sha256(text.encode("utf-8")).hexdigest()[:_ID_CHARACTERS], text)


@dataclass(frozen=True, slots=True)
class Written:
    """A record: its whole text, or what fills the holes of *pattern*, a line each."""

    text: str = field(repr=False)
    pattern: Pattern | None = None

    def whole(self) -> str:
        """Return all of the record."""
        return whole(self.text, None if self.pattern is None else self.pattern.text)


def whole(text: str, pattern: str | None) -> str:
    """Return the record that *text* is, or that it makes of *pattern*."""
    if pattern is None:
        return text
    pieces, filling = pattern.split("\n"), text.split("\n")
    out = [""] * (len(pieces) + len(filling))
    out[::2], out[1::2] = pieces, filling
    return "".join(out)
