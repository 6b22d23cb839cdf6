"""The bytes that go through: what Claude Code sends, and what a provider answers."""

import json

CHOSEN_KEY = "sk-" + "b" * 48
"""What opens a gateway that makes no keys of its own."""

WRONG_KEY = "sk-" + "w" * 48
OWN_KEY = "sk-ant-api03-" + "a" * 95
MODEL = "claude-bench-"
"""What every model is called; the upstream plays what follows in the name."""

PLAYS = ("small", "events", "burst", "short", "idle", "large", "cut", "overloaded")
PATH = "/v1/messages?beta=true"
BODY_BYTES = 2048

# Claude Code 2.1.330, in its order; content-length and host are added by who sends.
HEADERS: tuple[tuple[str, str], ...] = (
    ("Accept", "application/json"),
    ("Content-Type", "application/json"),
    ("User-Agent", "claude-cli/2.1.330 (external, cli)"),
    ("X-Claude-Code-Session-Id", "0d3e1f0e-5c0b-4b0e-9c0a-3f6d2a9b7c11"),
    ("X-Stainless-Arch", "x64"),
    ("X-Stainless-Lang", "js"),
    ("X-Stainless-OS", "Linux"),
    ("X-Stainless-Package-Version", "0.128.0"),
    ("X-Stainless-Retry-Count", "0"),
    ("X-Stainless-Runtime", "node"),
    ("X-Stainless-Runtime-Version", "v26.12.1"),
    ("X-Stainless-Timeout", "600"),
    (
        "anthropic-beta",
        (
            "claude-code-20250219,interleaved-thinking-2025-05-14,"
            "context-management-2025-06-27,per-turn-control-2026-07-01,"
            "mid-conversation-tool-changes-2026-07-01,"
            "thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,"
            "effort-2025-11-24"
        ),
    ),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("anthropic-version", "2023-06-01"),
    ("x-api-key", OWN_KEY),
    ("x-app", "cli"),
    ("x-litellm-api-key", CHOSEN_KEY),
    ("Connection", "keep-alive"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
)


def body(play: str, *, size: int = BODY_BYTES) -> bytes:
    """
    Return a request of *size* bytes that the upstream answers with *play*.

    A large one has many messages, as a long conversation does: whoever builds an
    object for each pays for it.
    """
    document = {
        "model": MODEL + play,
        "max_tokens": 1024,
        "stream": play not in ("small", "overloaded"),
        "messages": [{"role": "user", "content": ""}],
    }
    while True:
        missing = size - len(json.dumps(document))
        if missing <= 0:
            return json.dumps(document).encode()
        messages = document["messages"]
        assert isinstance(messages, list)  # noqa: S101 - tells the type checker
        if missing <= 2 * BODY_BYTES:
            messages[0]["content"] = "x" * missing
            continue
        one = {"role": "user", "content": "y" * BODY_BYTES}
        messages += [one] * ((missing - BODY_BYTES) // (len(json.dumps(one)) + 2))


def request(
    play: str,
    *,
    size: int = BODY_BYTES,
    key: str,
    keeps: bool = False,
) -> bytes:
    """Return a whole request; the connection ends after it unless it *keeps* on."""
    content = body(play, size=size)
    changed = {
        "x-litellm-api-key": key,
        "Connection": "keep-alive" if keeps else "close",
    }
    lines = [f"{name}: {changed.get(name, value)}\r\n" for name, value in HEADERS]
    head = (
        f"POST {PATH} HTTP/1.1\r\n{''.join(lines)}"
        f"Host: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


# -- answers -----------------------------------------------------------------

_ABOUT = (
    b"date: Mon, 02 Nov 2026 10:00:00 GMT\r\n"
    b"request-id: req_011CUabcdefghijklmnopqrs\r\n"
    b"anthropic-organization-id: 0d3e1f0e-5c0b-4b0e-9c0a-3f6d2a9b7c11\r\n"
    b"anthropic-ratelimit-requests-limit: 4000\r\n"
    b"anthropic-ratelimit-requests-remaining: 3999\r\n"
    b"anthropic-ratelimit-requests-reset: 2026-11-02T10:00:00Z\r\n"
    b"anthropic-ratelimit-tokens-limit: 400000\r\n"
    b"anthropic-ratelimit-tokens-remaining: 399000\r\n"
    b"anthropic-ratelimit-tokens-reset: 2026-11-02T10:00:00Z\r\n"
    b"strict-transport-security: max-age=31536000\r\n"
    b"server: upstream\r\n"
)


def _complete(status: str, document: dict[str, object]) -> bytes:
    content = json.dumps(document).encode()
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\n" % status.encode()
    length = b"content-length: %d\r\n\r\n" % len(content)
    return head + _ABOUT + length + content


def _event(name: str, **fields: object) -> bytes:
    data = json.dumps({"type": name, **fields}, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n".encode()


def chunk(data: bytes) -> bytes:
    """Return *data* as a chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


_MESSAGE: dict[str, object] = {
    "id": "msg_01ABCDEFGHIJKLMNOPQRSTUV",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 512, "output_tokens": 1},
}

SMALL = _complete(
    "200 OK",
    {
        **_MESSAGE,
        "content": [{"type": "text", "text": "z" * 720}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 512,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 180,
        },
    },
)
"""A complete answer with 1 kB of JSON."""

OVERLOADED = _complete(
    "529 Overloaded",
    {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_011CUabcdefghijklmnopqrs",
    },
)

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n" + _ABOUT + b"transfer-encoding: chunked\r\n\r\n"
)
BEGINNING = chunk(_event("message_start", message=_MESSAGE))
DELTA = _event(
    "content_block_delta",
    index=0,
    delta={"type": "text_delta", "text": " a dozen characters, or two"},
)
BLOCK_BEGINS = chunk(
    _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
)
ENDING = (
    chunk(_event("content_block_stop", index=0))
    + chunk(
        _event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": 400},
        )
    )
    + chunk(_event("message_stop"))
    + b"0\r\n\r\n"
)
LARGE_DELTA = _event(
    "content_block_delta",
    index=0,
    delta={"type": "text_delta", "text": "q" * 8000},
)
