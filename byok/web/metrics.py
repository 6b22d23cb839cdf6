"""
`/metrics`: what all workers have counted, in Prometheus's text format.

It is written by prometheus_client, which is loaded only where metrics are switched
on: byok runs without it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from twisted.internet.threads import deferToThread

from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.metrics import Tally
from byok.core.secret import Secret
from byok.web.admin_guard import check_admin
from byok.web.admin_input import read_query
from byok.web.places import Place
from byok.web.visit import Visit

PATH = b"/metrics"

Collect = Callable[[], Awaitable[Tally]]
"""Returns the sum of what all processes have counted."""

Write = Callable[[Tally], tuple[bytes, bytes]]
"""Returns a tally as text, and the type of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who may read metrics: whoever holds the master key, or *anybody*."""

    anybody: bool
    master_key: Secret | None = field(repr=False)
    carriers: Sequence[bytes] = field(repr=False)


class Metrics:
    """Tells what was counted to those who may read it, as *write* writes it."""

    def __init__(self, collect: Collect, write: Write, readers: Readers) -> None:
        self._collect = collect
        self._write = write
        self._readers = readers
        self._place = Place(
            route=PATH.decode(), handlers={b"GET": self._tell}, quiet=True
        )

    def find(self, path: bytes) -> Place | None:
        """Return the place that *path* leads to here, if any."""
        return self._place if path == PATH else None

    async def _tell(self, visit: Visit) -> Refusal | None:
        refusal = self._admitted(visit) or read_query(visit.query, ())
        if isinstance(refusal, Refusal):
            return refusal
        # Hundreds of series take tens of milliseconds, and streams wait for nobody.
        body, content_type = await deferToThread(self._write, await self._collect())
        visit.say(200, body, content_type=content_type)
        return None

    def _admitted(self, visit: Visit) -> Refusal | None:
        readers, headers = self._readers, visit.client.headers
        if readers.anybody:
            return None
        return check_edge(headers, b"") or check_admin(
            headers, master_key=readers.master_key, order=readers.carriers
        )
