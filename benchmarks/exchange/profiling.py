"""
Where the gateway's CPU time goes, under small requests or under streams.

py-spy, where it is found, looks at the process from outside and slows nothing down. It
looks at who holds the interpreter: what waits for a disk or a processor is no work, and
what the kernel does for us meanwhile is in the table, not here.
cProfile is always there, but makes every call dearer, so that what calls much looks
worse than it is: its figures order the functions, no more.
"""

import asyncio
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.exchange import payloads
from benchmarks.exchange.clients import whole_streams
from benchmarks.exchange.load import send_small
from benchmarks.exchange.processes import ROOT, BenchmarkError
from benchmarks.exchange.scenarios import STREAMS
from benchmarks.exchange.subjects import Byok, Running

TOP = 40
_SECONDS = 12
_LIBRARIES = (
    "twisted",
    "treq",
    "httptools",
    "msgspec",
    "zope",
    "sqlalchemy",
    "hyperlink",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Shares of the CPU time: by part, by function alone, by function and below."""

    tool: str
    parts: Mapping[str, float]
    own: Mapping[str, float]
    below: Mapping[str, float]
    whole: float
    threads: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        threads = [
            f"{spent_s:6.2f} s  CPU of {name}" for name, spent_s in self.threads.items()
        ]
        return "\n".join(
            [
                f"by {self.tool}",
                *threads,
                *self._listed("by part, each without what it calls", self.parts),
                *self._listed("by function, without what it calls", self.own),
                *self._listed("by function of byok, with what it calls", self.below),
            ]
        )

    def _listed(self, title: str, found: Mapping[str, float]) -> list[str]:
        lines = [
            f"{found[name] / self.whole * 100:6.1f} %  {name}"
            for name in sorted(found, key=found.__getitem__, reverse=True)[:TOP]
        ]
        return ["", title, *lines]


def profile(load: str, upstream_port: int) -> Profile:
    """Profile byok while it relays what *load* says: `small` requests or `events`."""
    with tempfile.TemporaryDirectory(prefix="byok-bench-") as made:
        directory = Path(made)
        spy = _py_spy()
        # Streams wake the gateway for microseconds at a time, and whoever looks at
        # intervals sees little of that but the calls that wait for a processor.
        if spy is not None and load != "events":
            return _by_py_spy(spy, load, directory, upstream_port)
        return _by_cprofile(load, directory, upstream_port)


def _py_spy() -> str | None:
    beside = ROOT / ".venv-bench/bin/py-spy"
    return str(beside) if beside.is_file() else shutil.which("py-spy")


def _by_py_spy(spy: str, load: str, directory: Path, upstream_port: int) -> Profile:
    stacks = directory / "stacks.txt"
    with Byok().run(directory, upstream_port) as running:
        _send(load, running, directory, seconds=2)
        command = [
            *(spy, "record", "--pid", str(running.child.pid), "--format", "raw"),
            *("--rate", "500", "--duration", str(_SECONDS), "--output", str(stacks)),
            *("--nonblocking", "--full-filenames", "--gil"),
        ]
        before = running.child.threads_s()
        with subprocess.Popen(  # noqa: S603 - found beside us or on the PATH
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as watching:
            time.sleep(0.5)
            _send(load, running, directory, seconds=_SECONDS + 1)
            said, _ = watching.communicate(timeout=60)
        after = running.child.threads_s()
    if watching.returncode or not stacks.is_file():
        raise BenchmarkError(f"py-spy failed: {said}")
    found = of_stacks(stacks.read_text("utf-8").splitlines())
    threads = {
        "the reactor's thread": after[0] - before[0],
        "all other threads": after[1] - before[1],
    }
    return replace(found, threads=threads)


def of_stacks(lines: Iterable[str]) -> Profile:
    """Return the profile of py-spy's collapsed stacks: frames, then how often."""
    parts: Counter[str] = Counter()
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_frame(each) for each in stack.split(";")]
        if frames[-1][0].endswith("doPoll"):
            # Waiting for something to do.
            continue
        name, path = frames[-1]
        own[f"{name} ({_short(path)})"] += int(count)
        parts[part_of(path)] += int(count)
        for function in {
            f"{name} ({_short(path)})" for name, path in frames if _is_ours(path)
        }:
            below[function] += int(count)
    return Profile(tool="py-spy", parts=parts, own=own, below=below, whole=own.total())


def _frame(text: str) -> tuple[str, str]:
    name, _, place = text.partition(" (")
    path, _, _line = place.rstrip(")").rpartition(":")
    return name, path or place.rstrip(")")


def _by_cprofile(load: str, directory: Path, upstream_port: int) -> Profile:
    stats = directory / "stats"
    byok = Byok("--profile", str(stats), "--profiler", "cprofile", "--savestats")
    with byok.run(directory, upstream_port) as running:
        _send(load, running, directory, seconds=_SECONDS)
    if not stats.is_file():
        raise BenchmarkError("twistd wrote no profile")
    return of_stats(pstats.Stats(str(stats)))


def of_stats(stats: pstats.Stats) -> Profile:
    """Return the profile of what cProfile saved."""
    parts: dict[str, float] = {}
    own: dict[str, float] = {}
    below: dict[str, float] = {}
    found = stats.stats  # type: ignore[attr-defined]
    for (path, _line, name), (_, _, own_s, below_s, _) in found.items():
        if "poll" in name:
            continue
        function = f"{name} ({_short(path)})"
        own[function] = own.get(function, 0.0) + own_s
        if _is_ours(path):
            below[function] = below.get(function, 0.0) + below_s
        parts[part_of(path)] = parts.get(part_of(path), 0.0) + own_s
    whole = sum(own.values())
    for function, share in below.items():
        # What calls itself is counted at each level.
        below[function] = min(share, whole)
    return Profile(tool="cProfile", parts=parts, own=own, below=below, whole=whole)


def part_of(path: str) -> str:
    """Return the part of the gateway, or the library, that *path* belongs to."""
    for library in _LIBRARIES:
        if f"/site-packages/{library}/" in path:
            return library
    inside = path.rpartition("/byok/")[2]
    if inside != path and inside.count("/") >= 1:
        return "byok." + inside.split("/")[0]
    if inside != path:
        return "byok"
    if path.startswith(("~", "<")) or not path:
        return "built in"
    return "the rest of Python"


def _is_ours(path: str) -> bool:
    # What runs everything has everything below it, and is of no interest.
    return part_of(path).startswith("byok")


def _short(path: str) -> str:
    for root in (f"{ROOT}/", f"{sys.prefix}/"):
        path = path.removeprefix(root)
    return path.rpartition("site-packages/")[2]


def _send(load: str, running: Running, directory: Path, *, seconds: int) -> None:
    if load == "small":
        send_small(
            running.port,
            running.key,
            connections=32,
            seconds=seconds,
            directory=directory,
        )
        return
    request = payloads.request("events", key=running.key)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asyncio.run(whole_streams(running.port, request, STREAMS))
