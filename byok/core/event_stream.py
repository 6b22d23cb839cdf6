"""
Finds the events of a stream as it passes by, and measures the text that it writes.

Nearly every event is a piece of text and has no figures in it. Those are told by how
they begin, and only their length is taken; the rest is handed over to be read.
"""

from typing import Protocol

MAX_EVENT_BYTES = 256 * 1024
"""A longer line or event is passed over; those with figures are a few hundred bytes."""


class Pieces:
    """Bytes put together at the end, or nothing once there were too many."""

    __slots__ = ("_left", "_limit", "_pieces")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self._left = self._limit
        self._pieces: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Put *data* behind what is there."""
        self._left -= len(data)
        if self._left >= 0:
            self._pieces.append(data)
        else:
            self._pieces.clear()

    def joined(self) -> bytes | None:
        """Return all of it; None if there were too many."""
        return b"".join(self._pieces) if self._left >= 0 else None

    @property
    def is_empty(self) -> bool:
        """Was nothing added?"""
        return self._left == self._limit


class EventSink(Protocol):
    """What events are handed to, in their order."""

    def note_event(self, name: bytes) -> None:
        """Take note of an event that has data, by its name alone."""

    def read_data(self, text: bytes) -> None:
        """Read the data of one event."""

    def wrote(self, size: int) -> None:
        """Add the bytes of some text of the answer."""


_TEXT_EVENT = b"event: content_block_delta\ndata:"
_WITHOUT_FIGURES = frozenset((b"content_block_start", b"content_block_stop", b"ping"))
_TEXT = b"content_block_delta"
_TEXT_DATA = (
    b'{"type":"content_block_delta"',
    b'{"type": "content_block_delta"',
)
_SHORT = 64 * 1024

# `text`, `thinking` and `partial_json` are written by the model; a `signature` and
# what is called `type` are not.
_WRITTEN = frozenset((b"text", b"king", b"json"))


def written_size(data: bytes) -> int:
    """
    Return the bytes of text in the *data* of one delta, as they stand in its JSON.

    The text is the last value of the event. Within a text each quote is escaped, so
    what is looked for can stand only between a name and its value; but a text that
    is a colon and nothing else is taken for none.
    """
    at = data.rfind(b'":"')
    start = at + 3
    if at < 0:
        at = data.rfind(b'": "')
        start = at + 4
        if at < 0:
            return 0
    if data[at - 4 : at] not in _WRITTEN:
        return 0
    end = data.rfind(b'"')
    return end - start if end > start else 0


def chunk_size(text: bytes) -> int | None:
    """
    Return the bytes of text in one of OpenAI's chunks; None if there may be more in it.

    Only the commonest form is known here: some text and nothing else that matters.
    """
    start = text.find(b'"content":"')
    if (
        start < 0
        or b'"finish_reason":null' not in text
        or (b'"usage"' in text and b'"usage":null' not in text)
        or b'"error"' in text
    ):
        return None
    start += 11
    end = text.find(b'"},"', start)
    return None if end < 0 else end - start


class EventStream:
    """
    Finds the events of a stream (WHATWG HTML, 9.2.6) and passes on their data.

    Lines end in LF or CRLF; a CR by itself, which no provider sends, is not
    taken for an end.
    """

    __slots__ = ("_between", "_data", "_line", "_name", "_sink")

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._line = Pieces(MAX_EVENT_BYTES)
        self._data = Pieces(MAX_EVENT_BYTES)
        self._name = b""
        self._between = True

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        if not self._between or not data.endswith(b"\n\n"):
            self._take(data)
        elif data.startswith(_TEXT_EVENT):
            # Nearly every piece is one whole event of text.
            if data.count(b"\n") == 3 and len(data) < _SHORT:  # noqa: PLR2004 - lines
                self._sink.wrote(written_size(data))
                return
            for event in data[:-2].split(b"\n\n"):
                self._take_event(event)
        elif (
            data.startswith(b"data:") and data.count(b"\n") == 2 and len(data) < _SHORT  # noqa: PLR2004 - lines
        ):
            self._hand_over(b"", data[5:].strip())
        else:
            self._take(data)

    def _take_event(self, event: bytes) -> None:
        if (
            self._between
            and event.startswith(_TEXT_EVENT)
            and event.count(b"\n") == 1
            and len(event) < _SHORT
        ):
            self._sink.wrote(written_size(event))
        else:
            self._take(event + b"\n\n")

    def _take(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._line.add(first)
        if not others:
            self._between = self._between and not data
            return
        line = self._line.joined()
        self._line.clear()
        self._take_line(line)
        last = others.pop()
        for whole in others:
            self._take_line(whole if len(whole) <= MAX_EVENT_BYTES else None)
        if last:
            self._line.add(last)
        self._between = not last and not self._name and self._data.is_empty

    def _take_line(self, line: bytes | None) -> None:
        if line is None:
            # Too long to keep: an event that is not complete is not read.
            self._data.add(bytes(MAX_EVENT_BYTES + 1))
            return
        line = line.removesuffix(b"\r")
        if not line:
            self._end_event()
        elif line.startswith(b"data:"):
            # Every further line of data is another line of the same text.
            self._data.add(b"\n" + line[5:])
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()

    def _end_event(self) -> None:
        name, self._name = self._name, b""
        if self._data.is_empty:
            return
        data = self._data.joined()
        self._data.clear()
        if name in _WITHOUT_FIGURES:
            return
        self._hand_over(name, (data or b"").strip())

    def _hand_over(self, name: bytes, text: bytes) -> None:
        if name != _TEXT:
            self._sink.note_event(name)
            if not text.startswith(_TEXT_DATA):
                self._sink.read_data(text)
                return
        self._sink.wrote(written_size(text))
