"""Processes under measurement: started, watched through /proc, and stopped."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
_PROC = Path("/proc")
_CPU_OF_PROCESS = 2
_TAIL_LINES = 30
# Fields of proc(5)'s stat, counted from the one behind the name.
_PARENT, _USER, _SYSTEM = 1, 11, 12


class BenchmarkError(Exception):
    """A figure could not be had, for the reason it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """
    CPU time: *spent_s* exactly, and in ticks how it was shared.

    *user* is what the program itself took, *system* what the kernel took for it.
    """

    spent_s: float
    user: float
    system: float

    def __sub__(self, before: "Cpu") -> "Cpu":
        return Cpu(
            spent_s=self.spent_s - before.spent_s,
            user=self.user - before.user,
            system=self.system - before.system,
        )

    def figures(self, what: str, suffix: str, number: int) -> dict[str, float]:
        """Return what one of *number* took, in microseconds, and the kernel's part."""
        each_us = self.spent_s / number * 1e6
        ticks = (self.user + self.system) or 1
        return {
            f"{what}_cpu_us{suffix}": each_us,
            f"{what}_kernel_us{suffix}": each_us * self.system / ticks,
        }


class Child:
    """
    A process and its descendants; its output goes to a file.

    CPU time is read from each process's own clock, which counts nanoseconds where
    /proc/PID/stat counts hundredths of a second of the same time.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        output: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        reads: bool = False,
    ) -> None:
        self._output = output
        with output.open("ab") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - programs of our own
                [str(each) for each in arguments],
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if reads else sink,
                stderr=sink,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Has it not ended?"""
        return self._process.poll() is None

    def line(self) -> bytes:
        """Return the next line it prints."""
        if self._process.stdout is None:
            raise BenchmarkError("nobody reads what this process prints")
        return self._process.stdout.readline()

    def tail(self) -> str:
        """Return the end of what it wrote."""
        text = self._output.read_text("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_TAIL_LINES:])

    def stop(self) -> None:
        """Ask it to end, and make it end."""
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.pids()):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    # -- figures -------------------------------------------------------------

    def pids(self) -> list[int]:
        """Return the process and everything below it."""
        children: dict[int, list[int]] = {}
        for pid, parent in _parents():
            children.setdefault(parent, []).append(pid)
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu(self) -> "Cpu":
        """Return the CPU time that the tree has used."""
        self._check()
        spent_s = user = system = 0.0
        for pid in self.pids():
            fields = _stat_of(pid)
            if fields is None:
                continue
            spent_s += time.clock_gettime(_cpu_clock_of(pid))
            user += int(fields[_USER])
            system += int(fields[_SYSTEM])
        return Cpu(spent_s=spent_s, user=user, system=system)

    def threads_s(self) -> tuple[float, float]:
        """Return the CPU seconds of its first thread, and of all others."""
        self._check()
        spent: dict[bool, float] = {True: 0.0, False: 0.0}
        for task in (_PROC / str(self.pid) / "task").iterdir():
            nanoseconds = (task / "schedstat").read_text().split()[0]
            spent[task.name == str(self.pid)] += int(nanoseconds) / 1e9
        return spent[True], spent[False]

    def rss_bytes(self) -> int:
        """Return how much memory the tree holds."""
        return self._memory("VmRSS")

    def peak_bytes(self) -> int:
        """Return the most it held since `forget_peak`."""
        return self._memory("VmHWM")

    def forget_peak(self) -> None:
        """Count peaks from here."""
        for pid in self.pids():
            (_PROC / str(pid) / "clear_refs").write_text("5")

    def _memory(self, field: str) -> int:
        self._check()
        total = 0
        for pid in self.pids():
            for line in (_PROC / str(pid) / "status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    total += int(line.split()[1]) * 1024
        return total

    def _check(self) -> None:
        if not self.is_running:
            raise BenchmarkError(f"the process has ended:\n{self.tail()}")


def _cpu_clock_of(pid: int) -> int:
    # How clock_getcpuclockid(3) makes the number of a clock out of a process's.
    return (~pid << 3) | _CPU_OF_PROCESS


def _parents() -> Iterator[tuple[int, int]]:
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        fields = _stat_of(int(entry.name))
        if fields is not None:
            yield int(entry.name), int(fields[_PARENT])


def _stat_of(pid: int) -> list[str] | None:
    """Return what /proc/PID/stat says behind the name, None where it is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name stands in brackets and may hold anything, brackets too.
    return stat.rpartition(")")[2].split()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until_it_listens(child: Child, port: int, *, timeout_s: float) -> None:
    """Return once *port* takes connections."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if not child.is_running:
                raise BenchmarkError(f"it did not start:\n{child.tail()}") from None
            if time.monotonic() > until:
                raise BenchmarkError(
                    f"it does not listen after {timeout_s:.0f} s:\n{child.tail()}"
                ) from None
            time.sleep(0.05)
        else:
            return


def allow_many_files() -> None:
    """Let this process and what it starts open as many files as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def upstream_of(
    arguments: Sequence[str], directory: Path
) -> Iterator[tuple[Child, int]]:
    """Run the upstream; yield it and its port."""
    command = [sys.executable, "-m", "benchmarks.exchange.upstream", *arguments]
    with Child(command, output=directory / "upstream.txt", reads=True) as child:
        line = child.line()
        if not line:
            raise BenchmarkError(f"the upstream did not start:\n{child.tail()}")
        yield child, json.loads(line)["port"]
