"""One request on its way through the gateway, whatever route it is for."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from byok.core.errors import Refusal
from byok.core.facts import Headers
from byok.core.routes import Dialect
from byok.web import answers
from byok.web.access import AccessRecord
from byok.web.downstream import Downstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """
    A client's request, how it may be refused, and what is noted of it.

    *path* has no `/anthropic` prefix any more; *query* is verbatim. A refusal says
    which *generation* it is of, where callers are to know.
    """

    client: Downstream
    path: bytes
    query: bytes = field(repr=False)
    dialect: Dialect
    record: AccessRecord
    generation: str = ""

    def say(
        self,
        status: int,
        body: bytes,
        *,
        content_type: bytes = answers.JSON,
        headers: Headers = (),
    ) -> None:
        """Answer with a whole body of our own."""
        self.record.status = status
        self.record.bytes_out = answers.send(
            self.client,
            status,
            body,
            request_id=self.record.request_id,
            content_type=content_type,
            headers=headers,
        )

    def say_json(
        self,
        status: int,
        document: Mapping[str, object] | Sequence[Mapping[str, object]],
    ) -> None:
        """Answer with *document*."""
        self.say(status, json.dumps(document, ensure_ascii=False).encode())

    def refuse(
        self, refusal: Refusal, *, beside: Mapping[str, object] | None = None
    ) -> None:
        """Answer with *refusal*, in the dialect of the route."""
        self.record.refused(refusal)
        self.record.bytes_out = answers.refuse(
            self.client,
            answers.of_generation(refusal, self.generation),
            dialect=self.dialect,
            request_id=self.record.request_id,
            beside=beside,
        )


Handler = Callable[[Visit], Awaitable[Refusal | None]]
"""Answers a visit, or returns the refusal to answer it with."""
