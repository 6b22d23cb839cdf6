"""
The files of a spool's directory: whose they are, and who of the living holds them.

Each process that appends is a writer with a name of its own. It holds a lock as long
as it lives, which the system lets go of however it ends; so does each drain on the
writers it empties. Whose lock is free is dead, or drained by nobody.
"""

import fcntl
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
REJECTED = "rejected.frames"
"""Records that nobody could take, kept for who looks into it."""

_NAME = re.compile(r"([0-9a-f]{16})(?:-([0-9]{8})\.frames|\.(writer|drain))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Everything that lies in a spool's directory."""

    segments: dict[str, tuple[int, ...]]
    writers: frozenset[str]
    sizes: dict[tuple[str, int], int]
    strangers: tuple[str, ...]
    rejected_bytes: int = 0

    @property
    def bytes(self) -> int:
        """How much all records take together, those put aside included."""
        return sum(self.sizes.values()) + self.rejected_bytes


def segment(directory: Path, writer: str, number: int) -> Path:
    """Return the path of one segment of *writer*."""
    return directory / f"{writer}-{number:08d}.frames"


def writer_lock(directory: Path, writer: str) -> Path:
    """Return the file that is locked while *writer* lives."""
    return directory / f"{writer}.writer"


def drain_lock(directory: Path, writer: str) -> Path:
    """Return the file that is locked by who drains *writer*."""
    return directory / f"{writer}.drain"


def make_directory(directory: Path) -> None:
    """Make *directory*, and close it to all but its owner."""
    directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    if stat.S_IMODE(directory.stat().st_mode) & 0o077:
        directory.chmod(DIRECTORY_MODE)


def held(directory: Path) -> Held:
    """
    Return what lies in *directory*; nothing where it is not there.

    Files of other names, links and directories are strangers: nobody touches them.
    """
    segments: dict[str, list[int]] = {}
    writers: set[str] = set()
    sizes: dict[tuple[str, int], int] = {}
    strangers: list[str] = []
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        entries = []
    rejected = 0
    for entry in entries:
        known = _NAME.fullmatch(entry.name)
        is_ours = known is not None or entry.name == REJECTED
        if not is_ours or not entry.is_file(follow_symlinks=False):
            strangers.append(entry.name)
            continue
        try:
            size = entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue  # removed by another process just now
        if known is None:
            rejected = size
            continue
        writer, number, _ = known.groups()
        writers.add(writer)
        if number is None:
            continue
        segments.setdefault(writer, []).append(int(number))
        sizes[writer, int(number)] = size
    return Held(
        segments={each: tuple(sorted(some)) for each, some in segments.items()},
        writers=frozenset(writers),
        sizes=sizes,
        strangers=tuple(sorted(strangers)),
        rejected_bytes=rejected,
    )


def lock(path: Path) -> int | None:
    """Lock the file *path*, made where needed; None where somebody else holds it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, FILE_MODE)
    if _lock(descriptor) and is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def is_locked(path: Path) -> bool:
    """Does somebody hold the lock on the file *path*, if there is one?"""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Is the open file *descriptor* still the one at *path*?"""
    # Whoever held the lock before may have removed the file meanwhile.
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return False
