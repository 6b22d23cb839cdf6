"""
The files of one configuration: read from the disk, or as they were kept.

What was reviewed once can be read again as it was, whatever became of its files: a
process that takes another one's place has to serve by what the others serve by.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from byok.config.findings import Findings
from byok.config.marks import Mark
from byok.config.sources import read_bytes, resolve_inside

MAIN = ""
"""What the main file is kept as; every other is kept by the name it is known by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    What the files of one configuration held when it was read, and where it was.

    Files that hold a secret are among them, under *secrets*.
    """

    directory: Path
    files: Mapping[str, bytes] = field(repr=False)
    secrets: Mapping[str, bytes] = field(repr=False)


class Files:
    """
    Reads the files of one configuration, and remembers what they held.

    Where *kept* is given they are read from that: the disk is asked only for secrets
    that were not there yet.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        self._before = kept
        self._files: dict[str, bytes] = {}
        self._secrets: dict[str, bytes] = {}

    def directory_of(self, main: Path) -> Path:
        """Return the directory that names in the file *main* begin at."""
        return main.parent.resolve() if self._before is None else self._before.directory

    def find(
        self, name: str, directory: Path, *, at: Mark, setting: str, findings: Findings
    ) -> Path | None:
        """Return where the file *name* is, or None with a finding at *at*."""
        if self._before is not None and name in self._before.files:
            return directory / name
        return resolve_inside(
            name, directory, at=at, setting=setting, findings=findings
        )

    def read(self, name: str, path: Path) -> bytes:
        """Return what the file *name* holds; raises OSError as `read_bytes` does."""
        before = self._before
        data = None if before is None else before.files.get(name)
        if data is None:
            data = read_bytes(path)
        self._files[name] = data
        return data

    def has_secret(self, name: str, path: Path) -> bool:
        """Is there a file of a secret called *name*?"""
        before = self._before
        return (before is not None and name in before.secrets) or os.path.lexists(path)

    def kept_secret(self, name: str) -> bytes | None:
        """Return what the file of a secret held, if it was kept."""
        before = self._before
        data = None if before is None else before.secrets.get(name)
        if data is not None:
            self._secrets[name] = data
        return data

    def keep_secret(self, name: str, data: bytes) -> None:
        """Remember what the file of a secret holds."""
        self._secrets[name] = data

    def keep(self, directory: Path) -> Kept:
        """Return all that was read."""
        return Kept(
            directory=directory, files=dict(self._files), secrets=dict(self._secrets)
        )
