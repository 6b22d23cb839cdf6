"""Mixed traffic for a while: good, refused, broken upstream, clients that leave."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.exchange import payloads
from benchmarks.exchange.clients import at_most, exchange
from benchmarks.exchange.processes import BenchmarkError
from benchmarks.exchange.subjects import Running

TENTHS = 10
_CLIENTS = 8
_PAUSE_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """Memory at the end of each tenth, and how many answers had which status."""

    rss_bytes: Sequence[int]
    statuses: Mapping[int, int]

    @property
    def growth_percent(self) -> float:
        """
        By how much the last third of the tenths holds more than what came before.

        The first two are left out: pools and caches fill, and pages of decisions.
        """
        early = statistics.median(self.rss_bytes[2:6])
        late = statistics.median(self.rss_bytes[-3:])
        return (late / early - 1) * 100


async def soak(running: Running, seconds: float) -> Soaked:
    """Send mixed traffic to *running* for *seconds*."""
    statuses: Counter[int] = Counter()
    rss: list[int] = []
    over = asyncio.Event()
    clients = [
        asyncio.ensure_future(_go_on(running, number, over, statuses))
        for number in range(_CLIENTS)
    ]
    began = time.monotonic()
    try:
        for tenth in range(1, TENTHS + 1):
            until = began + seconds * tenth / TENTHS
            done, _ = await asyncio.wait(
                clients,
                timeout=max(0.0, until - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for each in done:
                each.result()
            rss.append(running.child.rss_bytes())
    finally:
        over.set()
        await asyncio.gather(*clients, return_exceptions=True)
    if not statuses[200]:
        raise BenchmarkError(f"no answer was a good one: {dict(statuses)}")
    return Soaked(rss_bytes=rss, statuses=statuses)


async def _go_on(
    running: Running, number: int, over: asyncio.Event, statuses: Counter[int]
) -> None:
    turns = _turns(running.key)
    turn = number
    while not over.is_set():
        turn += 1
        request, leaves = turns[turn % len(turns)]
        asked = await exchange(running.port, request)
        status = await at_most(60, asked.begun)
        statuses[status] += 1
        if leaves:
            asked.leave()
        await at_most(60, asked.ended)
        await asyncio.sleep(_PAUSE_S)


def _turns(key: str) -> Sequence[tuple[bytes, bool]]:
    """Return the requests, and whether their client leaves once it is answered."""
    return (
        (payloads.request("small", key=key), False),
        (payloads.request("short", key=key), False),
        (payloads.request("small", key=payloads.WRONG_KEY), False),
        (payloads.request("small", key=key), False),
        (payloads.request("cut", key=key), False),
        (payloads.request("short", key=key), False),
        (payloads.request("overloaded", key=key), False),
        (payloads.request("idle", key=key), True),
        (payloads.request("small", key=key, size=200_000), False),
    )
