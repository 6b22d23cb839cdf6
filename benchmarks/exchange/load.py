"""Load by small requests: wrk where it is installed, our own client where it is not."""

import asyncio
import json
import math
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exchange import payloads
from benchmarks.exchange.clients import call
from benchmarks.exchange.processes import BenchmarkError

# LiteLLM drops one in some thousands under load; more is no measurement.
_TOLERATED = 0.01

_SCRIPT = """
wrk.method = "POST"
{headers}
wrk.body = [[{body}]]
done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '{{"requests": %d, "us": %d, "p50": %d, "p99": %d, "errors": %d}}\\n',
        summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of it, from the client's side."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


def wrk() -> str | None:
    """Return the path of wrk, where it is installed."""
    return shutil.which("wrk")


def send_small(
    port: int, key: str, *, connections: int, seconds: int, directory: Path
) -> Load:
    """Ask for the small answer on *connections* for *seconds*."""
    program = wrk()
    if program is not None:
        url = f"http://127.0.0.1:{port}{payloads.PATH}"
        script = directory / "small.lua"
        script.write_text(_script(key))
        return _with_wrk([program, "-s", str(script), url], connections, seconds)
    request = payloads.request("small", key=key, keeps=True)
    took_s = asyncio.run(call(port, request, connections=connections, seconds=seconds))
    if not took_s:
        raise BenchmarkError(f"there was no answer in {seconds} s")
    took_s.sort()
    return Load(
        requests=len(took_s),
        seconds=seconds,
        p50_ms=percentile(took_s, 50) * 1000,
        p99_ms=percentile(took_s, 99) * 1000,
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the value that *percent* of *ordered* do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _script(key: str) -> str:
    headers = {**dict(payloads.HEADERS), "x-litellm-api-key": key}
    return _SCRIPT.format(
        headers="\n".join(
            f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()
        ),
        body=payloads.body("small").decode(),
    )


def _with_wrk(command: Sequence[str], connections: int, seconds: int) -> Load:
    more = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s")
    done = subprocess.run(  # noqa: S603 - found on the PATH, with arguments of our own
        [*command, *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
    )
    if done.returncode:
        raise BenchmarkError(f"wrk failed: {done.stderr or done.stdout}")
    return read_wrk(done.stdout)


def read_wrk(printed: str) -> Load:
    """Return the figures that our script makes wrk print as its last line."""
    try:
        found = json.loads(printed.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise BenchmarkError(f"wrk printed no figures: {printed}") from None
    if not found["requests"] or found["errors"] > found["requests"] * _TOLERATED:
        raise BenchmarkError(
            f"{found['errors']} of {found['requests']} requests failed: {printed}"
        )
    return Load(
        requests=found["requests"],
        seconds=found["us"] / 1e6,
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
    )
