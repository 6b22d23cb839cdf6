"""
The fields of an answer that usage is read from, in any of the formats.

What is not named here is skipped in C. A field of an odd type is no reason to give
up on those beside it, so most are `object` and are looked at where they are used.
"""

import msgspec


class _ToolFunction(msgspec.Struct):
    arguments: object = None


class _ToolCall(msgspec.Struct):
    function: _ToolFunction | None = None


class Piece(msgspec.Struct):
    """What one of OpenAI's chunks adds to the answer."""

    content: object = None
    reasoning_content: object = None
    tool_calls: list[_ToolCall] | None = None


class Ending(msgspec.Struct):
    """A choice of OpenAI's, for how it ended alone."""

    finish_reason: object = None


class Choice(msgspec.Struct):
    """One of OpenAI's choices."""

    finish_reason: object = None
    delta: Piece | None = None


class _Delta(msgspec.Struct):
    stop_reason: object = None


NOTHING = msgspec.Raw()
"""Stands for a field that is not there; it is told by identity."""


class Document(msgspec.Struct):
    """The fields that matter in any of the formats; the rest is skipped in C."""

    type: object = None
    model: object = None
    stop_reason: object = None
    service_tier: object = None
    usage: msgspec.Raw = NOTHING
    message: msgspec.Raw = NOTHING
    delta: msgspec.Raw = NOTHING
    choices: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_DOCUMENT = msgspec.json.Decoder(Document)
DELTA = msgspec.json.Decoder(_Delta)
CHOICES = msgspec.json.Decoder(list[Choice])
ENDINGS = msgspec.json.Decoder(list[Ending])
USAGE = msgspec.json.Decoder(dict[str, object])


def decoded(data: bytes | msgspec.Raw) -> Document | None:
    """Read one document or event; None if it is no object."""
    try:
        return _DOCUMENT.decode(data)
    except UNREADABLE:
        return None
