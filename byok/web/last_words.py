"""
What is said where it is us who end a stream of events: an event, and then the cut.

A stream that the provider cuts is cut and nothing added, for the client to see what
the provider did. One that we end has a reason, which only we can tell.
"""

from byok.core.errors import Refusal
from byok.core.facts import Headers, present
from byok.core.routes import Dialect
from byok.web import answers
from byok.wire.answer import Answer

_OK = 200
_LONGEST_END = 4
_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")

STOPPING = Refusal(
    status=503,
    kind="api_error",
    code="gateway.stopping",
    message="The gateway is being stopped or restarted; ask again in a moment.",
    headers=(("retry-after", "2"),),
)


def silent(idle_s: float, *, deployment: str) -> Refusal:
    """Say that the provider sent nothing for so long that we gave it up."""
    return Refusal(
        status=504,
        kind="timeout_error",
        code="stream.idle",
        message=(
            f"The gateway ended this stream: the provider sent nothing for {idle_s:g}"
            f" seconds (deployment {deployment})."
        ),
    )


class LastWords:
    """
    Follows a stream of events, to end it with one that stands by itself.

    *dialect* is that of the route, *request_id* what the exchange is known by.
    """

    def __init__(self, *, dialect: Dialect, request_id: str) -> None:
        self._dialect = dialect
        self._request_id = request_id
        self._tail = b"\n\n"

    def passed(self, data: bytes) -> None:
        """Note what went to the client."""
        self._tail = (self._tail + data[-_LONGEST_END:])[-_LONGEST_END:]

    def say(self, refusal: Refusal) -> bytes:
        """Return the event that tells of *refusal*."""
        data = answers.encode(
            refusal, dialect=self._dialect, request_id=self._request_id
        )
        # OpenAI's clients know errors by their data; its events have no names.
        name = b"" if self._dialect is Dialect.OPENAI else b"event: error\n"
        return self._gap() + name + b"data: " + data + b"\n\n"

    def _gap(self) -> bytes:
        """Return what ends the event, or the line, that was cut short."""
        if self._tail.endswith(_ENDS):
            return b""
        return b"\n" if self._tail.endswith(b"\n") else b"\n\n"


def last_words(
    answer: Answer, *, dialect: Dialect, request_id: str
) -> LastWords | None:
    """Return what can end *answer* in words: nothing but a plain stream of events."""
    is_stream = answer.status == _OK and _is_event_stream(answer.fields)
    if not is_stream or answer.length_bytes is not None:
        return None
    return LastWords(dialect=dialect, request_id=request_id)


def _is_event_stream(fields: Headers) -> bool:
    if present(fields, b"content-encoding") not in {None, b"", b"identity"}:
        return False
    kind = present(fields, b"content-type") or b""
    return kind.partition(b";")[0].strip().lower() == b"text/event-stream"
