"""What each proxy is put through, and the figures that come of it."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exchange import payloads
from benchmarks.exchange.clients import (
    at_most,
    exchange,
    open_streams,
    whole_streams,
)
from benchmarks.exchange.load import send_small
from benchmarks.exchange.processes import BenchmarkError
from benchmarks.exchange.soak import soak
from benchmarks.exchange.subjects import Running
from benchmarks.exchange.upstream import BURST

MB = 1_000_000
STREAMS = 16
_WARM_UPS = 40
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """
    How much of everything; *apart_s* is between two events of a stream.

    A proxy *starts_anew* for each scenario: what it freed after one would be there
    for the next, and hide what that one takes.
    """

    repeats: int = 3
    load_s: int = 6
    warm_s: int = 2
    events: int = 400
    apart_s: float = 0.0037
    idle: int = 500
    settle_s: float = 1.0
    stalled_s: float = 4.0
    large_mb: int = 100
    upload_bytes: int = 20 * MB
    soak_s: float = 120.0
    starts_anew: bool = True


QUICK = Sizes(
    repeats=1,
    load_s=1,
    warm_s=1,
    events=50,
    idle=50,
    settle_s=0.2,
    stalled_s=0.5,
    soak_s=2.0,
    starts_anew=False,
)
NORMAL = Sizes()
FULL = Sizes(repeats=5, load_s=10, idle=2000, soak_s=600.0)

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    A name, and what to do with a proxy that was just started.

    *repeats* is false where one look is enough: memory does not depend on what else
    the machine does.
    """

    name: str
    play: Callable[[Running, Sizes, Path], Figures]
    repeats: bool = True


def small(running: Running, sizes: Sizes, directory: Path) -> Figures:
    """Send small requests on one connection, then on 32."""
    warm_up(running, ("small",))
    send_small(
        running.port,
        running.key,
        connections=8,
        seconds=sizes.warm_s,
        directory=directory,
    )
    figures: dict[str, float] = {}
    for connections in (1, 32):
        before = running.child.cpu()
        load = send_small(
            running.port,
            running.key,
            connections=connections,
            seconds=sizes.load_s,
            directory=directory,
        )
        spent = running.child.cpu() - before
        figures |= {
            **spent.figures("request", f"_{connections}", load.requests),
            f"p50_ms_{connections}": load.p50_ms,
            f"p99_ms_{connections}": load.p99_ms,
            f"requests_per_s_{connections}": load.requests / load.seconds,
        }
    return figures


def events(running: Running, sizes: Sizes, directory: Path) -> Figures:
    """Read 16 streams at once, whose every event is a write of its own."""
    del directory
    return _read_streams(running, "events", sizes.events, "event")


def burst(running: Running, sizes: Sizes, directory: Path) -> Figures:
    """Read 16 streams at once, whose events come as fast as they are written."""
    del directory
    return _read_streams(running, "burst", sizes.events * BURST, "burst_event")


def _read_streams(running: Running, play: str, events: int, what: str) -> Figures:
    warm_up(running)
    request = payloads.request(play, key=running.key)
    asyncio.run(whole_streams(running.port, request, 2))
    before, began = running.child.cpu(), time.perf_counter()
    asyncio.run(whole_streams(running.port, request, STREAMS))
    spent = running.child.cpu() - before
    total = STREAMS * events
    return {
        **spent.figures(what, "", total),
        f"{what}s_per_s": total / (time.perf_counter() - began),
    }


def idle(running: Running, sizes: Sizes, directory: Path) -> Figures:
    """Open streams that say nothing after their beginning."""
    del directory
    warm_up(running)
    return asyncio.run(_idle(running, sizes))


async def _idle(running: Running, sizes: Sizes) -> Figures:
    request = payloads.request("idle", key=running.key)
    for each in await open_streams(running.port, request, 8):
        each.leave()
    await asyncio.sleep(sizes.settle_s)
    before = running.child.rss_bytes()
    opening = asyncio.ensure_future(open_streams(running.port, request, sizes.idle))
    opened = await at_most(120, opening)
    await asyncio.sleep(sizes.settle_s)
    held = running.child.rss_bytes() - before
    for each in opened:
        each.leave()
    return {"idle_kb": held / sizes.idle / 1000, "rss_mb": before / MB}


def stalled(running: Running, sizes: Sizes, directory: Path) -> Figures:
    """Ask for a large answer and read no more than its beginning."""
    del directory
    warm_up(running)

    async def ask() -> float:
        request = payloads.request("large", key=running.key)
        before = running.child.rss_bytes()
        running.child.forget_peak()
        asked = await exchange(running.port, request, stops_reading=True)
        status = await at_most(60, asked.begun)
        if status != _OK:
            raise BenchmarkError(f"the large answer has status {status}")
        await asyncio.sleep(sizes.stalled_s)
        held = running.child.peak_bytes() - before
        asked.leave()
        return held

    return {"stalled_mb": asyncio.run(ask()) / MB}


def upload(running: Running, sizes: Sizes, directory: Path) -> Figures:
    """Send one large body."""
    del directory
    warm_up(running)

    async def send() -> float:
        request = payloads.request("small", key=running.key, size=sizes.upload_bytes)
        before = running.child.rss_bytes()
        running.child.forget_peak()
        asked = await exchange(running.port, request)
        status = await at_most(120, asked.begun)
        if status != _OK:
            raise BenchmarkError(f"the upload was answered with {status}")
        await at_most(60, asked.ended)
        return running.child.peak_bytes() - before

    held = asyncio.run(send())
    return {"upload_mb": held / MB, "upload_copies": held / sizes.upload_bytes}


def mixed(running: Running, sizes: Sizes, directory: Path) -> Figures:
    """Go on for a while with all kinds of traffic, and watch the memory."""
    del directory
    warm_up(running)
    found = asyncio.run(soak(running, sizes.soak_s))
    return {
        **{f"soak_mb_{at}": each / MB for at, each in enumerate(found.rss_bytes, 1)},
        "soak_mb": found.rss_bytes[-1] / MB,
        "soak_growth_percent": found.growth_percent,
        **{f"soak_answers_{status}": n for status, n in found.statuses.items()},
    }


def warm_up(running: Running, plays: Sequence[str] = ("small", "short")) -> None:
    """Have everything done once that is done at first use."""

    async def ask() -> None:
        for play in itertools.islice(itertools.cycle(plays), _WARM_UPS):
            asked = await exchange(
                running.port, payloads.request(play, key=running.key)
            )
            await at_most(60, asked.ended)
            if asked.status != _OK:
                raise BenchmarkError(
                    f"the first requests are answered with {asked.status}:"
                    f" {asked.tail[-300:]!r}"
                )

    asyncio.run(ask())


SCENARIOS = (
    Scenario(name="small", play=small),
    Scenario(name="events", play=events),
    Scenario(name="burst", play=burst),
    Scenario(name="stalled", play=stalled, repeats=False),
    Scenario(name="upload", play=upload, repeats=False),
    Scenario(name="idle", play=idle, repeats=False),
    Scenario(name="soak", play=mixed, repeats=False),
)
