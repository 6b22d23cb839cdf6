"""
Takes secrets out of whatever is about to be written.

Secrets are recognised three ways: as one that is live, by the shape that
providers gave their keys, and by where they stand, after `Bearer` or under the
name of a credential header. A replacement has the length and the fingerprint
that a `Secret` shows too, so that one can be followed through a log.
"""

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import cast

from twisted.python.failure import Failure

from byok.core.secret import fingerprint
from byok.logs.live import LiveSecrets
from byok.policy.classes import CLASSES, COOKIE, CREDENTIAL_SHAPES, class_of_name

Clean = None | bool | int | float | str | list["Clean"] | dict[str, "Clean"]
"""What JSON can hold, with no secret in it."""

_DEEPEST = 8

_PREFIXES = [prefix.decode("ascii") for prefix, _ in CREDENTIAL_SHAPES]
# `sk-or-` alone is in "task-or-event"; the keys have a version after it.
_SHAPED = "|".join(re.escape(prefix) for prefix in _PREFIXES if prefix != "sk-or-")
# The beginning of a word, where escapes may have put a letter before it.
_BEGIN = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
# What no person wrote: long, or of more than small letters. Our own words for
# classes of credentials look like that too.
_OPAQUE = (
    r"(?!credential\.)"
    r"(?:(?=[a-z.~-]*[A-Z0-9+/=_])[A-Za-z0-9._~+/=-]{6,}|[A-Za-z0-9._~+/=-]{20,})"
)
_NAMED = r"(?:authorization|-(?:key|token|secret)|api_?key|password)\b"
# A line, an item of a mapping, or a pair.
_IS = r"[\"']?\s*[:=,]\s*[\[(]*(?:b?[\"'])?"

_PAIR = r"[a-z_-]{0,40}(?:key|token|secret|password|signature)"


def _words_of(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Lower-case *prefixes*, without those that contain another."""
    words = {prefix.lower() for prefix in prefixes}
    return tuple(
        word for word in words if not any(o in word for o in words if o != word)
    )


# What `_NAMED` begins with, one by one.
_NAMES = ("authorization", "-key", "-token", "-secret", "api_key", "apikey", "passw")
_BY_NAME = re.compile("|".join(_NAMES))

# Each pattern beside the words without one of which it cannot match, since most
# texts have none. What its group matches is the secret. Patterns are tried at every
# character of what clients may have sent: none runs far ahead and then fails.
_PATTERNS = tuple(
    (words, re.compile("|".join(alternatives)))
    for words, *alternatives in (
        (
            _words_of((*_PREFIXES, "sk-", "eyJ")),
            rf"((?:{_SHAPED}|sk-or-v\d)[A-Za-z0-9_-]{{8,}})",
            rf"{_BEGIN}(sk-[A-Za-z0-9_-]{{16,}})",
            rf"{_BEGIN}(eyJ[A-Za-z0-9_-]{{4,}}\.[A-Za-z0-9_-]{{4,}}(?:\.[A-Za-z0-9_-]*)?)",
        ),
        (
            _NAMES,
            rf"(?i:{_NAMED}{_IS}(?:bearer|basic)[ \t]+)([^\s\"',;)\]}}<>]{{8,}})",
            rf"(?i:{_NAMED}{_IS}(?!(?:bearer|basic)\b))({_OPAQUE})",
        ),
        (
            ("cookie",),
            rf"(?i:\b(?:set-)?cookie\b{_IS})([^\s\"'\]=<]{{1,64}}=[^\"'\r\n\]]+)",
        ),
        (("bearer", "basic"), rf"(?i:\b(?:bearer|basic)[ \t]+)({_OPAQUE})"),
        (("?", "&"), rf"(?i:[?&]{_PAIR}=)([^&\s\"'#<][^&\s\"'#]*)"),
        (("://",), r"://[^/\s:@]*:([^/\s@<][^/\s@]*)@"),
    )
)
_OPAQUE_WORD = re.compile(_OPAQUE)
_NAME = re.compile(r"<secret:len=\d+ fp=[0-9a-f]{8}>")


_KNOWN_MOST = 4096
_KNOWN_CHARACTERS = 64


class Redactor:
    """
    Cleans values of the secrets in them; what it cannot clean it drops.

    Most texts come again and again: names of routes, models, errors. Short ones in
    which no pattern was found are remembered, and looked at for live secrets only.
    """

    def __init__(self, live: LiveSecrets) -> None:
        self._live = live
        self._declared = live.declared
        self._known: set[str] = set()

    def text(self, text: str) -> str:
        """Return *text* with every secret in it replaced by its name."""
        pieces = []
        position = 0
        for start, end in self._live.spans(text):
            pieces += [text[position:start], _name(text[start:end])]
            position = end
        if position:
            text = "".join((*pieces, text[position:]))
        self._heed_declared()
        if text in self._known:
            return text
        cleaned = self._shaped(text)
        if cleaned == text:
            self._note(text)
        return cleaned

    def _heed_declared(self) -> None:
        if self._live.declared is not self._declared:
            self._declared = self._live.declared
            self._known.clear()

    def _shaped(self, text: str) -> str:
        """Return *text* with everything replaced that looks like a secret."""
        declared = self._declared
        return _without_shapes(
            text if declared is None else declared.sub(_renamed, text)
        )

    def _note(self, text: str) -> None:
        """Remember that *text* looks like no secret."""
        if len(text) <= _KNOWN_CHARACTERS:
            if len(self._known) >= _KNOWN_MOST:
                self._known.clear()
            self._known.add(text)

    def plain(self, named: Mapping[str, object]) -> dict[str, Clean] | None:
        """
        Return *named* as it is, if nothing in it is to be replaced.

        None says only that it has to be looked at with more care. It is asked of the
        line that every exchange leaves.
        """
        self._heed_declared()
        shortest, known = self._live.shortest, self._known
        unknown: list[str] = []
        clean: dict[str, Clean] = {}
        for name, value in named.items():
            kind = type(value)
            if kind is str:
                text = cast(str, value)
                if _is_name_of_credential(name) or (
                    len(text) >= shortest and next(self._live.spans(text), None)
                ):
                    return None
                if text not in known:
                    unknown.append(text)
            elif kind is float:
                if not math.isfinite(cast(float, value)):
                    return None
            elif not (value is None or kind is int or kind is bool):
                return None
            clean[name] = cast("Clean", value)
        # No pattern finds less in a line for what stands in the next.
        if unknown and self._shaped(text := "\n".join(unknown)) != text:
            return None
        for text in unknown:
            self._note(text)
        return clean

    def fields(self, named: Mapping[str, object]) -> dict[str, Clean]:
        """
        Return what may be written of an event's fields.

        Their names stand in our own code, so only their values are looked at.
        """
        clean: dict[str, Clean] = {}
        for name, value in named.items():
            if value is None or type(value) is int:
                clean[name] = value
                continue
            cleaned = self.value(value, depth=1)
            named_so = _is_name_of_credential(name)
            clean[name] = _replaced(cleaned) if named_so else cleaned
        return clean

    def value(self, value: object, *, depth: int = 0) -> Clean:
        """Return what may be written of *value*, made of what JSON can hold."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, Failure):
            return self.text(value.getTraceback())
        if isinstance(value, BaseException):
            return self.text(_described(value))
        if depth >= _DEEPEST:
            return f"<{type(value).__name__} nested too deeply>"
        if isinstance(value, Mapping):
            return self._mapping(value, depth + 1)
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth + 1)
        return self.text(_described(value))

    def _items(self, values: Iterable[object], depth: int) -> Clean:
        items = [self.value(value, depth=depth) for value in values]
        if len(items) == 2 and _names_a_credential(items[0]):  # noqa: PLR2004
            # A header as the pair that headers are carried in, or two names.
            name, value = items
            return [name, _replaced(value)] if _is_opaque(value) else items
        return items

    def _mapping(self, mapping: Mapping[object, object], depth: int) -> Clean:
        clean: dict[str, Clean] = {}
        for key, value in mapping.items():
            name = str(self.value(key, depth=depth))
            cleaned = self.value(value, depth=depth)
            # Under such a name a value is a secret, whatever it looks like.
            clean[name] = _replaced(cleaned) if _names_a_credential(name) else cleaned
        return clean


def _without_shapes(text: str) -> str:
    lowered = text.lower()
    for words, pattern in _PATTERNS:
        for word in words:
            if word in lowered:
                if words is _NAMES and not _is_named(pattern, text, lowered):
                    break
                text = pattern.sub(_renamed, text)
                break
    return text


def _is_named(pattern: re.Pattern[str], text: str, lowered: str) -> bool:
    """
    Could *pattern*, which begins with one of the _NAMES, match in *text*?

    Trying it at each of them is ten times faster than at every character, and the
    names of our own classes hold some.
    """
    if not text.isascii():
        # A letter's small form may be longer.
        return True
    return any(
        pattern.match(text, found.start()) for found in _BY_NAME.finditer(lowered)
    )


def _described(value: object) -> str:
    kind = type(value).__name__
    try:
        return f"{kind}: {value}" if isinstance(value, BaseException) else repr(value)
    except Exception:  # noqa: BLE001 - whatever a broken object raises
        return f"<unprintable {kind}>"


def _names_a_credential(name: object) -> bool:
    return isinstance(name, str) and _is_name_of_credential(name)


# Asked about every field of every event, and about names that were cleaned before.
@lru_cache(maxsize=1024)
def _is_name_of_credential(name: str) -> bool:
    cls = class_of_name(name.lower().encode("ascii", "replace"))
    return cls == COOKIE or cls.startswith("credential.")


def _is_opaque(value: Clean) -> bool:
    if isinstance(value, list):
        return any(_is_opaque(item) for item in value)
    return isinstance(value, str) and _OPAQUE_WORD.search(value) is not None


def _replaced(value: Clean) -> Clean:
    """Return *value* with every text in it replaced, but for names of classes."""
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    if isinstance(value, dict):
        return {name: _replaced(item) for name, item in value.items()}
    if isinstance(value, str) and value and value not in CLASSES:
        return value if _NAME.fullmatch(value) else _name(value)
    return value


def _name(secret: str) -> str:
    data = secret.encode("utf-8", "surrogatepass")
    return f"<secret:len={len(data)} fp={fingerprint(data)}>"


def _renamed(match: re.Match[str]) -> str:
    group = match.lastindex or 0
    whole, start = match.group(), match.start()
    before = whole[: match.start(group) - start]
    after = whole[match.end(group) - start :]
    return f"{before}{_name(match.group(group))}{after}"
