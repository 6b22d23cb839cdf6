"""
What it costs to let a request in by its limits, settle it, and record its use.

Run it as `python -m benchmarks.metering [--json]`. The best of several rounds is given;
the spool writes into a directory of its own. Nothing is sent, and nothing drained.
"""

import argparse
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

from byok.core.exchange import Caller
from byok.core.keys import VirtualKey
from byok.core.limits.limit import ORG_PAYS
from byok.core.prices import PriceTable
from byok.core.usage import Usage
from byok.logs.live import LiveSecrets
from byok.logs.redact import Redactor
from byok.prices.shipped import shipped_prices
from byok.spool.spool import Spool
from byok.web.access import AccessLog
from byok.web.allowances import Allowances
from byok.web.budgets import Budgets
from byok.web.counts import Counts
from byok.web.metering import Meter

ROUNDS = 7
NUMBER = 4_000
BODY = b"x" * 2_048

KEY = VirtualKey(
    token_id="key_1",  # noqa: S106 - a name
    digest=b"",
    pepper_id="p",
    key_name="sk-...1234",
    created_at=0.0,
    updated_at=0.0,
    key_alias="anna",
    rpm_limit=10**8,
    tpm_limit=10**12,
    max_parallel_requests=100,
    max_budget=10.0**5,
    budget_duration="1d",
)


class _Steady:
    """The time, as a reactor tells it."""

    seconds = staticmethod(time.monotonic)


class _Asked:
    """As much of a client as is counted."""

    method = b"POST"
    headers = ()
    peer = "192.0.2.1"
    gone_because = ""
    received_bytes = len(BODY)


class _Exchange:
    """One request after another, let in and closed by one meter."""

    def __init__(self, directory: Path, key: VirtualKey) -> None:
        clock = cast(Any, _Steady())
        live = LiveSecrets()
        self.spool = Spool(directory)
        counts = Counts(
            self.spool, clock=clock, wall=time.time, clean=Redactor(live).text
        )
        budgets = Budgets(cast(Any, _NoUsage()), counts)
        self.meter = Meter(
            counts,
            prices=PriceTable(shipped_prices()),
            allowances=Allowances(payers=ORG_PAYS),
            budgets=budgets,
        )
        self.log = AccessLog(clock=clock, wall=time.time)
        self.caller = Caller.of_key(key, "x-litellm-api-key", None)
        self.facts: Any = SimpleNamespace(
            headers=((b"x-claude-code-session-id", b"0b5c8a52-1d5e-4b0c"),),
            head=SimpleNamespace(model="claude-opus-5-5", max_tokens=32_000),
            body=BODY,
            method="POST",
            route=SimpleNamespace(id="/v1/messages"),
        )
        self.planned: Any = SimpleNamespace(
            payer="org",
            upstream_model="claude-opus-5-5",
            deployment=SimpleNamespace(name="claude-*", provider="anthropic"),
            credential=SimpleNamespace(cls="credential.anthropic", source="deployment"),
        )
        self.usage = Usage(
            input_tokens=2_000, output_tokens=400, model="claude-opus-5-5"
        )
        self.number = 0

    def open(self) -> Any:
        """Begin an exchange that nothing is reserved for yet."""
        self.number += 1
        record = self.log.open(
            cast(Any, _Asked()), route="/v1/messages", request_id=f"r{self.number}"
        )
        record.caller, record.facts = self.caller, self.facts
        return record

    def whole(self) -> None:
        """Let one in, tell its caller where they stand, and close it."""
        record = self.open()
        if _result(self.meter.admit(record, self.facts, self.planned)) is not None:
            raise SystemExit("a request was refused")
        record.planned = self.planned
        record.answered(200, (), now=time.monotonic())
        self.meter.standing(record, ())
        record.usage, record.bytes_out, record.ending = self.usage, 2_000, "complete"
        self.meter.close(record)


class _NoUsage:
    """A ledger with nothing in it."""

    async def totals(self, *_: object, **__: object) -> tuple[()]:
        return ()


def _result(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise SystemExit("something waits that should not")


def measure() -> dict[str, float]:
    """Return microseconds for an exchange, with limits and without."""
    bare = VirtualKey(
        token_id="key_2",  # noqa: S106 - a name
        digest=b"",
        pepper_id="p",
        key_name="sk-...",
        created_at=0.0,
        updated_at=0.0,
    )
    found = {}
    with TemporaryDirectory() as directory:
        for name, key in (("four limits", KEY), ("no limit", bare)):
            exchange = _Exchange(Path(directory) / name, key)
            begun = _best(exchange.open)
            found[f"metered, {name}"] = _best(exchange.whole) - begun
            append = exchange.spool.append
            exchange.spool.append = lambda _: None  # type: ignore[method-assign]
            found[f"of it in memory, {name}"] = _best(exchange.whole) - begun
            exchange.spool.append = append  # type: ignore[method-assign]
            exchange.spool.close()
    return found


def _best(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(NUMBER):
            work()
        best = min(best, time.perf_counter() - began)
    return best / NUMBER * 1e6


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
