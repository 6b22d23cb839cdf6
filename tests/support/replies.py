"""Answers worked out from the request: what the provider does when not told."""

import json
from collections.abc import Callable, Mapping

from tests.support import plays, sse
from tests.support.http1 import Request
from tests.support.plays import Play

Reply = Callable[[Request], Play]


def json_of(request: Request) -> dict[str, object]:
    """The request's body where it is a JSON object, else an empty one."""
    try:
        value = json.loads(request.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def assistant(request: Request) -> Play:
    """Say a word, in the format and under the model name that were asked for."""
    asked = json_of(request)
    model = asked.get("model")
    return plays.says(
        "Hello from the scripted provider.",
        model=model if isinstance(model, str) else sse.MODEL,
        streaming=asked.get("stream") is True,
    )


def chat(request: Request) -> Play:
    """The same word in the shape of OpenAI's chat completions."""
    asked = json_of(request)
    said = {"role": "assistant", "content": "Hello from the scripted provider."}
    is_stream = asked.get("stream") is True
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "delta" if is_stream else "message": said,
    }
    body = sse.dumps(
        {
            "id": "chatcmpl-byok",
            "object": "chat.completion.chunk" if is_stream else "chat.completion",
            "created": 1785837600,
            "model": asked.get("model"),
            "choices": [choice],
        }
    )
    if is_stream:
        return plays.stream((b"data: " + body + b"\n\n", b"data: [DONE]\n\n"))
    return plays.answer(200, body)


def echo(request: Request) -> Play:
    """
    An error that quotes every header it got, credentials included.

    Providers and the proxies before them have been seen to do so.
    """
    quoted = "; ".join(
        f"{name.decode('latin-1')}: {value.decode('latin-1')}"
        for name, value in request.lines
    )
    return plays.fails(400, "invalid_request_error", f"cannot read headers {quoted}")


def nothing(request: Request) -> Play:
    """An empty 200, as the start-up probes get."""
    return plays.answer(200, b"")


def unknown(request: Request) -> Play:
    """What the API says of a path it does not have."""
    return plays.fails(404, "not_found_error", "Not found")


NAMED: Mapping[str, Reply] = {
    "assistant": assistant,
    "chat": chat,
    "echo": echo,
    "nothing": nothing,
    "unknown": unknown,
}
"""The replies a provider in another process can be told to give, by name."""


def reply_by_path(request: Request) -> Play:
    """Answer as the API would, whatever prefix a relay has put before the path."""
    path = request.path
    if request.method == b"HEAD":
        return nothing(request)
    if path.endswith(b"/v1/messages"):
        return assistant(request)
    if path.endswith(b"/v1/messages/count_tokens"):
        return plays.counts(42)
    if path.endswith(b"/v1/models"):
        return plays.lists_models("claude-opus-5-5", "claude-sonnet-5-5")
    if path.endswith(b"/v1/chat/completions"):
        return chat(request)
    return unknown(request)
