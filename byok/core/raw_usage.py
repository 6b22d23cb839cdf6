"""
The usage object of an answer as its provider wrote it, kept small and harmless.

A stream gives it in parts: what comes later is put over what came before. Figures
that nobody thought of yet are in the ledger that way, from the first day on.
"""

import re

import msgspec

MAX_RAW_BYTES = 4096
"""The longest text of a usage object that is kept."""

_MAX_PARTS_BYTES = 64 * 1024
_MAX_DEPTH = 5
# Words such as `standard`, `web_search` or a model's name. Nothing else of what a
# provider might repeat of a request gets into the ledger, and no key.
_WORD = re.compile(
    r"(?!.*sk-)(?=.{1,64}\Z)[a-z0-9]{1,16}(?:[._:/@-][a-z0-9]{1,16})*", re.ASCII
)

# Known ones, since a look is faster than a pattern.
_COMMON = frozenset(
    {
        "cache_creation",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "ephemeral_1h_input_tokens",
        "ephemeral_5m_input_tokens",
        "inference_geo",
        "input_tokens",
        "not_available",
        "output_tokens",
        "output_tokens_details",
        "server_tool_use",
        "service_tier",
        "speed",
        "standard",
        "thinking_tokens",
        "web_fetch_requests",
        "web_search_requests",
    }
)

Json = dict[str, object]


class RawUsage:
    """One usage object, put together from its parts."""

    __slots__ = ("_merged", "_room")

    def __init__(self) -> None:
        self._merged: Json = {}
        self._room = _MAX_PARTS_BYTES

    def add(self, usage: Json, size: int) -> None:
        """
        Put the next part, *size* bytes of JSON, over what is there.

        An answer with figures in every chunk is begun anew from time to time: its
        parts are all alike, and no provider can make this grow.
        """
        self._room -= size
        if self._room < 0:
            self._merged = {}
            self._room = _MAX_PARTS_BYTES
        _put(self._merged, _harmless(usage))

    def text(self) -> str | None:
        """
        Return the object as JSON, None if there was none.

        What makes it longer than 4 kB is left out, the longest values first.
        """
        if not self._merged:
            return None
        text = msgspec.json.encode(self._merged)
        if len(text) > MAX_RAW_BYTES:
            text = msgspec.json.encode(_shortened(self._merged))
        return text.decode()


def is_plain(word: str) -> bool:
    """Is *word* one that can be kept: a name, and nobody's key?"""
    return word in _COMMON or _WORD.fullmatch(word) is not None


def _put(merged: Json, part: Json) -> None:
    for name, value in part.items():
        before = merged.get(name)
        if type(value) is int and type(before) is int:
            # Counts of a stream are running totals, and some relays end with zeros.
            merged[name] = max(value, before)
        elif isinstance(value, dict) and isinstance(before, dict):
            _put(before, value)
        elif value is not None or name not in merged:
            merged[name] = value


def _shortened(merged: Json) -> Json:
    sizes = {
        name: len(msgspec.json.encode({name: each})) for name, each in merged.items()
    }
    left = MAX_RAW_BYTES
    kept = set()
    for name in sorted(sizes, key=sizes.__getitem__):
        left -= sizes[name]
        if left >= 0:
            kept.add(name)
    return {name: each for name, each in merged.items() if name in kept}


def _harmless(value: Json, depth: int = 0) -> Json:
    return {
        name: _harmless_value(each, depth)
        for name, each in value.items()
        if is_plain(name)
    }


def _harmless_value(value: object, depth: int) -> object:
    if isinstance(value, dict):
        return _harmless(value, depth + 1) if depth < _MAX_DEPTH else None
    if isinstance(value, list):
        inner = value if depth < _MAX_DEPTH else ()
        return [_harmless_value(each, depth + 1) for each in inner]
    if isinstance(value, str):
        return value if is_plain(value) else None
    return value
