"""
What an answer says about itself while it passes by: tokens, model, ending.

The reader is a passive tap. It sees the pieces the relay sees, keeps a bounded
part of them, and has no way to fail: an answer it cannot read is an answer
without figures.
"""

from dataclasses import dataclass
from typing import TypeGuard

import msgspec

MAX_EVENT_BYTES = 256 * 1024
"""A longer line or event is passed over; those with figures are a few hundred bytes."""

MAX_JSON_BYTES = 4 * 1024 * 1024
"""A longer JSON answer is not read; it is relayed all the same."""

_MAX_COUNT = 2**53
_MAX_NAME = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    The figures of one answer, in Anthropic's sense of the words.

    *input_tokens* leaves out what the cache provided or took in. None is what
    the answer did not say. *saw_terminal*: the answer was complete by its own
    account. *saw_error*: it says that it failed.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_5m_input_tokens: int | None = None
    cache_creation_1h_input_tokens: int | None = None
    model: str | None = None
    stop_reason: str | None = None
    saw_terminal: bool = False
    saw_error: bool = False


class UsageReader:
    """
    Reads along an answer, an event stream or JSON, fed in pieces of any size.

    Which of the two it is shows in the first byte: clients do not rely on the
    content type either. Anthropic's and OpenAI's formats are understood.
    """

    __slots__ = ("_body", "_figures", "_stream")

    def __init__(self) -> None:
        self._figures = _Figures()
        self._stream: _EventStream | None = None
        self._body: _Pieces | None = None

    def feed(self, data: bytes) -> None:
        """Take note of the next bytes of the answer."""
        if self._stream is not None:
            self._stream.feed(data)
        elif self._body is not None:
            self._body.add(data)
        else:
            self._begin(data)

    def usage(self) -> Usage:
        """The figures so far; those of a JSON answer are there when it is whole."""
        if self._body is None:
            return self._figures.usage()
        figures = _Figures()
        body = self._body.joined()
        document = None if body is None else _decoded(body)
        if document is not None:
            figures.read_document(document)
        return figures.usage()

    def _begin(self, data: bytes) -> None:
        data = data.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not data:
            return
        if data.startswith(b"{"):
            self._body = _Pieces(MAX_JSON_BYTES)
            self._body.add(data)
        else:
            self._stream = _EventStream(self._figures)
            self._stream.feed(data)


# -- Framing ---------------------------------------------------------------------


class _Pieces:
    """Bytes put together at the end, or nothing once there were too many."""

    __slots__ = ("_left", "_limit", "_pieces")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.clear()

    def clear(self) -> None:
        self._left = self._limit
        self._pieces: list[bytes] = []

    def add(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            self._pieces.append(data)
        else:
            self._pieces.clear()

    def joined(self) -> bytes | None:
        return b"".join(self._pieces) if self._left >= 0 else None

    @property
    def is_empty(self) -> bool:
        return self._left == self._limit


_TEXT_EVENT = b"event: content_block_delta\n"
_WITHOUT_FIGURES = frozenset(
    (b"content_block_delta", b"content_block_start", b"content_block_stop", b"ping")
)
_TEXT_DATA = (
    b'{"type":"content_block_delta"',
    b'{"type": "content_block_delta"',
)


class _EventStream:
    """
    Finds the events of a stream (WHATWG HTML, 9.2.6) and passes on their data.

    Lines end in LF or CRLF; a CR by itself, which no provider sends, is not
    taken for an end.
    """

    __slots__ = ("_data", "_figures", "_line", "_name")

    def __init__(self, figures: "_Figures") -> None:
        self._figures = figures
        self._line = _Pieces(MAX_EVENT_BYTES)
        self._data = _Pieces(MAX_EVENT_BYTES)
        self._name = b""

    def feed(self, data: bytes) -> None:
        # Nearly every piece is one whole event of text.
        if (
            data.startswith(_TEXT_EVENT)
            and data.endswith(b"\n\n")
            and data.count(b"\n") == 3  # noqa: PLR2004 - event, data, end
            and self._is_between_events
        ):
            return
        first, *others = data.split(b"\n")
        self._line.add(first)
        if not others:
            return
        line = self._line.joined()
        self._line.clear()
        self._take_line(line)
        last = others.pop()
        for whole in others:
            self._take_line(whole if len(whole) <= MAX_EVENT_BYTES else None)
        if last:
            self._line.add(last)

    @property
    def _is_between_events(self) -> bool:
        return self._line.is_empty and self._data.is_empty and not self._name

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
        self._figures.note_event(name)
        text = (data or b"").strip()
        if text == b"[DONE]":
            self._figures.saw_terminal = True
        elif not text.startswith(_TEXT_DATA):
            event = _decoded(text)
            if event is not None:
                self._figures.read_event(event)


# -- Meaning ---------------------------------------------------------------------


class _Choice(msgspec.Struct):
    finish_reason: object = None


class _Delta(msgspec.Struct):
    stop_reason: object = None


class _Document(msgspec.Struct):
    """The fields that matter in any of the formats; the rest is skipped in C."""

    type: object = None
    model: object = None
    stop_reason: object = None
    usage: object = None
    message: msgspec.Raw = msgspec.Raw()
    delta: msgspec.Raw = msgspec.Raw()
    choices: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw(b"null")


_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_DOCUMENT = msgspec.json.Decoder(_Document)
_DELTA = msgspec.json.Decoder(_Delta)
_CHOICES = msgspec.json.Decoder(list[_Choice])


def _decoded(data: bytes | msgspec.Raw) -> _Document | None:
    try:
        return _DOCUMENT.decode(data)
    except _UNREADABLE:
        return None


class _Figures:
    """What was read so far of one answer."""

    __slots__ = ("_counts", "model", "saw_error", "saw_terminal", "stop_reason")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self.model: str | None = None
        self.stop_reason: str | None = None
        self.saw_terminal = False
        self.saw_error = False

    def usage(self) -> Usage:
        return Usage(
            **self._counts,
            model=self.model,
            stop_reason=self.stop_reason,
            saw_terminal=self.saw_terminal,
            saw_error=self.saw_error,
        )

    def note_event(self, name: bytes) -> None:
        """Take from an event's name what does not need its data."""
        if name == b"message_stop":
            self.saw_terminal = True
        elif name == b"error":
            self.saw_error = True

    def read_document(self, document: _Document) -> None:
        """Read a whole JSON answer."""
        self.saw_terminal = True
        self._read_common(document)
        self._read_choices(document)

    def read_event(self, event: _Document) -> None:
        """Read the data of one event."""
        if isinstance(event.type, str):
            self.note_event(event.type.encode("utf-8", "replace"))
        self._read_common(event)
        if event.type == "message_start":
            message = _decoded(event.message)
            if message is not None:
                self._read_common(message)
        elif event.type == "message_delta":
            self._read_delta(event)
        else:
            self._read_choices(event)

    def _read_common(self, document: _Document) -> None:
        self.model = _name(document.model) or self.model
        self.stop_reason = _name(document.stop_reason) or self.stop_reason
        if bytes(document.error) != b"null" or document.type == "error":
            self.saw_error = True
        if isinstance(document.usage, dict):
            self._read_usage(document.usage)

    def _read_delta(self, event: _Document) -> None:
        try:
            delta = _DELTA.decode(event.delta)
        except _UNREADABLE:
            return
        self.stop_reason = _name(delta.stop_reason) or self.stop_reason

    def _read_choices(self, document: _Document) -> None:
        try:
            choices = _CHOICES.decode(document.choices)
        except _UNREADABLE:
            return
        for choice in choices:
            self.stop_reason = _name(choice.finish_reason) or self.stop_reason

    def _read_usage(self, usage: dict[object, object]) -> None:
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        ):
            self._count(name, usage.get(name))
        created = usage.get("cache_creation")
        if isinstance(created, dict):
            for span in ("5m", "1h"):
                count = created.get(f"ephemeral_{span}_input_tokens")
                self._count(f"cache_creation_{span}_input_tokens", count)
        self._read_openai_usage(usage)

    def _read_openai_usage(self, usage: dict[object, object]) -> None:
        self._count("output_tokens", usage.get("completion_tokens"))
        prompt = usage.get("prompt_tokens")
        if not _is_count(prompt):
            return
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        # OpenAI counts cached tokens among those of the prompt, Anthropic beside.
        if _is_count(cached) and cached <= prompt:
            self._count("cache_read_input_tokens", cached)
            prompt -= cached
        self._count("input_tokens", prompt)

    def _count(self, name: str, count: object) -> None:
        # Counts of a stream are running totals, and some relays end with zeros.
        if _is_count(count):
            self._counts[name] = max(count, self._counts.get(name, 0))


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _name(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= _MAX_NAME:
        return value
    return None
