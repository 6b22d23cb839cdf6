"""
The scripted provider as a program: `python -m tests.support.provider_child`.

It prints JSON lines (`orders.AnyReport`): its port first, then every request.
With --script it starts with the orders in a file, one JSON line each; with
--control it takes orders from standard input and ends when that is closed, so
it cannot outlive the test that started it.
"""

import argparse
from pathlib import Path
from sys import stdin, stdout
from threading import Thread

import msgspec
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from tests.support import orders, replies
from tests.support.plays import Play
from tests.support.provider import Exchange, Provider, Watcher
from tests.support.replies import Reply

READER = msgspec.json.Decoder(orders.AnyOrder)
WRITER = msgspec.json.Encoder()


def report(what: orders.AnyReport) -> None:
    """Print *what* as one line, at once."""
    stdout.write(WRITER.encode(what).decode() + "\n")
    stdout.flush()


class Reporter(Watcher):
    """Tells the world outside what the provider sees."""

    def __init__(self) -> None:
        self._numbers: dict[Exchange, int] = {}

    def came(self, exchange: Exchange) -> None:
        assert exchange.request is not None
        number = self._numbers[exchange] = len(self._numbers)
        report(
            orders.Came(
                number=number,
                connection=exchange.connection.number,
                at=exchange.began_at,
                raw=exchange.request.raw,
            )
        )

    def hung_up(self, exchange: Exchange) -> None:
        number = self._numbers.get(exchange)
        report(orders.HungUp(number=number, sent=exchange.sent))

    def fault(self, text: str) -> None:
        report(orders.Fault(text=text))


def obey(provider: Provider, order: orders.AnyOrder) -> None:
    """Carry out *order* and acknowledge it."""
    match order:
        case orders.PlayNext(path=path, answers=answers):
            provider.play(path, *(found(answer) for answer in answers))
        case orders.PlayAlways(path=path, answer=answer):
            provider.always(path, found(answer))
        case orders.Fire(signal=signal):
            provider.fire(signal)
        case orders.Settle():
            pass
    report(orders.Obeyed(number=order.number))


def found(answer: orders.Answer) -> Play | Reply:
    return answer if isinstance(answer, Play) else replies.NAMED[answer.name]


def take_orders(provider: Provider) -> None:
    """
    Obey standard input, in a thread of its own, until it is closed.

    Twisted's own standard input would make standard output non-blocking too,
    and a report may be larger than a pipe.
    """
    in_reactor = IReactorFromThreads(reactor).callFromThread
    for line in stdin.buffer:
        in_reactor(obey, provider, READER.decode(line))
    in_reactor(reactor.stop)


async def serve(
    provider: Provider, script: list[orders.AnyOrder], *, is_controlled: bool
) -> None:
    """Listen, say where, and take the orders."""
    await provider.start()
    for order in script:
        obey(provider, order)
    report(orders.Listening(port=provider.port))
    if is_controlled:
        Thread(target=take_orders, args=(provider,), daemon=True).start()


def main() -> None:
    """Run until told to stop."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--script", type=Path)
    options.add_argument("--control", action="store_true")
    chosen = options.parse_args()
    provider = Provider(reactor, Reporter())
    lines = chosen.script.read_bytes().splitlines() if chosen.script else []
    script = [READER.decode(line) for line in lines]
    serving = serve(provider, script, is_controlled=chosen.control)
    reactor.callWhenRunning(
        lambda: Deferred.fromCoroutine(serving).addErrback(stop_with)
    )
    reactor.run()


def stop_with(reason: Failure) -> None:
    reason.printTraceback()
    reactor.stop()


if __name__ == "__main__":
    main()
