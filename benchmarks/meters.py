"""
What it costs to count one exchange, and to tell what was counted.

Run it as `python -m benchmarks.meters [--json]`. The best of several rounds is given.
"""

import argparse
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from byok.core.usage import Usage
from byok.web.access import AccessLog
from byok.web.exposition import written
from byok.web.meters import Meters

ROUNDS = 7
NUMBER = 20_000
SERIES = 200


class _Steady:
    """The time, as a reactor tells it."""

    seconds = staticmethod(time.monotonic)


class _Asked:
    """As much of a client as is counted."""

    method = b"POST"
    headers = ()
    peer = "192.0.2.1"
    gone_because = ""

    @property
    def received_bytes(self) -> int:
        return 2048


def measure() -> dict[str, float]:
    """Return microseconds for each part."""
    clock = cast(Any, _Steady())
    meters = Meters(clock, readings=tuple)
    log = AccessLog(clock=clock)
    record = log.open(cast(Any, _Asked()), route="/v1/messages", request_id="req_1")
    deployment = SimpleNamespace(name="claude-*", model_group="claude-*")
    record.planned = cast(Any, SimpleNamespace(payer="user-key", deployment=deployment))
    record.answered(200, (), now=clock.seconds())
    record.usage = Usage(input_tokens=2000, output_tokens=400)
    record.ending = "complete"
    taken = _best(lambda: meters.take(record), number=NUMBER)
    for at in range(SERIES):
        record.route = f"/{at}"
        meters.take(record)
    tally = meters.tally()
    return {
        "count one exchange": taken,
        f"add up {SERIES} kinds of exchange": _best(meters.tally, number=20),
        "write them as text": _best(lambda: written(tally), number=3),
    }


def _best(work: Callable[[], object], *, number: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(number):
            work()
        best = min(best, time.perf_counter() - began)
    return best / number * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    measured = measure()
    if parser.parse_args().json:
        print(json.dumps(measured))
        return
    for name, microseconds in measured.items():
        print(f"{name:32} {microseconds:10.2f} µs")


if __name__ == "__main__":
    main()
