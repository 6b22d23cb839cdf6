"""
Clients of streams and of large bodies, in the rig's own process.

They count and keep no more than they must: what they cost is not the proxy's cost,
but on a small machine it is taken from the same processors.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import TypeVar

from benchmarks.exchange.processes import BenchmarkError

T = TypeVar("T")

LAST_EVENT = b"event: message_stop"
_TAIL = 4096
_AT_ONCE = 50


class Exchange(asyncio.Protocol):
    """
    Sends one request and takes its answer.

    `begun` fires with the status once the body has begun, `ended` when the connection
    has. Of the body only the end is kept.
    """

    def __init__(self, request: bytes, *, stops_reading: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self._stops_reading = stops_reading
        self.begun: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.tail = b""
        self.status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Keep the end of what came."""
        self.tail = self.tail + data
        if not self.begun.done():
            self._read_head()
        self.tail = self.tail[-_TAIL:]

    def _read_head(self) -> None:
        head, found, body = self.tail.partition(b"\r\n\r\n")
        if found and body:
            self.status = int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else 0
            self.begun.set_result(self.status)
            if self._stops_reading:
                self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        del exc
        if not self.begun.done():
            self.begun.set_result(0)
        if not self.ended.done():
            self.ended.set_result(None)

    @property
    def is_whole(self) -> bool:
        """Did a stream of events come to its proper end?"""
        return LAST_EVENT in self.tail

    def leave(self) -> None:
        """Hang up."""
        self._transport.abort()


async def exchange(
    port: int, request: bytes, *, stops_reading: bool = False
) -> Exchange:
    """Open a connection to *port* and send *request* on it."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(
        lambda: Exchange(request, stops_reading=stops_reading), "127.0.0.1", port
    )
    return protocol


async def whole_streams(port: int, request: bytes, number: int) -> None:
    """Read *number* streams at a time, each to its end."""
    all_of_them = [await exchange(port, request) for _ in range(number)]
    await asyncio.gather(*(each.ended for each in all_of_them))
    broken = [each for each in all_of_them if not each.is_whole]
    if broken:
        raise BenchmarkError(
            f"{len(broken)} of {number} streams were not whole:"
            f" {broken[0].status} {broken[0].tail[-300:]!r}"
        )


async def open_streams(port: int, request: bytes, number: int) -> Sequence[Exchange]:
    """Open *number* streams that begin and then say nothing."""
    opened: list[Exchange] = []
    while len(opened) < number:
        more = min(_AT_ONCE, number - len(opened))
        some = [await exchange(port, request) for _ in range(more)]
        opened += some
        statuses = await asyncio.gather(*(each.begun for each in some))
        if set(statuses) != {200}:
            raise BenchmarkError(f"not every stream began: {sorted(set(statuses))}")
    return opened


async def at_most(seconds: float, waited_for: asyncio.Future[T]) -> T:
    """Return what *waited_for* gives, or say that it took too long."""
    try:
        async with asyncio.timeout(seconds):
            return await waited_for
    except TimeoutError:
        raise BenchmarkError(f"nothing came of it in {seconds:.0f} s") from None


class Caller(asyncio.Protocol):
    """Asks the same again and again on one connection, and times each answer."""

    def __init__(self, request: bytes, took_s: list[float]) -> None:
        self._request = request
        self._took_s = took_s
        self._got = b""
        self._asked_at = 0.0
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again after a whole answer."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < _length_in(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"an answer is not 200: {head[:300]!r}")
        self._took_s.append(time.perf_counter() - self._asked_at)
        self._got = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection ended before its time."""
        del exc
        self.is_lost = True

    def leave(self) -> None:
        """Hang up."""
        self._transport.abort()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)


async def call(
    port: int, request: bytes, *, connections: int, seconds: float
) -> list[float]:
    """Return the seconds each of many requests took, on so many connections."""
    loop = asyncio.get_running_loop()
    took_s: list[float] = []
    callers = [
        (
            await loop.create_connection(
                lambda: Caller(request, took_s), "127.0.0.1", port
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    lost = sum(each.is_lost for each in callers)
    for each in callers:
        each.leave()
    if lost:
        raise BenchmarkError(f"{lost} of {connections} connections were lost")
    return took_s


def _length_in(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    raise BenchmarkError(f"an answer has no length: {head[:300]!r}")
