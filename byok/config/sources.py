"""
The files a configuration is made of: found, kept inside their directory, read once.

Includes and policy files are named by the configuration, so a name may not lead
out of the directory the main file is in: not by `..`, not by a link, not by URL.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from byok.config.findings import Findings
from byok.config.marks import Mark
from byok.config.reader import MAX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file that was read: where it is, and the digest of what was in it."""

    path: Path
    shown: str
    sha256: str


def read_bytes(path: Path) -> bytes:
    """
    Return the content of the regular file *path*, or its first bytes past the limit.

    Raises OSError, also for what is not a regular file: a pipe would keep the
    reader waiting.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return file.read(MAX_BYTES + 1)


def source_of(path: Path, shown: str, data: bytes) -> Source:
    """Return the record of the file *path*, which was found to hold *data*."""
    return Source(path=path, shown=shown, sha256=hashlib.sha256(data).hexdigest())


def changed(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """Return those of *sources* that no longer hold what was read from them."""
    return tuple(each for each in sources if _digest(each.path) != each.sha256)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except OSError:
        return None


def resolve_inside(
    name: str, directory: Path, *, at: Mark, setting: str, findings: Findings
) -> Path | None:
    """
    Return the file *name* below *directory*, or None with a finding at *at*.

    The name is relative to *directory*; what it leads to, links followed, has to
    be a file inside it.
    """
    if "://" in name:
        reason = "names a URL, and files are read from this machine only"
    elif not name or "\0" in name:
        reason = "names no file"
    elif Path(name).is_absolute() or ".." in Path(name).parts:
        reason = "leads out of the directory of the configuration"
    else:
        base = directory.resolve()
        try:
            target = (base / name).resolve(strict=True)
        except OSError:
            reason = "names a file that is not there"
        else:
            if target.is_relative_to(base):
                return target
            reason = "leads out of the directory of the configuration, by a link"
    findings.add(
        "E115",
        at,
        setting,
        f"{setting} {reason}",
        remedy="Name a file in the directory of the configuration or below it.",
    )
    return None
