"""The scripts that the server runs, each with what a limit's counts are before it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Script:
    """One script, and the digest by which a server that has it knows it."""

    name: str
    text: bytes
    digest: str


def _read(name: str) -> Script:
    text = b"\n".join(
        (_HERE / f"{each}.lua").read_bytes() for each in ("windows", name)
    )
    digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    return Script(name, text, digest)


RESERVE = _read("reserve")
CLOSE = _read("close")
RENEW = _read("renew")
RESTORE = _read("restore")
LOOK = _read("look")
MEET = _read("meet")

SCRIPTS = (RESERVE, CLOSE, RENEW, RESTORE, LOOK, MEET)
