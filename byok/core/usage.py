"""
What an answer says about itself while it passes by: tokens, model, ending.

The reader is a passive tap. It sees the pieces the relay sees, keeps a bounded
part of them, and has no way to fail: an answer it cannot read is an answer
without figures.
"""

from dataclasses import dataclass
from typing import TypeGuard

from byok.core.event_stream import EventStream, Pieces, chunk_size
from byok.core.raw_usage import Json, RawUsage, is_plain
from byok.core.usage_forms import (
    CHOICES,
    DELTA,
    ENDINGS,
    NOTHING,
    UNREADABLE,
    USAGE,
    Document,
    Piece,
    decoded,
)

MAX_JSON_BYTES = 4 * 1024 * 1024
"""A longer JSON answer is not read; it is relayed all the same."""

MAX_USAGE_BYTES = 16 * 1024
"""Of a longer usage object the figures are read, but the object is not kept."""

BYTES_PER_TOKEN = 4
"""What a token of text is reckoned at where nobody counted: a floor, not a mean."""

_MAX_COUNT = 10**12
_MAX_NAME = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    The figures of one answer, in Anthropic's sense of the words.

    *input_tokens* leaves out what the cache provided or took in; *output_tokens*
    includes *thinking_tokens*. None is what the answer did not say. *saw_terminal*:
    the answer was complete by its own account. *saw_error*: it says that it failed.
    *estimated*: it ended before its last figures, and *output_tokens* is at least
    what the text that was seen must have taken. *raw* is the usage object itself.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_5m_input_tokens: int | None = None
    cache_creation_1h_input_tokens: int | None = None
    thinking_tokens: int | None = None
    web_search_requests: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    saw_terminal: bool = False
    saw_error: bool = False
    estimated: bool = False
    raw: str | None = None

    @property
    def cache_write_5m_tokens(self) -> int | None:
        """
        Tokens written to a cache for five minutes.

        So are those of which the answer does not say for how long: it is what a
        cache does that is not asked for more.
        """
        total = self.cache_creation_input_tokens
        if total is None:
            return self.cache_creation_5m_input_tokens
        rest = total - (self.cache_creation_1h_input_tokens or 0)
        return max(rest, self.cache_creation_5m_input_tokens or 0)

    @property
    def cache_write_1h_tokens(self) -> int | None:
        """Tokens written to a cache for an hour."""
        return self.cache_creation_1h_input_tokens


def floor_tokens(size: int) -> int:
    """Return how many tokens *size* bytes of text are at the least, about."""
    return -(-size // BYTES_PER_TOKEN)


class UsageReader:
    """
    Reads along an answer, an event stream or JSON, fed in pieces of any size.

    Which of the two it is shows in the first byte: clients do not rely on the
    content type either. Anthropic's and OpenAI's formats are understood.
    """

    __slots__ = ("_body", "_figures", "_stream")

    def __init__(self) -> None:
        self._figures = _Figures()
        self._stream: EventStream | None = None
        self._body: Pieces | None = None

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
        document = None if body is None else decoded(body)
        if document is not None:
            figures.read_document(document)
        return figures.usage()

    def _begin(self, data: bytes) -> None:
        data = data.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not data:
            return
        if data.startswith(b"{"):
            self._body = Pieces(MAX_JSON_BYTES)
            self._body.add(data)
        else:
            self._stream = EventStream(self._figures)
            self._stream.feed(data)


# -- Meaning ---------------------------------------------------------------------

_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_SPANS = (
    ("ephemeral_5m_input_tokens", "cache_creation_5m_input_tokens"),
    ("ephemeral_1h_input_tokens", "cache_creation_1h_input_tokens"),
)
_COUNTS = {**{name: name for name in _TOKENS}, "completion_tokens": "output_tokens"}
_DETAILS = {
    "cache_creation": _SPANS,
    "output_tokens_details": (("thinking_tokens", "thinking_tokens"),),
    "completion_tokens_details": (("reasoning_tokens", "thinking_tokens"),),
    "server_tool_use": (("web_search_requests", "web_search_requests"),),
}
_WORDS = frozenset(("service_tier", "speed", "inference_geo"))


class _Figures:
    """What was read so far of one answer."""

    __slots__ = (
        "_beside",
        "_counts",
        "_final",
        "_opened",
        "_raw",
        "_words",
        "_written",
        "model",
        "saw_error",
        "saw_terminal",
        "stop_reason",
    )

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        # What is billed like the rest and that the provider counts beside it.
        self._beside: dict[str, int] = {}
        self._words: dict[str, str] = {}
        self._raw = RawUsage()
        self._opened = False
        self._written = 0
        # Tokens of the last figures, and how much text had been written by then.
        self._final: tuple[int, int] | None = None
        self.model: str | None = None
        self.stop_reason: str | None = None
        self.saw_terminal = False
        self.saw_error = False

    def usage(self) -> Usage:
        counts = dict(self._counts)
        estimated = self._lacks_figures
        if estimated:
            counted, written = self._final or (0, 0)
            floor = counted + floor_tokens(self._written - written)
            counts["output_tokens"] = max(floor, counts.get("output_tokens", 0))
        for name, count in self._beside.items():
            counts[name] = counts.get(name, 0) + count
        return Usage(
            **counts,  # type: ignore[arg-type]
            **self._words,  # type: ignore[arg-type]
            model=self.model,
            stop_reason=self.stop_reason,
            saw_terminal=self.saw_terminal,
            saw_error=self.saw_error,
            estimated=estimated,
            raw=self._raw.text(),
        )

    @property
    def _lacks_figures(self) -> bool:
        if self._final is None:
            return self._opened or self._written > 0
        return not self.saw_terminal and self._written > self._final[1]

    def wrote(self, size: int) -> None:
        """Add *size* bytes of text that the model wrote."""
        self._written += size

    def note_event(self, name: bytes) -> None:
        """Take from an event's name what does not need its data."""
        if name == b"message_stop":
            self.saw_terminal = True
        elif name == b"error":
            self.saw_error = True

    def read_data(self, text: bytes) -> None:
        """Read the data of one event."""
        if text == b"[DONE]":
            self.saw_terminal = True
            return
        if self.model is not None:
            size = chunk_size(text)
            if size is not None:
                self._written += size
                return
        event = decoded(text)
        if event is not None:
            self._read_event(event)

    def read_document(self, document: Document) -> None:
        """Read a whole JSON answer."""
        self.saw_terminal = True
        self._read_common(document)
        self._read_usage(document, final=True)
        self._read_choices(document)

    def _read_event(self, event: Document) -> None:
        if isinstance(event.type, str):
            self.note_event(event.type.encode("utf-8", "replace"))
        self._read_common(event)
        self._read_usage(event, final=True)
        if event.type == "message_start":
            message = decoded(event.message)
            if message is not None:
                self._read_common(message)
                self._read_usage(message, final=False)
        elif event.type == "message_delta":
            self._read_delta(event)
        else:
            self._read_choices(event)

    def _read_common(self, document: Document) -> None:
        self.model = _name(document.model) or self.model
        self.stop_reason = _name(document.stop_reason) or self.stop_reason
        if document.service_tier is not None:
            self._word("service_tier", document.service_tier)
        if document.type == "error" or (
            document.error is not NOTHING and bytes(document.error) != b"null"
        ):
            self.saw_error = True

    def _read_delta(self, event: Document) -> None:
        try:
            delta = DELTA.decode(event.delta)
        except UNREADABLE:
            return
        self.stop_reason = _name(delta.stop_reason) or self.stop_reason

    def _read_choices(self, document: Document) -> None:
        if document.choices is NOTHING:
            return
        try:
            choices = CHOICES.decode(document.choices)
        except UNREADABLE:
            self._read_endings(document)
            return
        for choice in choices:
            if choice.finish_reason is not None:
                self.stop_reason = _name(choice.finish_reason) or self.stop_reason
            if choice.delta is not None:
                self._written += _written_by(choice.delta)

    def _read_endings(self, document: Document) -> None:
        # What was written is in no form that we know.
        try:
            endings = ENDINGS.decode(document.choices)
        except UNREADABLE:
            return
        for ending in endings:
            self.stop_reason = _name(ending.finish_reason) or self.stop_reason

    def _read_usage(self, document: Document, *, final: bool) -> None:
        text = bytes(document.usage)
        if not text.startswith(b"{"):
            return
        try:
            usage = USAGE.decode(text)
        except UNREADABLE:
            return
        if len(text) <= MAX_USAGE_BYTES:
            self._raw.add(usage, len(text))
        for name, value in usage.items():
            self._read_figure(name, value)
        if "prompt_tokens" in usage:
            self._count_prompt(usage)
        output = usage.get("output_tokens", usage.get("completion_tokens"))
        if not final:
            self._opened = True
        elif _is_count(output) and (output or not self._written):
            # Some relays end with zeros: nobody wrote a text with no token.
            self._final = (output, self._written)

    def _read_figure(self, name: str, value: object) -> None:
        if type(value) is int:
            if name in _COUNTS:
                self._count(_COUNTS[name], value)
        elif isinstance(value, dict):
            for inner, ours in _DETAILS.get(name, ()):
                self._count(ours, value.get(inner))
        elif isinstance(value, list):
            if name == "iterations":
                self._count_compaction(value)
        elif name in _WORDS:
            self._word(name, value)

    def _count_prompt(self, usage: Json) -> None:
        prompt = usage.get("prompt_tokens")
        if not _is_count(prompt):
            return
        cached = _inner(usage, "prompt_tokens_details").get("cached_tokens")
        # OpenAI counts cached tokens among those of the prompt, Anthropic beside.
        if _is_count(cached) and cached <= prompt:
            self._count("cache_read_input_tokens", cached)
            prompt -= cached
        self._count("input_tokens", prompt)

    def _count_compaction(self, turns: list[object]) -> None:
        # The provider shortened the conversation first, by the same model, and its
        # totals leave that out.
        sums: dict[str, int] = {}
        for turn in turns:
            if not isinstance(turn, dict) or turn.get("type") != "compaction":
                continue
            given = [(name, turn.get(name)) for name in _TOKENS]
            spans = _inner(turn, "cache_creation")
            given += [(ours, spans.get(name)) for name, ours in _SPANS]
            for name, count in given:
                if _is_count(count):
                    sums[name] = min(_MAX_COUNT, sums.get(name, 0) + count)
        for name, count in sums.items():
            self._beside[name] = max(count, self._beside.get(name, 0))

    def _count(self, name: str, count: object) -> None:
        # Counts of a stream are running totals, and some relays end with zeros.
        if _is_count(count):
            self._counts[name] = max(count, self._counts.get(name, 0))

    def _word(self, name: str, value: object) -> None:
        if isinstance(value, str) and is_plain(value):
            self._words[name] = value


def _written_by(piece: Piece) -> int:
    """Return the bytes of text in OpenAI's form of one piece of an answer."""
    written = _size(piece.content) + _size(piece.reasoning_content)
    for call in piece.tool_calls or ():
        if call.function is not None:
            written += _size(call.function.arguments)
    return written


def _size(text: object) -> int:
    return len(text.encode()) if isinstance(text, str) else 0


def _inner(usage: Json, name: str) -> Json:
    value = usage.get(name)
    return value if isinstance(value, dict) else {}


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MAX_COUNT


def _name(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= _MAX_NAME:
        return value
    return None
