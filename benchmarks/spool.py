"""
What the spool costs: an append on its own, and a drain of what was appended.

Run it as `python -m benchmarks.spool [--json] [DIRECTORY]`. Appends are timed one by
one, so that the rare one that begins a new file is seen; the median of many is what
a request pays. The directory should be on the disk that the spool is meant for.
"""

import argparse
import asyncio
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.task import Clock

from byok.spool.drain import Drain
from byok.spool.source import Spooled
from byok.spool.spool import Spool

# As long as a usage record with its raw usage is.
PAYLOAD = b'{"id":"req_' + b"a" * 800 + b'"}'
APPENDS = 50_000


def appended(directory: Path) -> tuple[list[float], float]:
    """Return what each append took, and what all took together, in microseconds."""
    spool = Spool(directory)
    took = []
    append, now = spool.append, time.perf_counter_ns
    started = now()
    for _ in range(APPENDS):
        before = now()
        append(PAYLOAD)
        took.append((now() - before) / 1000)
    whole = (now() - started) / 1000
    spool.close()
    return took, whole


def drained(directory: Path) -> float:
    """Return what draining them takes, a record, in microseconds; the sink is free."""
    seen = 0

    async def sink(batch: Sequence[Spooled]) -> None:
        nonlocal seen
        seen += len(batch)

    drain = Drain(Spool(directory), sink, Clock())
    started = time.perf_counter_ns()
    asyncio.run(drain.stop())
    took = (time.perf_counter_ns() - started) / 1000
    if seen != APPENDS:
        raise SystemExit(f"{seen} of {APPENDS} records came back")
    return took / seen


def measure(directory: Path) -> dict[str, float]:
    """Return the figures, in microseconds."""
    took, whole = appended(directory)
    took.sort()
    return {
        "append, median": statistics.median(took),
        "append, mean": whole / APPENDS,
        "append, 99th percentile": took[len(took) * 99 // 100],
        "append, 99.9th percentile": took[len(took) * 999 // 1000],
        "append, longest": took[-1],
        "drain, a record": drained(directory),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("directory", nargs="?", help="where to spool; made if needed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as made:
        figures = measure(Path(made) / "spool")
    if given.json:
        print(json.dumps({"python": platform.python_version(), "us": figures}))
        return
    for name, figure in figures.items():
        print(f"{name:28}{figure:10.2f} us")


if __name__ == "__main__":
    main()
