"""
How long useless keys take to be refused: a report to read, not a test to pass.

    python -m tests.security.timing_report [samples]

A difference between the medians that stands out of the noise says that an answer's
time tells one kind of useless key from another. Loopback on a busy machine is noisy,
so nothing fails by it.
"""

import sys
import tempfile
from pathlib import Path
from random import shuffle
from statistics import median, quantiles
from time import perf_counter

from byok.core.keys import new_key
from tests.e2e.raw import request
from tests.security.line import Line
from tests.support.gateway import Gateway, own_key_config

BLOCKED = "sk-blocked-key-of-some-length"
KINDS = {
    "known, blocked": BLOCKED,
    "unknown, asked for lately": new_key(bytes(31) + b"\1").reveal(),
    "unknown, another": new_key(bytes(31) + b"\2").reveal(),
    "malformed": "sk-byok-mistyped",
}


def measured(port: int, samples: int) -> dict[str, list[float]]:
    """Return the microseconds of each refusal, all kinds mixed."""
    line = Line(port)
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    turns = list(KINDS) * samples
    shuffle(turns)
    for kind in [*KINDS, *turns]:
        headers = (("x-litellm-api-key", KINDS[kind]),)
        raw = request("/v1/models", method="GET", headers=headers, close=False)
        began_at = perf_counter()
        answer = line.ask(raw)
        times[kind].append((perf_counter() - began_at) * 1e6)
        assert answer.status == 401
    line.close()
    return {kind: each[1:] for kind, each in times.items()}


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        config = own_key_config("http://127.0.0.1:1")
        with Gateway(Path(name), config) as gateway:
            gateway.make_key(BLOCKED, key_alias="blocked")
            gateway.post("/key/block", {"key": "blocked"})
            times = measured(gateway.port, samples)
    lines = [f"{'useless key':<28}{'median us':>10}{'p10':>8}{'p90':>8}"]
    for kind, each in times.items():
        tenths = quantiles(each, n=10)
        figures = (median(each), tenths[0], tenths[-1])
        lines.append("{:<28}{:>10.0f}{:>8.0f}{:>8.0f}".format(kind, *figures))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
