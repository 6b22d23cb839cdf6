"""
Messages as Anthropic's API writes them: JSON bodies and event streams.

Every function returns bytes ready for the wire. A stream is a tuple with one
item per event, so a test can send, hold back or cut it between any two.
"""

import json
from collections.abc import Mapping, Sequence

MESSAGE_ID = "msg_01ByokScriptedProvider"
MODEL = "claude-sonnet-5-5"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT = b": a comment line, which a relay passes on\n\n"

Events = tuple[bytes, ...]


def dumps(value: object) -> bytes:
    """The compact JSON the API sends."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(kind: str, **fields: object) -> bytes:
    """One server-sent event of Anthropic's shape."""
    data = dumps({"type": kind, **fields})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def usage(*, input_tokens: int = 12, output_tokens: int = 1) -> dict[str, object]:
    """A usage object with the cache fields that real answers carry."""
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def message(
    content: Sequence[dict[str, object]],
    *,
    model: str = MODEL,
    stop_reason: str | None = "end_turn",
    output_tokens: int = 7,
) -> dict[str, object]:
    """A complete Message object."""
    return {
        "id": MESSAGE_ID,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage(output_tokens=output_tokens),
    }


def text_block(text: str) -> dict[str, object]:
    """A text block, as a JSON answer carries it."""
    return {"type": "text", "text": text}


def tool_block(
    name: str, arguments: Mapping[str, object], *, block_id: str = "toolu_01Byok"
) -> dict[str, object]:
    """A tool_use block, as a JSON answer carries it."""
    return {"type": "tool_use", "id": block_id, "name": name, "input": arguments}


def error_body(kind: str, text: str, *, request_id: str = "req_011Byok") -> bytes:
    """An error in Anthropic's envelope."""
    error = {"type": kind, "message": text}
    return dumps({"type": "error", "error": error, "request_id": request_id})


def opening(*, model: str = MODEL) -> bytes:
    """The message_start event."""
    started = message((), model=model, stop_reason=None, output_tokens=1)
    return event("message_start", message=started)


def closing(*, stop_reason: str = "end_turn", output_tokens: int = 7) -> Events:
    """The message_delta and message_stop events."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    used = {"output_tokens": output_tokens}
    return event("message_delta", delta=delta, usage=used), event("message_stop")


def text_events(text: str, *, index: int = 0) -> Events:
    """The events of one text block, a delta for each word."""
    empty = text_block("")
    words = text.split(" ")
    pieces = [word + " " for word in words[:-1]] + words[-1:]
    deltas = (
        event(
            "content_block_delta",
            index=index,
            delta={"type": "text_delta", "text": piece},
        )
        for piece in pieces
    )
    return (
        event("content_block_start", index=index, content_block=empty),
        *deltas,
        event("content_block_stop", index=index),
    )


def tool_events(
    name: str,
    arguments: Mapping[str, object],
    *,
    index: int = 0,
    block_id: str = "toolu_01Byok",
) -> Events:
    """The events of one tool_use block; its input arrives in two halves."""
    text = dumps(arguments).decode()
    half = len(text) // 2
    deltas = (
        event(
            "content_block_delta",
            index=index,
            delta={"type": "input_json_delta", "partial_json": piece},
        )
        for piece in ("", text[:half], text[half:])
    )
    block = tool_block(name, {}, block_id=block_id)
    return (
        event("content_block_start", index=index, content_block=block),
        *deltas,
        event("content_block_stop", index=index),
    )


def text_stream(text: str, *, model: str = MODEL) -> Events:
    """A whole answer of one text block, with the ping and comment of real ones."""
    start, *rest = text_events(text)
    return (opening(model=model), start, PING, COMMENT, *rest, *closing())


def tool_stream(
    name: str, arguments: Mapping[str, object], *, said: str = "", model: str = MODEL
) -> Events:
    """A whole answer that asks for the tool *name*, after the words *said*."""
    words = text_events(said) if said else ()
    tool = tool_events(name, arguments, index=1 if said else 0)
    return (opening(model=model), PING, *words, *tool, *closing(stop_reason="tool_use"))


def error_event(kind: str, text: str) -> bytes:
    """The event a provider sends when it fails in the middle of a stream."""
    return event("error", error={"type": kind, "message": text})
