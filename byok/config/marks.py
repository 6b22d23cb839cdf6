"""
Where something stands in a file, and how a place in a configuration is named.

A file may hold anything in any place, so a key that byok does not know is quoted
only where it cannot be somebody's secret.
"""

import re
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The keys and list positions from the top of a configuration to one value."""

# Words of lower-case letters and short numbers joined by underscores. Keys and
# tokens have capitals, dashes or longer runs.
_PLAIN = re.compile(r"(?=.{1,48}\Z)[a-z]{1,16}[0-9]{0,3}(?:_[a-z]{0,16}[0-9]{0,3})*")


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; lines and columns count from 1, 0 means the whole file."""

    file: str
    line: int = 0
    col: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.col}"


def shown(key: str, *, known: bool = False) -> str:
    """Return *key* as it may be printed: whole if *known* or plainly a word."""
    if known or _PLAIN.fullmatch(key):
        return key
    return "(a name that is not shown)"


def dotted(path: Path, *, known: frozenset[str] = frozenset()) -> str:
    """Name the place *path* the way people write it: `model_list[0].model_name`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = shown(step, known=step in known)
            text += f".{name}" if text else name
    return text
