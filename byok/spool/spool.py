"""The writing end: a record is in the kernel's hands when `append` returns."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from byok.spool import places
from byok.spool.faults import (
    RecordTooLong,
    SpoolFull,
    SpoolUnavailable,
    level_of,
)
from byok.spool.frames import MOST_PAYLOAD_BYTES, framed

MIB = 1024 * 1024
SEGMENT_BYTES = 4 * MIB
SEGMENT_S = 10.0
CEILING_BYTES = 1024 * MIB
HEADROOM_BYTES = 64 * MIB

# Sealed files that wait to be synced; a disk that hangs must not use up descriptors.
_MOST_UNSYNCED = 8

_PROBE_BYTES = 4096

_log = Logger(namespace="byok.spool")


class Spool:
    """
    Takes records, and keeps them in files of its own until a drain has seen to them.

    A process that is killed loses nothing it appended: the system has it. A machine
    that loses power may lose its last moments, less of them with a `Syncing`.

    What is kept has a bound for the whole directory. From *ceiling_bytes* on `is_full`
    says so, and so does `trouble`; records are taken for *headroom_bytes* more, since
    exchanges that are under way have to be counted, and are refused after that. How
    much others in the directory added is known as of the drain's last look.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_s: float = SEGMENT_S,
        ceiling_bytes: int = CEILING_BYTES,
        headroom_bytes: int = HEADROOM_BYTES,
        is_synced: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._ceiling = ceiling_bytes
        self._limit = ceiling_bytes + headroom_bytes
        self._is_synced = is_synced
        self._now = now
        self._descriptor = -1
        self._size = 0
        self._number = 0
        self._opened_at = 0.0
        self._unsynced: list[int] = []
        self._held = 0
        self._was_full = False
        self._fault = ""
        self.appended = 0
        self.appended_bytes = 0
        self.refused = 0
        try:
            places.make_directory(directory)
            self.writer, self._lock = _new_writer(directory)
        except OSError as error:
            raise SpoolUnavailable(f"{directory}: {_reason(error)}") from error
        self._held = places.held(directory).bytes

    @property
    def held_bytes(self) -> int:
        """How much the directory holds, as far as is known here."""
        return self._held

    @property
    def is_full(self) -> bool:
        """Does the directory hold as much as it is meant to?"""
        return self._held >= self._ceiling

    @property
    def trouble(self) -> str | None:
        """What keeps the spool from being trusted with more, in words; or None."""
        if self._fault:
            return f"the spool cannot be written: {self._fault}"
        if self.is_full:
            return f"the spool holds {self._held} of {self._ceiling} bytes"
        return None

    @property
    def mean_bytes(self) -> float:
        """How long a record is on average, with what is around it."""
        return self.appended_bytes / self.appended if self.appended else 600.0

    def is_open(self, number: int) -> bool:
        """May more be appended to the file of that *number*?"""
        return self._descriptor >= 0 and number == self._number

    def append(self, payload: bytes) -> None:
        """
        Take *payload*; it is kept, whatever becomes of this process.

        Raises SpoolUnavailable where it cannot be kept, and leaves what was kept
        before as it was.
        """
        if len(payload) > MOST_PAYLOAD_BYTES:
            raise RecordTooLong(f"{len(payload)} bytes: {MOST_PAYLOAD_BYTES} at most")
        if self._lock < 0:
            raise SpoolUnavailable(f"{self.directory}: closed")
        at = self._now()
        frame = framed(payload, at)
        length = len(frame)
        if self._held + length > self._limit:
            self._refuse_full()
        try:
            if (
                self._size >= self._segment_bytes
                or at - self._opened_at >= self._segment_s
            ):
                self.seal()
            if self._descriptor < 0:
                self._open(at)
            self._write(frame)
        except OSError as error:
            self._fail(_reason(error))
            raise SpoolUnavailable(f"{self.directory}: {_reason(error)}") from error
        self._size += length
        self._held += length
        self.appended += 1
        self.appended_bytes += length
        if self._fault:
            self._recover()

    def seal(self) -> None:
        """Begin a new file with the next record, so that a drain can remove this."""
        descriptor = self._descriptor
        if descriptor < 0:
            return
        # Whatever becomes of closing it, the number may be somebody else's then.
        self._descriptor, self._size = -1, 0
        if self._is_synced and len(self._unsynced) < _MOST_UNSYNCED:
            self._unsynced.append(descriptor)
        else:
            os.close(descriptor)

    def seal_idle(self) -> None:
        """Seal the file, if it has been open for a while."""
        if self._now() - self._opened_at >= self._segment_s:
            self.seal()

    def look(self, found: places.Held) -> None:
        """
        Take note of what was *found* in the directory, and see that it is still there.

        Where somebody removed it, it is made again, and what the open file holds is
        saved into it. A full spool is said once, and once that it is so no more.
        """
        self._held = found.bytes
        if self._lock < 0:
            return
        if not self._is_in_place():
            self._start_anew()
        elif self._fault:
            self._try_again()
        if self.is_full and not self._was_full:
            _log.critical(
                "the spool {directory} is full: {held} of {ceiling} bytes wait for the"
                " store; records are taken for {room} bytes more, and lost after that",
                directory=str(self.directory),
                held=self._held,
                ceiling=self._ceiling,
                room=max(0, self._limit - self._held),
            )
        elif self._was_full and not self.is_full:
            _log.info("the spool has room again; {lost} lost", lost=self.refused)
        self._was_full = self.is_full

    def take_unsynced(self) -> tuple[int, ...]:
        """Return files with all that was appended lately; the caller closes them."""
        # First, since there may be no descriptor left: then all stays as it is.
        current = (os.dup(self._descriptor),) if self._descriptor >= 0 else ()
        taken, self._unsynced = self._unsynced, []
        return (*taken, *current)

    def close(self) -> None:
        """Take no more; what no drain has seen waits in its files for the next one."""
        self.seal()
        for descriptor in self._unsynced:
            os.close(descriptor)
        self._unsynced = []
        if self._lock >= 0:
            # Where something is left, who drains it removes the lock too.
            if self.writer not in places.held(self.directory).segments:
                places.writer_lock(self.directory, self.writer).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def _open(self, at: float) -> None:
        self._number += 1
        self._descriptor = os.open(
            places.segment(self.directory, self.writer, self._number),
            os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC,
            places.FILE_MODE,
        )
        self._size, self._opened_at = 0, at

    def _write(self, data: bytes) -> None:
        """Write all of *data* or nothing; a full disk takes some of it."""
        written = 0
        try:
            written = os.write(self._descriptor, data)
        finally:
            if written != len(data):
                self._take_back()
        if written != len(data):
            raise OSError(f"took {written} of {len(data)} bytes")

    def _take_back(self) -> None:
        # Where not even that can be done, whoever reads passes over the torn record.
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self.seal()

    def _refuse_full(self) -> None:
        self.refused += 1
        self._fail("it is full")
        raise SpoolFull(f"{self.directory}: holds {self._held} bytes")

    def _fail(self, reason: str) -> None:
        if not self._fault:
            _log.emit(
                level_of(reason),
                "the spool {directory} cannot be written: {reason}",
                directory=str(self.directory),
                reason=reason,
            )
        self._fault = reason

    def _try_again(self) -> None:
        """
        See whether there is room by now.

        Nobody may append while there is trouble, so the end of it has to be looked
        for. What is written goes into the lock, which nobody reads.
        """
        if self._held >= self._limit:
            return
        try:
            taken = os.pwrite(self._lock, bytes(_PROBE_BYTES), 0)
            os.ftruncate(self._lock, 0)
        except OSError:
            return
        if taken == _PROBE_BYTES:
            self._recover()

    def _recover(self) -> None:
        _log.info("the spool can be written again")
        self._fault = ""

    def _is_in_place(self) -> bool:
        if not places.is_at(
            self._lock, places.writer_lock(self.directory, self.writer)
        ):
            return False
        return self._descriptor < 0 or places.is_at(
            self._descriptor,
            places.segment(self.directory, self.writer, self._number),
        )

    def _start_anew(self) -> None:
        """Write what can still be read of this process's open file into a new place."""
        old, old_lock, size = self._descriptor, self._lock, self._size
        before = self.writer, self._lock, self._number, self._opened_at
        try:
            places.make_directory(self.directory)
            self.writer, self._lock = _new_writer(self.directory)
            if old >= 0:
                self._open(self._now())
                self._write(os.pread(old, size, 0))
                self._size = size
        except OSError as error:
            if self._descriptor not in {old, -1}:
                os.close(self._descriptor)
            if self._lock != old_lock:
                os.close(self._lock)
            self.writer, self._lock, self._number, self._opened_at = before
            self._descriptor, self._size = old, size
            self._fail(f"its files are gone, {_reason(error)}")
            return
        if old >= 0:
            os.close(old)
        os.close(old_lock)
        _log.critical(
            "the files of the spool {directory} were removed by somebody; it was made"
            " again with the last {size} bytes, and what else waited in it is lost",
            directory=str(self.directory),
            size=size,
        )


def _new_writer(directory: Path) -> tuple[str, int]:
    """Return a name that nobody has, and the lock on it."""
    while True:
        writer = os.urandom(8).hex()
        # A drain that looks at this very moment may take the lock for an orphan's.
        descriptor = places.lock(places.writer_lock(directory, writer))
        if descriptor is not None:
            return writer, descriptor


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
