"""
The access line: one event for each exchange, with what an operator asks about.

Names, classes, counts and times, never a value of a header or a word of a body.
What a client chose freely (a model, a user id) is shortened; the log's own
observers make it harmless to print.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from byok.core.errors import Refusal
from byok.core.exchange import Caller, Decided, Planned
from byok.core.facts import Headers, RequestFacts, present
from byok.core.limits.limit import Limit
from byok.core.usage import Usage
from byok.logs.entries import SAID
from byok.policy.lookalikes import lookalikes
from byok.policy.outcome import Difference

USER_HEADERS = (b"x-litellm-user-id", b"x-byok-user-id")
"""In which headers a client says for whom it works; the first that came counts."""

_MAX_TEXT = 128

CLIENT_GONE = 499
"""What is logged where the client left before there was a status to send."""

# What a person reads of the fields, in this order, where there is something to say.
_PARTS = (
    ("key", "key=", ""),
    ("user", "user=", ""),
    ("model", "model=", ""),
    ("deployment", "deployment=", ""),
    ("payer", "payer=", ""),
    ("credential", "credential=", ""),
    ("error", "error=", ""),
    ("ending", "", ""),
    ("bytes_in", "in=", ""),
    ("bytes_out", "out=", ""),
    ("input_tokens", "input=", ""),
    ("output_tokens", "output=", ""),
    ("first_byte_ms", "first=", "ms"),
    ("duration_ms", "total=", "ms"),
    ("generation", "generation=", ""),
    ("request_id", "", ""),
)

_PLAIN = re.compile(r"""[^\s"'=]+""")
_UNREMARKABLE = frozenset({None, "", "complete"})

WITHHELD = "(withheld)"
"""What is logged of a user's name that may be a key."""

_log = Logger(namespace="byok.access")


class Asking(Protocol):
    """Who asks for something, as far as it is written down."""

    method: bytes
    headers: Headers
    peer: str
    gone_because: str

    @property
    def received_bytes(self) -> int:
        """How much of the body has come in."""


class AccessRecord:
    """
    What is known so far of one exchange; written once, when it is over.

    It began *at* a time of day; all that is measured counts from *now*, which no
    change of the clock touches.
    """

    def __init__(
        self,
        client: Asking,
        *,
        route: str,
        request_id: str,
        user: str | None,
        at: float,
        now: float,
        generation: str = "",
    ) -> None:
        self.request_id = request_id
        self.began_at = at
        self.status: int | None = None
        self.error: str | None = None
        self.bytes_out = 0
        self.ending: str | None = None
        self.caller: Caller | None = None
        self.facts: RequestFacts | None = None
        self.decided: Decided | Refusal | None = None
        self.planned: Planned | None = None
        self.answer_shadow: tuple[Difference, ...] = ()
        self.config_digest = ""
        self.usage = Usage()
        self.provider_request_id: str | None = None
        self.generation = generation
        self.started = now
        self.first_byte: float | None = None
        self._method = client.method
        self.route = route
        self.client = client
        self._peer = client.peer
        self.user = user
        self.reserved: tuple[Limit, ...] = ()
        self.budgets: tuple[Limit, ...] = ()
        self.was_left = False
        self.session: str | None = None
        self.agent: str | None = None

    def refused(self, refusal: Refusal) -> None:
        """Note that the answer is one of our own."""
        self.status = refusal.status
        self.error = refusal.code

    def broke_off(self, refusal: Refusal) -> None:
        """Note that an answer was cut for the reason of *refusal*."""
        self.error = refusal.code
        self.ending = "cut"

    def stopped(self) -> None:
        """Note that we ended the answer, since the gateway stops."""
        self.ending = "stopped"

    def left(self) -> None:
        """Note that the client hung up, or why it was cut off."""
        self.was_left = True
        self.status = self.status or CLIENT_GONE
        self.ending = self.client.gone_because or "client gone"

    def answered(self, status: int, fields: Headers, *, now: float) -> None:
        """Note the head of the provider's answer."""
        self.status = status
        self.first_byte = now
        upstream_id = present(fields, b"request-id")
        self.provider_request_id = _text(upstream_id) if upstream_id else None

    def fields(self, *, now: float) -> Mapping[str, object]:
        """Return the event's fields; None where something is not known."""
        planned = self.planned
        model = self.facts.head.model if self.facts and self.facts.head else None
        first = self.first_byte
        return {
            "event": "access",
            "request_id": self.request_id,
            "provider_request_id": self.provider_request_id,
            "method": self._method.decode("latin-1")[:_MAX_TEXT],
            "route": self.route,
            "generation": self.generation or None,
            "status": self.status,
            "error": self.error,
            "ending": self.ending,
            "client": self._peer,
            "key": self.caller.name if self.caller else None,
            "user": self.user or (self.caller.user or None if self.caller else None),
            "model": model[:_MAX_TEXT] if model else None,
            "deployment": planned.deployment.name if planned else None,
            "payer": planned.payer if planned else None,
            "credential": _credential_class(planned),
            "bytes_in": self.client.received_bytes,
            "bytes_out": self.bytes_out,
            "first_byte_ms": None if first is None else _ms(first - self.started),
            "duration_ms": _ms(now - self.started),
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "cache_read_input_tokens": self.usage.cache_read_input_tokens,
            "cache_creation_input_tokens": self.usage.cache_creation_input_tokens,
        }


class AccessLog:
    """
    Opens and closes the records of the exchanges of one *generation*.

    *closed* is told of each when it is over. *wall* is the time of day, and the
    *clock*'s where it is not given.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        wall: Callable[[], float] | None = None,
        user_header: str | None = None,
        generation: str = "",
        closed: Callable[[AccessRecord], None] | None = None,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._closed = closed
        self._generation = generation
        configured = () if user_header is None else (user_header.lower().encode(),)
        self._user_headers = (*configured, *USER_HEADERS)

    def open(self, client: Asking, *, route: str, request_id: str) -> AccessRecord:
        """Begin the record of one exchange."""
        now = self._clock.seconds()
        return AccessRecord(
            client,
            route=route,
            request_id=request_id,
            user=_user_of(client.headers, self._user_headers),
            at=now if self._wall is None else self._wall(),
            now=now,
            generation=self._generation,
        )

    def close(self, record: AccessRecord, *, quiet: bool = False) -> None:
        """Write the line; at debug level where it is *quiet*."""
        level = LogLevel.debug if quiet else LogLevel.info
        try:
            fields = record.fields(now=self._clock.seconds())
            _log.emit(level, SAID, said=_said(fields), **fields)
        finally:
            # What is held for it is given back, whatever becomes of its line.
            if self._closed is not None:
                self._closed(record)


def _said(fields: Mapping[str, object]) -> str:
    parts = [
        f"{label}{_shown(value) if label else value}{unit}"
        for name, label, unit in _PARTS
        if (value := fields[name]) not in _UNREMARKABLE
    ]
    return " ".join(
        (f"{fields['method']} {fields['route']} {fields['status']}", *parts)
    )


def _shown(value: object) -> object:
    # A user or a model is what a client says it is. With a space or a quote in it,
    # it could say the fields that follow as well.
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return repr(value)
    return value


def _user_of(headers: Headers, names: Sequence[bytes]) -> str | None:
    for name in names:
        value = present(headers, name)
        if value:
            # A key that an admin gave looks like anybody's word; no name looks so.
            return WITHHELD if lookalikes(((name, value),)) else _text(value)
    return None


def _credential_class(planned: Planned | None) -> str | None:
    if planned is None:
        return None
    return planned.credential.cls or planned.credential.source


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")[:_MAX_TEXT]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
