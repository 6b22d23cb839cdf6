"""The files of one writer, as a drain reads and removes them."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from byok.spool import places
from byok.spool.frames import (
    HEAD_BYTES,
    MOST_FRAME_BYTES,
    Frames,
    read_frames,
    written_at,
)

_STRETCH = 2 * MOST_FRAME_BYTES


class Position(NamedTuple):
    """Where a record stands; the same for as long as it stands anywhere."""

    writer: str
    number: int
    offset: int


class Spooled(NamedTuple):
    """One record as a sink gets it."""

    position: Position
    payload: bytes


class Source:
    """
    What one writer wrote, in order, oldest first.

    *held* is the lock that makes this the only one who reads and removes it.
    *is_open* tells whether the writer may still append to the file of a number, where
    more is known of it than that it lives.
    """

    def __init__(
        self,
        directory: Path,
        writer: str,
        held: int,
        is_open: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._directory = directory
        self._is_open = is_open
        self.writer = writer
        self._held = held
        self._number = 0
        self._descriptor = -1
        self._offset = 0
        self._read: Frames | None = None
        self.is_over = False
        self.lost_bytes = 0

    @property
    def drained_bytes(self) -> int:
        """How much of the file that is being read is done with."""
        return self._offset if self._descriptor >= 0 else 0

    def next_batch(self, most: int, most_bytes: int) -> Sequence[Spooled]:
        """
        Return the records that come next, none where there are none for now.

        They come again until `accept` is called. Files that have been read to an end
        that will stay are removed.
        """
        while True:
            # In this order: a writer that is dead by now writes nothing after the
            # look at its files, and one that has begun a file is done with the others.
            is_dead = not places.is_locked(
                places.writer_lock(self._directory, self.writer)
            )
            numbers = places.held(self._directory).segments.get(self.writer, ())
            if not numbers:
                self._let_go()
                self.is_over = is_dead
                return ()
            if self._descriptor < 0 or numbers[0] != self._number:
                self._take_up(numbers[0])
            is_final = is_dead or len(numbers) > 1 or not self._is_open(numbers[0])
            found, is_end = self._look(most, most_bytes, is_final=is_final)
            if found.frames:
                self._read = found
                return [
                    Spooled(
                        Position(self.writer, self._number, self._offset + each.start),
                        each.payload,
                    )
                    for each in found.frames
                ]
            self._pass(found)
            if is_final and is_end:
                self._remove()
            elif not found.end:
                return ()

    def accept(self) -> None:
        """Go on behind the batch that was returned last."""
        if self._read is not None:
            self._pass(self._read)
            self._read = None

    def oldest_at(self) -> float | None:
        """Return when the next record was written."""
        if self._descriptor < 0:
            numbers = places.held(self._directory).segments.get(self.writer, ())
            if not numbers:
                return None
            try:
                self._take_up(numbers[0])
            except OSError:
                return None  # who drains it says so
        return written_at(os.pread(self._descriptor, HEAD_BYTES, self._offset))

    def close(self) -> None:
        """Leave the rest to somebody else."""
        self._let_go()
        if self.is_over:
            self._remove_writer()
        # Whoever makes it anew gets on from here.
        with suppress(FileNotFoundError, NotADirectoryError):
            places.drain_lock(self._directory, self.writer).unlink()
        os.close(self._held)

    def _remove_writer(self) -> None:
        """Remove the lock of a writer, unless it was only about to take it."""
        path = places.writer_lock(self._directory, self.writer)
        try:
            held = places.lock(path)
        except OSError:
            return  # the directory is gone, or no lock is there
        if held is not None:
            path.unlink(missing_ok=True)
            os.close(held)

    def _look(
        self, most: int, most_bytes: int, *, is_final: bool
    ) -> tuple[Frames, bool]:
        if os.fstat(self._descriptor).st_size < self._offset:
            # Somebody cut it: what is there now may be anything, so all of it again.
            self._offset = 0
        wanted = max(_STRETCH, most_bytes + MOST_FRAME_BYTES)
        data = os.pread(self._descriptor, wanted, self._offset)
        is_end = len(data) < wanted
        found = read_frames(
            data, most=most, most_bytes=most_bytes, is_end=is_end, is_final=is_final
        )
        return found, is_end and found.end == len(data)

    def _pass(self, found: Frames) -> None:
        self._offset += found.end
        self.lost_bytes += found.lost_bytes

    def _take_up(self, number: int) -> None:
        self._let_go()
        self._descriptor = os.open(
            places.segment(self._directory, self.writer, number),
            os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW,
        )
        self._number, self._offset = number, 0

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._offset, self._read = -1, 0, None

    def _remove(self) -> None:
        self._let_go()
        places.segment(self._directory, self.writer, self._number).unlink(
            missing_ok=True
        )
