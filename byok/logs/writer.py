"""
Lines of the log on their way out, by a thread: who logs waits for nobody.

A pipe that nobody reads, or a disk that does not answer, would otherwise stop the
gateway at the line that does not fit any more.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from select import PIPE_BUF, select
from typing import NamedTuple, TextIO

MOST_CHARACTERS = 8 * 1024 * 1024
"""How much may wait to be written: some 10,000 lines."""

LAST_WORDS_S = 5.0
"""How long the end of the process waits for what is not written yet."""

_AT_ONCE = 64 * 1024
# Whoever writes every line by itself asks for the interpreter every time.
_GATHER_S = 0.02

Missing = Callable[[int], str]
"""Words that so many lines are missing here, as a line of the log."""


class LineWriter:
    """
    Writes lines to *stream* in the order they came, each whole.

    More than *most* characters do not wait: further lines are dropped, and where they
    are missing stands what *missing* says of their number. So it is with lines that
    could not be written, since there was no room on the disk.
    """

    def __init__(
        self, stream: TextIO, *, missing: Missing, most: int = MOST_CHARACTERS
    ) -> None:
        self._stream = stream
        self._missing = missing
        self._most = most
        self.dropped = 0
        self._begin_empty()
        os.register_at_fork(after_in_child=self._begin_empty)

    def _begin_empty(self) -> None:
        # In the copy of a process there is no thread but the one that copied it.
        self._lock = threading.RLock()
        self._lines: list[str | int] = []
        self._held = 0
        self._untold = 0
        self._rest = b""
        self._thread: threading.Thread | None = None
        self._is_idle = False
        self._is_given_up = False
        self._wake = threading.Semaphore(0)
        self._all_written = threading.Event()
        self._hurry = threading.Event()

    def isatty(self) -> bool:
        """Does a person look on?"""
        return self._stream.isatty()

    def flush(self) -> None:
        """Do nothing: whatever is written is on its way."""

    def write(self, text: str) -> None:
        """Write *text*, one line or several with their ends, or drop it."""
        with self._lock:
            # Once it was full, room for one is not enough: each would tell of others.
            most = self._most // 2 if self._untold else self._most
            if self._held + len(text) > most:
                self._untold += 1
                self.dropped += 1
                return
            if self._untold:
                self._tell_of_missing()
            self._held += len(text)
            self._append(text)
        if self._hurry.is_set():
            self._see_written()

    def stop(self) -> None:
        """
        Return when all is written, or could not be within a few seconds.

        What is written after that is waited for as well.
        """
        with self._lock:
            if self._untold:
                self._tell_of_missing()
            self._hurry.set()
            if self._thread is None:
                return
        self._see_written()

    # -- for whoever writes ----------------------------------------------------

    def _see_written(self) -> None:
        # Whoever did not read in time is not waited for again.
        if not self._is_given_up:
            self._is_given_up = not self._all_written.wait(LAST_WORDS_S)

    def _append(self, line: str | int) -> None:
        """Let the thread write *line*, or that so many are missing."""
        self._lines.append(line)
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._write_on, name="byok-log", daemon=True
            )
            self._thread.start()
        elif self._is_idle:
            self._is_idle = False
            self._all_written.clear()
            self._wake.release()

    def _tell_of_missing(self) -> None:
        untold, self._untold = self._untold, 0
        self._append(untold)

    # -- the thread --------------------------------------------------------------

    def _write_on(self) -> None:
        descriptor = _descriptor_of(self._stream)
        while True:
            with self._lock:
                lines, self._lines = self._lines, []
                if not lines:
                    self._is_idle = True
                    self._all_written.set()
            if not lines:
                self._wake.acquire()
                continue
            lost = self._written(descriptor, [*map(self._worded, lines)])
            with self._lock:
                self._held -= sum(len(each) for each in lines if isinstance(each, str))
                self._untold += lost
            self._hurry.wait(_GATHER_S)

    def _worded(self, line: str | int) -> "_Line":
        told = line if isinstance(line, int) else 0
        text = line if isinstance(line, str) else self._missing(line)
        return _Line(text.encode("utf-8", "backslashreplace"), told)

    def _written(self, descriptor: int | None, lines: Sequence["_Line"]) -> int:
        """Write *lines*, each whole; return how many have to be told as missing."""
        lost = 0
        most = _AT_ONCE if descriptor is None else _portion_of(descriptor)
        for portion in _portions(lines, most):
            data = b"".join(each.data for each in portion)
            if descriptor is None:
                left = self._put_text(data)
            else:
                left = self._put(descriptor, data)
            out = len(data) - len(left)
            for each in portion:
                if out >= len(each.data):
                    out -= len(each.data)
                elif out > 0:
                    # What is begun has to be ended first, when there is room again.
                    self._rest, out = each.data[out:], 0
                elif each.tells:
                    lost += each.tells
                else:
                    lost += 1
                    with self._lock:
                        self.dropped += 1
        return lost

    def _put(self, descriptor: int, data: bytes) -> bytes:
        """Write *data* behind what was begun; return what could not be written."""
        self._rest = _put(descriptor, self._rest)
        return data if self._rest else _put(descriptor, data)

    def _put_text(self, data: bytes) -> bytes:
        try:
            self._stream.write(data.decode("utf-8"))
            self._stream.flush()
        except (OSError, ValueError):
            return data
        return b""


class _Line(NamedTuple):
    """A line, and of how many missing ones it tells."""

    data: bytes
    tells: int


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _portion_of(descriptor: int) -> int:
    """Return how much nobody else's lines can get into, if written at once."""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        is_file = False
    return _AT_ONCE if is_file else PIPE_BUF


def _portions(lines: Sequence[_Line], most: int) -> Iterator[list[_Line]]:
    """Share *lines* out to portions of *most* bytes, or of one long line."""
    portion: list[_Line] = []
    size = 0
    for line in lines:
        if portion and size + len(line.data) > most:
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += len(line.data)
    yield portion


def _wait_for_room(descriptor: int) -> None:
    select([], [descriptor], [], 1.0)


def _put(descriptor: int, data: bytes) -> bytes:
    """Write *data*; return what of it could not be written."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            # Somebody who shares the pipe made it so that it does not wait.
            _wait_for_room(descriptor)
        except OSError:
            break
    return data
