"""Programs run as processes of their own, watched line by line."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
"""The top of the project, from which `tests.support` can be imported."""


class DiedEarly(AssertionError):
    """A process ended, or fell silent, before it did what was waited for."""


class Watched:
    """
    A running process whose lines of output are kept as they come.

    A thread reads, so the process never blocks on a full pipe and a waiting
    test is woken by the line it waits for: nothing here polls.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        takes_input: bool = False,
    ) -> None:
        self.lines: list[str] = []
        self._more = Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """All that was printed so far, standard error included."""
        with self._more:
            return "\n".join(self.lines)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        """Write *line* to the process's standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait_for(
        self, find: Callable[[Sequence[str]], T | None], *, timeout_s: float = 30.0
    ) -> T:
        """Return what *find* makes of the lines, as soon as it is not None."""
        until = monotonic() + timeout_s
        with self._more:
            while (found := find(self.lines)) is None:
                left = until - monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"was silent for {timeout_s} s"
                    said = "\n".join(self.lines)
                    raise DiedEarly(f"the process {why}; it had printed:\n{said}")
                self._more.wait(left)
        return found

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send *how*, wait for the end, and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            return self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise DiedEarly(
                f"the process ignored {how.name}; it had printed:\n{self.output}"
            ) from None
        finally:
            self._reader.join(timeout=10)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()
