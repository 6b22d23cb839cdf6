"""What Claude Code prints of a stream while it comes in."""

import json
from collections.abc import Sequence

Json = dict[str, object]


def printed(lines: Sequence[str]) -> list[Json]:
    """The JSON objects of `--output-format stream-json`."""
    return [json.loads(line) for line in lines if line.startswith("{")]


def stream_events(lines: Sequence[str]) -> list[Json]:
    """The provider's events, as far as the client has taken them in."""
    events = (one.get("event") for one in printed(lines))
    return [event for event in events if isinstance(event, dict)]


def pieces(lines: Sequence[str]) -> list[str]:
    """The pieces of text shown so far."""
    deltas = (event.get("delta") for event in stream_events(lines))
    texts = (delta.get("text") for delta in deltas if isinstance(delta, dict))
    return [text for text in texts if isinstance(text, str) and text]


def has_shown(*wanted: str):
    """Wait for the text *wanted*, piece by piece."""
    return lambda lines: pieces(lines) == list(wanted) or None


def has_taken_in(kind: str):
    """Wait until the client has read an event of *kind*."""
    return lambda lines: (
        kind in [event["type"] for event in stream_events(lines)] or None
    )


def result(lines: Sequence[str]) -> Json | None:
    """The last line: what the run came to."""
    return next((one for one in printed(lines) if one.get("type") == "result"), None)
