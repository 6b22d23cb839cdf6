"""
What the scripted provider answers: steps, and the plays made of them.

A play is a value. It can be built in a test, cut short, or sent as JSON to a
provider in another process; the provider carries it out step by step and knows
nothing of HTTP answers itself, so a play may break the protocol in any way a
test needs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from tests.support import sse

Pairs = Sequence[tuple[str, str]]


class Step(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something the provider does, in its turn."""


class Send(Step, frozen=True, kw_only=True, tag=True):
    """Write *data*; done when the kernel has taken it."""

    data: bytes


class Pour(Step, frozen=True, kw_only=True, tag=True):
    """Write *size* bytes of filling at the pace at which the peer reads them."""

    size: int
    filling: bytes = b"0123456789abcdef" * 4096

    def pieces(self) -> Iterator[bytes]:
        left = self.size
        while left > 0:
            yield self.filling[:left]
            left -= len(self.filling)


class Await(Step, frozen=True, kw_only=True, tag=True):
    """Do nothing until the test fires *signal*."""

    signal: str


class StopReading(Step, frozen=True, kw_only=True, tag=True):
    """Leave what the peer sends in the socket: it will feel back-pressure."""


class StartReading(Step, frozen=True, kw_only=True, tag=True):
    """Read on after `StopReading`."""


class Close(Step, frozen=True, kw_only=True, tag=True):
    """End the connection, with a FIN or, where *reset*, with a RST."""

    reset: bool = False


AnyStep = Send | Pour | Await | StopReading | StartReading | Close


class Play(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """
    One answer: the steps in order, after the request's body or its head alone.

    A play that does not end in `Close` leaves the connection open for the next
    request.
    """

    steps: tuple[AnyStep, ...]
    on_head: bool = False

    def sent(self) -> bytes:
        """All bytes the play would write with `Send`."""
        return b"".join(step.data for step in self.steps if isinstance(step, Send))

    def after(self, size: int, *steps: AnyStep) -> "Play":
        """Play only until *size* bytes were sent, then *steps* in place of the rest."""
        kept: list[AnyStep] = []
        for step in self.steps:
            if not isinstance(step, Send):
                kept.append(step)
                continue
            if size <= len(step.data):
                kept.append(Send(data=step.data[:size]))
                break
            kept.append(step)
            size -= len(step.data)
        return Play(steps=(*kept, *steps), on_head=self.on_head)

    def cut(self, *, after: int, reset: bool = False) -> "Play":
        """The same answer, broken off when *after* bytes were sent."""
        return self.after(after, Close(reset=reset))

    def cut_before(
        self, marker: bytes, *, reset: bool = False, signal: str | None = None
    ) -> "Play":
        """
        The same answer, broken off right before the bytes *marker*.

        With *signal* the cut waits until that is fired, so that it cannot
        overtake what was sent before it.
        """
        wait = () if signal is None else (Await(signal=signal),)
        return self.after(self._find(marker), *wait, Close(reset=reset))

    def hold_before(self, marker: bytes, *, signal: str) -> "Play":
        """The same answer, with a wait for *signal* right before *marker*."""
        at = self._find(marker)
        rest = Send(data=self.sent()[at:])
        return self.after(at, Await(signal=signal), rest)

    def then(self, *steps: AnyStep) -> "Play":
        """The same play with *steps* at its end."""
        return Play(steps=(*self.steps, *steps), on_head=self.on_head)

    def at_head(self) -> "Play":
        """The same play, begun before the request's body has arrived."""
        return Play(steps=self.steps, on_head=True)

    def _find(self, marker: bytes) -> int:
        at = self.sent().find(marker)
        if at < 0:
            raise ValueError(f"the play never sends {marker!r}")
        return at


SERVER_HEADERS: Pairs = (
    ("Date", "Tue, 04 Aug 2026 10:00:00 GMT"),
    ("Server", "cloudflare"),
    ("request-id", "req_011ByokScripted"),
    ("anthropic-organization-id", "0f9a8f4e-1111-4222-8333-9a8b7c6d5e4f"),
    ("anthropic-ratelimit-requests-remaining", "49"),
    ("CF-RAY", "98a0b1c2d3e4f5a6-FRA"),
    ("Set-Cookie", "_cfuvid=provider-cookie; path=/; HttpOnly"),
    ("via", "1.1 google"),
)
"""What stands on a real answer of the API, hop by hop names aside."""


def head(status: int, headers: Pairs, *, reason: str = "Scripted") -> bytes:
    """A response head, names and values exactly as given."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{n}: {v}" for n, v in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(
    status: int,
    body: bytes,
    *,
    content_type: str = "application/json",
    headers: Pairs = (),
    server_headers: Pairs = SERVER_HEADERS,
) -> Play:
    """A whole answer with a Content-Length."""
    framing = (("Content-Type", content_type), ("Content-Length", str(len(body))))
    full = head(status, (*server_headers, *headers, *framing))
    return Play(steps=(Send(data=full), *((Send(data=body),) if body else ())))


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; of no data, the one that ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream(
    events: Iterable[bytes],
    *,
    status: int = 200,
    headers: Pairs = (),
    server_headers: Pairs = SERVER_HEADERS,
) -> Play:
    """An event stream, chunked, one chunk an event, ended cleanly."""
    framing = (
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("Cache-Control", "no-cache"),
        ("Transfer-Encoding", "chunked"),
    )
    full = head(status, (*server_headers, *headers, *framing))
    chunks = (Send(data=chunk(item)) for item in events)
    return Play(steps=(Send(data=full), *chunks, Send(data=chunk(b""))))


def stepped_stream(events: Sequence[bytes], *, signal: str = "event") -> Play:
    """A stream that waits for *signal*-1, *signal*-2, ... before each later event."""
    first, *rest = stream(events).steps
    steps: list[AnyStep] = [first]
    for number, step in enumerate(rest[:-1]):
        if number:
            steps.append(Await(signal=f"{signal}-{number}"))
        steps.append(step)
    return Play(steps=(*steps, rest[-1]))


def says(text: str, *, model: str = sse.MODEL, streaming: bool = True) -> Play:
    """The assistant says *text*."""
    if streaming:
        return stream(sse.text_stream(text, model=model))
    content = [sse.text_block(text)]
    return answer(200, sse.dumps(sse.message(content, model=model)))


def asks_for_tool(
    name: str,
    arguments: Mapping[str, object],
    *,
    said: str = "",
    model: str = sse.MODEL,
) -> Play:
    """The assistant asks, in a stream, for a tool to be run."""
    return stream(sse.tool_stream(name, arguments, said=said, model=model))


def counts(tokens: int) -> Play:
    """The answer of count_tokens."""
    return answer(200, sse.dumps({"input_tokens": tokens}))


def lists_models(*names: str) -> Play:
    """The answer of the models route."""
    models = [
        {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "2026-02-01T00:00:00Z",
        }
        for name in names
    ]
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {}
    return answer(200, sse.dumps({"data": models, "has_more": False, **ends}))


def fails(status: int, kind: str, text: str, *, headers: Pairs = ()) -> Play:
    """An error in Anthropic's envelope."""
    return answer(status, sse.error_body(kind, text), headers=headers)


def html(status: int, text: str = "<html><h1>Bad gateway</h1></html>") -> Play:
    """The error page of a proxy in front of the API."""
    return answer(status, text.encode(), content_type="text/html; charset=UTF-8")


def redirect(location: str, *, status: int = 307) -> Play:
    """A redirect, which must never be followed."""
    return answer(status, b"", headers=(("Location", location),))


def informs(status: int, headers: Pairs = ()) -> Send:
    """An interim answer (100, 102, 103), to stand before a final one."""
    return Send(data=head(status, headers))


def big(size: int) -> Play:
    """A binary answer of *size* bytes, written at the peer's pace."""
    headers = (*SERVER_HEADERS, ("Content-Type", "application/octet-stream"))
    full = head(200, (*headers, ("Content-Length", str(size))))
    return Play(steps=(Send(data=full), Pour(size=size)))


def until_close(body: bytes, *, content_type: str = "application/json") -> Play:
    """An answer without a length: its end is the end of the connection."""
    full = head(200, (*SERVER_HEADERS, ("Content-Type", content_type)))
    return Play(steps=(Send(data=full), Send(data=body), Close()))


def hangs() -> Play:
    """No answer at all, for as long as the peer has patience."""
    return Play(steps=(Await(signal="never"),))


def hangs_up(*, reset: bool = False) -> Play:
    """The connection ends in place of an answer."""
    return Play(steps=(Close(reset=reset),))
