"""
How fast the ledger is written: rows a second, in batches of 500.

Run it as `python -m benchmarks.usage_store [--json] [--postgresql URL]`. Each batch is
one transaction with the totals of its day, written to the disk before the next one
begins. The rows are those of a company: 40 keys, 5 models. SQLite's file is made in
the working directory, since a temporary one may be in memory; a database named by a
URL has to be empty, and is left with what was written.
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

from byok.core.usage_record import UsageRecord
from byok.store.engine import make_engine
from byok.store.location import Place, Server
from byok.store.schema import upgrade
from byok.store.sqlusage import SqlUsage
from byok.store.usage import By, DaysWanted

BATCH = 500
ROWS = 50_000
_RAW = (
    '{"input_tokens":312,"cache_creation_input_tokens":2048,'
    '"cache_read_input_tokens":48211,"output_tokens":611,"service_tier":"standard"}'
)


def record(number: int) -> UsageRecord:
    """Return the *number*-th of many requests, three a second."""
    key = number % 40
    return UsageRecord(
        id=f"req_{number:032x}",
        at=1_800_000_000.0 + number / 3,
        key_id=f"key_{key:022}",
        key=f"laptop-{key}",
        user=f"user-{key}",
        team=f"team-{key % 4}",
        session=f"0d3e1f0e-5c0b-4b0e-9c0a-{number // 50:012x}",
        method="POST",
        route="/v1/messages",
        model=f"claude-{number % 5}",
        upstream_model=f"claude-{number % 5}-20260101",
        deployment="anthropic-main",
        provider="anthropic",
        payer="user-key",
        credential="anthropic.api_key",
        status=200,
        ending="complete",
        stop_reason="end_turn",
        input_tokens=312,
        output_tokens=611,
        cache_read_tokens=48_211,
        cache_write_5m_tokens=2048,
        raw_usage=_RAW,
        price_version="2026-11-24",
        notional_nano=43_251_350,
        duration_ms=8123.4,
        first_byte_ms=912.7,
        generation="3-91b2c4",
    )


def measure(place: Place, rows: int = ROWS) -> dict[str, object]:
    """Write *rows* to a new store at *place* and read them back added up."""
    engine = make_engine(place, connections=1)
    upgrade(engine)
    ledger = SqlUsage(engine)
    batches = [
        [record(number) for number in range(at, min(at + BATCH, rows))]
        for at in range(0, rows, BATCH)
    ]
    spans = []
    for batch in batches:
        began = time.perf_counter()
        ledger.append(batch)
        spans.append(time.perf_counter() - began)
    again = time.perf_counter()
    came_again = ledger.append(batches[0])
    again = time.perf_counter() - again
    adding = time.perf_counter()
    totals = ledger.totals(DaysWanted(), [By.USER])
    adding = time.perf_counter() - adding
    engine.dispose()
    if came_again or sum(each.figures.requests for each in totals) != rows:
        raise SystemExit("the books do not balance")
    spans.sort()
    return {
        "python": platform.python_version(),
        "rows": rows,
        "batch": BATCH,
        "rows_per_second": round(rows / sum(spans)),
        "median_batch_ms": round(spans[len(spans) // 2] * 1000, 1),
        "slowest_batch_ms": round(spans[-1] * 1000, 1),
        "batch_that_came_again_ms": round(again * 1000, 1),
        "totals_by_user_ms": round(adding * 1000, 1),
    }


def main() -> None:
    """Print the figures, for people or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--postgresql", metavar="URL", help="measure this one instead")
    options = parser.parse_args()
    if options.postgresql:
        figures = measure(Server(url=options.postgresql), options.rows)
    else:
        with tempfile.TemporaryDirectory(dir=".") as directory:
            figures = measure(Path(directory, "byok.db"), options.rows)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<26} {value}")


if __name__ == "__main__":
    main()
