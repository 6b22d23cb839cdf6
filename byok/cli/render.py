"""
The one place that writes to the terminal: text, tables, JSON, and colour.

Colour appears on terminals only, and not where NO_COLOR is set. Text that came from
a file, a request or a store may hold control characters that would rewrite the
screen, so none get through.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

# The C1 controls, the marks that turn the direction of text, and what stands for
# bytes that are no text at all.
_HIGH = "\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROLS = re.compile(f"[\x00-\x1f{_HIGH}]")
_CONTROLS_IN_JSON = re.compile(f"[{_HIGH}]")


class Style(Enum):
    """What a piece of text is, for the eye."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    BAD = "31"
    GOOD = "32"
    WARN = "33"
    INFO = "36"


@dataclass(frozen=True, slots=True)
class Styled:
    """A piece of text with its style."""

    text: str
    style: Style = Style.PLAIN


Text = str | Styled


class Renderer:
    """Writes to one stream; decides once whether it is a terminal."""

    def __init__(self, stream: TextIO, *, colour: bool | None = None) -> None:
        self._stream = stream
        self._colour = _wants_colour(stream) if colour is None else colour

    def line(self, *parts: Text) -> None:
        """Write *parts* one after the other, and end the line."""
        print("".join(self._shown(each) for each in parts), file=self._stream)

    def table(
        self, rows: Sequence[Sequence[Text]], *, heads: Sequence[str] = ()
    ) -> None:
        """Write *rows* in columns as wide as their widest cell, two spaces apart."""
        lines: list[Sequence[Text]] = [*rows]
        if heads:
            lines.insert(0, [Styled(head, Style.FAINT) for head in heads])
        columns = max((len(each) for each in lines), default=0)
        widths = [
            max((len(_text(each[at])) for each in lines if at < len(each)), default=0)
            for at in range(columns)
        ]
        for each in lines:
            parts: list[Text] = []
            gap = 0
            for cell, width in zip(each, widths, strict=False):
                # A gap is written before the next text, so no line ends in spaces.
                if _text(cell):
                    parts += [" " * gap, cell]
                    gap = 0
                gap += width - len(_text(cell)) + 2
            self.line(*parts)

    def json(self, value: object) -> None:
        """Write *value* as JSON."""
        text = json.dumps(value, indent=2, ensure_ascii=False)
        print(_CONTROLS_IN_JSON.sub(_escape, text), file=self._stream)

    def raw(self, text: str) -> None:
        """Write *text* as it is, for what is to be saved as a file."""
        self._stream.write(text)

    def _shown(self, part: Text) -> str:
        text = _text(part)
        if not self._colour or isinstance(part, str) or not part.style.value:
            return text
        return f"\x1b[{part.style.value}m{text}\x1b[0m"


def _wants_colour(stream: TextIO) -> bool:
    # https://no-color.org: set to anything but nothing, it asks for none.
    return stream.isatty() and not os.environ.get("NO_COLOR")


def out() -> Renderer:
    """Return the renderer of standard output."""
    return Renderer(sys.stdout)


def err() -> Renderer:
    """Return the renderer of standard error, for what is not the answer."""
    return Renderer(sys.stderr)


def clean(text: str) -> str:
    """Return *text* with every control character made visible."""
    return _CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def _text(part: Text) -> str:
    return clean(part.text if isinstance(part, Styled) else part)
