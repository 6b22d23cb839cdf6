"""A scripted provider in a process of its own, for tests that run no reactor."""

import sys
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from tests.support import orders
from tests.support.http1 import Request, RequestReader
from tests.support.processes import Watched

T = TypeVar("T")
R = TypeVar("R", bound=orders.AnyReport)
READER = msgspec.json.Decoder(orders.AnyReport)
WRITER = msgspec.json.Encoder()


class ProviderProcess:
    """
    Starts the provider, gives it orders, and shows what it received.

    Used as a context manager. Leaving it ends the process, and fails if the
    provider met a request that it could not read.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.provider_child", "--control"]
        self._process = Watched(command, takes_input=True)
        self._orders = 0
        self._parsed: list[orders.AnyReport] = []
        self._lines = 0
        self.port = self._wait(lambda: first(self._all(orders.Listening))).port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        code = self._process.stop()
        faults = [fault.text for fault in self._now(orders.Fault)]
        if kind is None:
            assert not faults, f"the provider could not read or answer: {faults}"
            assert code == 0, f"the provider ended with {code}: {self._process.output}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Script

    def play(self, path: str, *answers: orders.Answer) -> None:
        """Queue *answers* for the next requests for *path*, one each."""
        number = self._next()
        self._tell(orders.PlayNext(number=number, path=path, answers=answers))

    def always(self, path: str, answer: orders.Answer) -> None:
        """Give *answer* to every request for *path* that finds no queued one."""
        number = self._next()
        self._tell(orders.PlayAlways(number=number, path=path, answer=answer))

    def fire(self, signal: str) -> None:
        """Let every play that waits for *signal* go on."""
        self._tell(orders.Fire(number=self._next(), signal=signal))

    # Record

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far, in order of completion."""
        return tuple(rebuilt(came) for came in self._now(orders.Came))

    def requests_for(self, path: str) -> tuple[Request, ...]:
        """The requests for *path*, whatever their query."""
        return tuple(one for one in self.requests if one.path == path.encode())

    def times_of(self, path: str) -> tuple[float, ...]:
        """When the requests for *path* began, on the provider's clock."""
        every = self._now(orders.Came)
        return tuple(one.at for one in every if rebuilt(one).path == path.encode())

    @property
    def received(self) -> bytes:
        """Every byte of every request, to search for what must not be there."""
        return b"\n".join(came.raw for came in self._now(orders.Came))

    def wait_for_requests(self, count: int, path: str) -> tuple[Request, ...]:
        """Wait until *count* requests for *path* have come."""

        def enough() -> tuple[Request, ...] | None:
            every = (rebuilt(came) for came in self._all(orders.Came))
            wanted = tuple(one for one in every if one.path == path.encode())
            return wanted if len(wanted) >= count else None

        return self._wait(enough)

    def wait_for_hang_up(self) -> orders.HungUp:
        """Wait until a peer has left before its answer was complete."""
        return self._wait(lambda: first(self._all(orders.HungUp)))

    # The line to the process

    def _next(self) -> int:
        self._orders += 1
        return self._orders

    def _tell(self, order: orders.AnyOrder) -> None:
        self._process.tell(WRITER.encode(order).decode())
        self._wait(
            lambda: first(
                obeyed
                for obeyed in self._all(orders.Obeyed)
                if obeyed.number == order.number
            )
        )

    def _wait(self, find: Callable[[], T | None]) -> T:
        def look(lines: Sequence[str]) -> T | None:
            self._take(lines)
            return find()

        return self._process.wait_for(look)

    def _now(self, kind: type[R]) -> list[R]:
        # A client may have its answer before this process has read the report of
        # its request; reports come in order, so an order waits for all of them.
        if self._process.is_running:
            self._tell(orders.Settle(number=self._next()))
        self._take(self._process.output.split("\n"))
        return self._all(kind)

    def _all(self, kind: type[R]) -> list[R]:
        return [report for report in self._parsed if isinstance(report, kind)]

    def _take(self, lines: Sequence[str]) -> None:
        new = lines[self._lines :]
        self._lines = len(lines)
        # What does not look like a report is a traceback; a failed wait shows it.
        self._parsed += [READER.decode(line) for line in new if line.startswith("{")]


def first(found: Iterable[T]) -> T | None:
    return next(iter(found), None)


def rebuilt(came: orders.Came) -> Request:
    """The request as the provider's own reader had it."""
    (request,) = RequestReader(connection=came.connection).feed(came.raw)
    return request
