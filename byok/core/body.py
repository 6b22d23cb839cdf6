"""
The few fields of a JSON body the gateway looks at, read where they stand.

A body is validated whole, once, in C, and then scanned for its top-level
fields; nothing but `model`, `stream` and `max_tokens` becomes an object, since
the bytes themselves travel on. Strictness is a matter of security: two fields
of one name would let us check the first and the provider obey the second.
"""

import codecs
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from byok.core.errors import Refusal

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Anthropic's own limit; enforced by whoever collects the body."""

MAX_DEPTH = 64
MAX_FIELDS = 1024
MAX_MODEL_CHARACTERS = 1024

REPLACED_FIELDS = {
    "api_key": (
        "send your own key in its header, as Claude Code does with ANTHROPIC_API_KEY; "
        "the operator's stands in `model_list[].litellm_params.api_key`"
    ),
    "api_base": "the operator sets it in `model_list[].litellm_params.api_base`",
    "base_url": "the operator sets it in `model_list[].litellm_params.api_base`",
    "user_config": "the operator lists models in `model_list`",
}
"""Fields that would choose a destination or a credential, and what does so here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyHead:
    """
    What the gateway reads of a body.

    *model_span* holds the offsets of the JSON string of `model`, quotes
    included.
    """

    model: str | None
    stream: bool
    model_span: tuple[int, int] | None
    max_tokens: int | None


def read_head(body: bytes) -> BodyHead | Refusal:
    """
    Read the head of a JSON object, or say why the body is none we relay.

    Unpaired surrogates written as escapes are let through: they are within the
    grammar, JavaScript clients produce them by cutting text, and what to make
    of them is the provider's business.
    """
    fault = _grammar_fault(body)
    if fault is not None:
        return fault
    values: dict[str, bytes] = {}
    model_span = None
    names: set[str] = set()
    for name, start, end in _fields(body):
        if name is None:
            return _refusal("too-deep", f"it is nested deeper than {MAX_DEPTH} levels")
        if name in names:
            return _refusal("duplicate-field", f"{_shown(name)} appears twice in it")
        names.add(name)
        if len(names) > MAX_FIELDS:
            return _refusal("too-many-fields", f"it has over {MAX_FIELDS} fields")
        folded = name.casefold()
        if folded in REPLACED_FIELDS:
            return _refusal(
                "forbidden-field",
                f"`{folded}` is never taken from it; {REPLACED_FIELDS[folded]}",
            )
        if folded not in ("model", "stream", "max_tokens"):
            continue
        if folded != name:
            # Some parsers ignore case; they would see the field twice.
            return _refusal("misspelled-field", f"`{folded}` is written otherwise")
        values[name] = body[start:end]
        if name == "model":
            model_span = (start, end)
    return _head(values, model_span)


def splice_model(body: bytes, head: BodyHead, model: str) -> bytes:
    """Put *model* in the place of the body's own and leave every other byte alone."""
    if head.model_span is None:
        raise ValueError("this body has no model to replace")
    if model == head.model:
        return body
    start, end = head.model_span
    view = memoryview(body)
    return b"".join((view[:start], json.dumps(model).encode(), view[end:]))


def _head(
    values: dict[str, bytes], model_span: tuple[int, int] | None
) -> BodyHead | Refusal:
    model = None
    if "model" in values:
        model = _model(values["model"])
        if model is None:
            return _refusal(
                "bad-model",
                f"`model` has to be a text of 1 to {MAX_MODEL_CHARACTERS} characters",
            )
    stream = values.get("stream", b"false")
    if stream not in (b"true", b"false", b"null"):
        return _refusal("bad-stream", "`stream` has to be true or false")
    max_tokens = values.get("max_tokens", b"")
    return BodyHead(
        model=model,
        stream=stream == b"true",
        model_span=model_span,
        # Anything else is for the provider to refuse, in its own words.
        max_tokens=int(max_tokens) if _COUNT.fullmatch(max_tokens) else None,
    )


def _model(value: bytes) -> str | None:
    if not value.startswith(b'"') or len(value) > 6 * MAX_MODEL_CHARACTERS + 2:
        return None
    model = _text(value)
    if not model.strip() or len(model) > MAX_MODEL_CHARACTERS:
        return None
    if not model.isascii() and any("\ud800" <= each <= "\udfff" for each in model):
        return None
    return model


# -- Grammar ---------------------------------------------------------------------

_DECODER = msgspec.json.Decoder(msgspec.Raw)
_CHUNK_BYTES = 256 * 1024


def _grammar_fault(body: bytes) -> Refusal | None:
    first = _FIRST.match(body)
    if first is None:
        return _refusal("empty", "it is empty")
    if not _is_utf8(body):
        return _refusal("not-utf8", "it is not UTF-8")
    try:
        fault = _syntax_error(body)
        if fault is not None:
            fault = _syntax_error(_without_surrogates(body))
    except RecursionError:
        return _refusal("too-deep", f"it is nested deeper than {MAX_DEPTH} levels")
    if fault is not None:
        return _refusal("malformed", f"it is not valid JSON, {fault}")
    if first[1] != b"{":
        return _refusal("not-an-object", "it is not a JSON object")
    return None


_AT_BYTE = re.compile(r"\(byte ([0-9]+)\)\Z")


def _syntax_error(body: bytes) -> str | None:
    # Checks all of the grammar without building the tree, but neither UTF-8 nor
    # depth, and takes unpaired surrogates for an error.
    try:
        _DECODER.decode(body)
    except msgspec.DecodeError as error:
        # Of the form "JSON is malformed: invalid character (byte 6)".
        at = _AT_BYTE.search(str(error))
        return f"byte {at[1]} does not belong there" if at else "it ends too early"
    return None


def _without_surrogates(body: bytes) -> bytes:
    # For validation only: `\\ud83d` becomes `\\u083d`. After an escaped backslash
    # this rewrites plain text, which is as valid as it was.
    return body.replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0")


def _is_utf8(body: bytes) -> bool:
    if body.isascii():
        return True
    # In pieces: one emoji would make the decoded whole four times the body.
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    try:
        for start in range(0, len(body), _CHUNK_BYTES):
            decoder.decode(view[start : start + _CHUNK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


# -- Scanning --------------------------------------------------------------------
#
# The patterns below read bytes whose grammar has been checked, and are only
# right for those. They never backtrack: every repetition is possessive. The empty
# alternative inside each one is for Python before 3.11.5, which forgets where a
# repetition stood when its body fails half-way (cpython gh-106052).

_SPACE = rb"[ \t\n\r]*+"
_FIRST = re.compile(_SPACE + rb"(.)", re.DOTALL)
_CLOSING = re.compile(_SPACE + rb"\}" + _SPACE)
_COUNT = re.compile(rb"[0-9]{1,15}")

# A quote ends a string unless an odd number of backslashes precedes it. Looking
# back from the quotes is five times faster than looking at every character for
# a backslash, but it can only look back so far: longer runs are left to the
# plain pattern.
_ODD_BACKSLASHES = b"|".join(
    rb"(?<=(?<!\\)" + rb"\\" * count + b")" for count in (1, 3, 5, 7)
)
_LONG_RUN = b"\\" * 8
_STRING = rb'"[^"]*+(?:(?<=\\)(?:' + _ODD_BACKSLASHES + rb')"[^"]*+|)*+"'
_PLAIN_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+|)*+"'


def _field_pattern(string: bytes) -> re.Pattern[bytes]:
    """Match one top-level field, if it is not too deep: its name and its value."""
    inside = rb'[^\[\]{}"]*+'
    nested = rb"(?!)"
    for _ in range(MAX_DEPTH - 1):
        item = rb"(?:" + string + rb"|" + nested + rb")" + inside
        nested = rb"[\[{]" + inside + rb"(?:" + item + rb"|)*+[\]}]"
    scalar = rb'[^ \t\n\r,\[\]{}"]++'
    value = rb"(" + string + rb"|" + nested + rb"|" + scalar + rb")"
    return re.compile(
        _SPACE + rb"(" + string + rb")" + _SPACE + rb":" + _SPACE + value
        + _SPACE + rb",?+",
        re.DOTALL,
    )  # fmt: skip


_FIELD = _field_pattern(_STRING)


@functools.cache
def _plain_field() -> re.Pattern[bytes]:
    return _field_pattern(_PLAIN_STRING)


def _fields(body: bytes) -> Iterator[tuple[str | None, int, int]]:
    """
    Yield name, start and end of every top-level field.

    The last one has no name where the scan could not go on to the end: some
    value is nested too deeply.
    """
    pattern = _plain_field() if _LONG_RUN in body else _FIELD
    position = body.index(b"{") + 1
    while match := pattern.match(body, position):
        start, end = match.span(2)
        yield _text(match[1]), start, end
        position = match.end()
    if not _CLOSING.fullmatch(body, position):
        yield None, position, position


def _text(string: bytes) -> str:
    if b"\\" not in string:
        return string[1:-1].decode("utf-8")
    text: str = json.loads(string)
    return text


def _refusal(slug: str, what: str) -> Refusal:
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code=f"body.{slug}",
        message=f"byok cannot use the request body: {what}.",
    )


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,29}")


def _shown(name: str) -> str:
    # A name that does not look like one could be anything, a key included.
    return f"`{name}`" if _NAME.fullmatch(name) else "a field"
