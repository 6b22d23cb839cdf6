"""
The configuration that workers serve by, as one process hands it to another.

It goes over the line that the two have, and never over the disk: there are secrets in
it. Who passes it on does not read it.
"""

import json
import os
import socket
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from byok.config.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What the files of a configuration held, and the *number* of its generation."""

    number: int
    kept: Kept = field(repr=False)

    def packed(self) -> str:
        """Return this as a line of ASCII."""
        kept = self.kept
        return json.dumps(
            {
                "number": self.number,
                "directory": _packed(os.fsencode(kept.directory)),
                "files": {name: _packed(data) for name, data in kept.files.items()},
                "secrets": {name: _packed(data) for name, data in kept.secrets.items()},
            }
        )

    @classmethod
    def unpacked(cls, text: str | bytes) -> "Handover":
        """Return what `packed` wrote."""
        said = json.loads(text)
        return cls(
            number=int(said["number"]),
            kept=Kept(
                directory=Path(os.fsdecode(b64decode(said["directory"]))),
                files=_unpacked(said["files"]),
                secrets=_unpacked(said["secrets"]),
            ),
        )


def receive(control: int, size: int) -> Handover | None:
    """
    Read a handover of *size* bytes from the open file *control*; None if there is none.

    Waits for it: nothing can be done before. Raises EOFError where it does not come.
    """
    if not size:
        return None
    line = socket.socket(fileno=control)
    data = bytearray()
    try:
        while len(data) < size:
            more = line.recv(size - len(data))
            if not more:
                raise EOFError("the supervisor is gone")
            data += more
    finally:
        line.detach()
    return Handover.unpacked(bytes(data))


def _packed(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _unpacked(files: Mapping[str, str]) -> dict[str, bytes]:
    return {name: b64decode(data) for name, data in files.items()}
