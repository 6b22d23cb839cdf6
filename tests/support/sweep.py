"""
Looks for planted secrets in everything that came out of a test (S-20).

`tests/conftest.py` feeds it what pytest can see: captured output, log events,
the files a test left. A harness that reads outputs itself, those of a process,
hands them over with `note`. What is no output of ours is registered: with
`exempt` a file or directory that is a source the configuration names, or that a
party other than the gateway wrote; with `allow` a secret that the test shows on
purpose, as `keys create` shows a new key once.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.keys import MARKERS


@dataclass(frozen=True, slots=True)
class Leak:
    """A planted secret where it must not be, and how it was written."""

    what: str
    form: str
    where: str

    def __str__(self) -> str:
        return f"{self.what}, {self.form}, in {self.where}"


def forms_of(marker: str) -> Iterator[tuple[str, bytes]]:
    """
    Yield each way of writing *marker* that counts as showing it.

    In lower case, except for base64, which has no other case.
    """
    data = marker.encode("ascii")
    yield "plain or in another case", data.lower()
    yield "backwards", data[::-1].lower()
    yield "in hex", data.hex().encode()
    yield "in hex with colons", data.hex(":").encode()
    yield "url-encoded", "".join(f"%{byte:02x}" for byte in data).encode()
    yield "escaped for JSON", "".join(f"\\u{byte:04x}" for byte in data).encode()
    yield "in UTF-16", marker.lower().encode("utf-16-le")


def base64_forms_of(marker: str) -> Iterator[bytes]:
    """
    Yield the base64 of *marker* at each of its three alignments.

    Without the characters at either end that depend on the neighbours. Letters
    alone make neither `+` nor `/`, so the alphabet for URLs is the same.
    """
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + marker.encode("ascii"))
        first = -(-before * 8 // 6)
        last = (before + len(marker)) * 8 // 6
        yield encoded[first:last]


_FORMS = [
    (what, form, data) for what, marker in MARKERS.items()
    for form, data in forms_of(marker)
]  # fmt: skip
_BASE64_FORMS = [
    (what, data) for what, marker in MARKERS.items()
    for data in base64_forms_of(marker)
]  # fmt: skip
# All markers begin alike, so do their forms: most data is cleared by these few.
_BEGINNINGS = [data for _, data in forms_of("CANARY")]
_BASE64_BEGINNINGS = [data[:6] for data in base64_forms_of("CANARY")]


def leaks_in(data: bytes, where: str) -> list[Leak]:
    """Return every planted secret that *data* shows in any form."""
    leaks = []
    lowered = data.lower()
    if any(beginning in lowered for beginning in _BEGINNINGS):
        leaks += [
            Leak(what, form, where) for what, form, written in _FORMS
            if written in lowered
        ]  # fmt: skip
    if any(beginning in data for beginning in _BASE64_BEGINNINGS):
        leaks += [
            Leak(what, "in base64", where) for what, written in _BASE64_FORMS
            if written in data
        ]  # fmt: skip
    return leaks


@dataclass
class Sweep:
    """What is known of one test: where it may write, what it may show, what leaked."""

    directories: list[Path] = field(default_factory=list)
    allowed: set[str] = field(default_factory=set)
    leaks: list[Leak] = field(default_factory=list)
    # A source stays one: a later test may find it in the same directory.
    exempted: set[Path] = field(default_factory=set)
    swept: set[Path] = field(default_factory=set)

    def look_at(self, where: str, data: bytes | str) -> None:
        """Search one output for planted secrets."""
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogatepass")
        self.leaks += leaks_in(data, where)

    def look_into(self, directory: Path) -> None:
        """Search every file below *directory*, by name and content."""
        for path in sorted(directory.rglob("*")):
            if self._is_exempt(path):
                continue
            self.look_at(f"the name of {path}", str(path.relative_to(directory)))
            if path.is_file() and not path.is_symlink():
                self.look_at(str(path), path.read_bytes())
        self.swept.add(directory)

    def finish(self) -> list[Leak]:
        """Search the directories of the test, and return all that leaked in it."""
        for directory in self.directories:
            self.look_into(directory)
        leaks = [leak for leak in self.leaks if leak.what not in self.allowed]
        self.directories.clear()
        self.leaks.clear()
        return list(dict.fromkeys(leaks))

    def _is_exempt(self, path: Path) -> bool:
        return not self.exempted.isdisjoint((path, *path.parents))


SWEEP = Sweep()
"""The one of this process; tests run one after the other in it."""


def note(where: str, output: bytes | str) -> None:
    """Hand over an output that pytest does not see: a child's, a response."""
    SWEEP.look_at(where, output)


def exempt(path: Path) -> Path:
    """Let *path*, a file or a directory, hold secrets: it is no output of ours."""
    SWEEP.exempted.add(path.absolute())
    return path


def allow(*secrets: str) -> None:
    """Let the running test show *secrets*, because showing them is its subject."""
    SWEEP.allowed |= {
        what
        for what, marker in MARKERS.items()
        if any(marker in secret for secret in secrets)
    }


def report(leaks: Iterable[Leak]) -> str:
    """Say what was found, without saying the secrets."""
    lines = "\n".join(f"  {leak}" for leak in leaks)
    return f"planted secrets were shown:\n{lines}"
