"""The secrets in use at the moment, and where a text holds one."""

import re
from collections.abc import Hashable, Iterator
from typing import TypeVar

from byok.core.secret import Secret
from byok.policy.classes import TOKEN_START
from byok.policy.declared import ClassTable

_Key = TypeVar("_Key", bound=Hashable)
Span = tuple[int, int]

# A secret is looked for as a run of tokens, so that what stands around it does
# not matter: quotes, commas, the ends of a line.
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_SHORTEST = 4
_TELLING = 12


class LiveSecrets:
    """
    A registry of secrets that must not be written.

    It keeps Python's keyed 64-bit hashes of them, not the secrets, which are
    nobody's business here. Adding one twice means removing it twice: two
    exchanges may use one key. Changed in one thread only, it may be asked from any:
    asking iterates over nothing that changes in place.
    """

    def __init__(self) -> None:
        self._hashes: dict[int, int] = {}
        self._shapes: dict[_Shape, int] = {}
        self._lengths: tuple[int, ...] = ()
        self._runs: tuple[int, ...] = ()
        self._declared: frozenset[str] = frozenset()
        self.declared: re.Pattern[str] | None = None
        """What an operator said that credentials look like; its group is one."""
        self.shortest = 0
        """A text of fewer characters holds none."""

    def add(self, secret: Secret) -> None:
        """Let *secret* be recognised from now on."""
        self._count(secret, 1)

    def remove(self, secret: Secret) -> None:
        """Forget *secret*, unless it was added more often than removed."""
        self._count(secret, -1)

    def declare(self, table: ClassTable) -> None:
        """
        Let what *table* declares be recognised from now on.

        It is for good: what was a credential by one configuration is not written
        because another one forgot it.
        """
        found = {each.pattern.decode("ascii") for each in table.shapes}
        if found <= self._declared:
            return
        self._declared |= found
        longest = sorted(self._declared, key=lambda each: (-len(each), each))
        begin = TOKEN_START.decode("ascii")
        self.declared = re.compile(rf"{begin}({'|'.join(longest)})")

    def spans(self, text: str) -> Iterator[Span]:
        """Yield where *text* holds live secrets, from left to right, apart."""
        if not self._hashes or len(text) < self.shortest:
            return
        found = sorted(self._found(text))
        while found:
            start, end = found.pop(0)
            while found and found[0][0] < end:
                end = max(end, found.pop(0)[1])
            yield start, end

    def _found(self, text: str) -> Iterator[Span]:
        hashes = self._hashes
        tokens = [match.span() for match in _TOKEN.finditer(text)]
        for start, end in tokens:
            for length in self._lengths:
                if length > end - start:
                    break
                # Escapes put letters before a secret: `\\nsk-...` is one token.
                for at in range(start, end - length + 1):
                    if hash(text[at : at + length]) in hashes:
                        yield at, at + length
        for run in self._runs:
            for first in range(len(tokens) - run + 1):
                start, end = tokens[first][0], tokens[first + run - 1][1]
                if hash(text[start:end]) in hashes:
                    yield start, end

    def _count(self, secret: Secret, step: int) -> None:
        for part in _parts(secret):
            _count(self._hashes, hash(part), step)
            if _count(self._shapes, _shape(part), step):
                self._look_for_shapes()

    def _look_for_shapes(self) -> None:
        self._lengths = tuple(sorted({n for run, n in self._shapes if run == 1}))
        self._runs = tuple({run for run, _ in self._shapes} - {1})
        # Of a secret of several tokens nothing is known but that it is not empty.
        self.shortest = 1 if self._runs else min(self._lengths, default=0)


_Shape = tuple[int, int]
"""How many tokens; of how many characters, where it is one."""


def _shape(part: str) -> _Shape:
    run = len(_TOKEN.findall(part))
    return run, len(part) if run == 1 else 0


def _parts(secret: Secret) -> Iterator[str]:
    """
    Yield the texts that betray *secret*: all of it, and each long token in it.

    Marks at its ends are left out. What is shorter than four characters is not
    looked for: it is part of too many words to be a secret.
    """
    text = secret.reveal()
    if _TOKEN.fullmatch(text):
        if len(text) >= _SHORTEST:
            yield text
        return
    spans = [match.span() for match in _TOKEN.finditer(text)]
    if not spans:
        return
    whole = text[spans[0][0] : spans[-1][1]]
    if len(whole) >= _SHORTEST:
        yield whole
    if len(spans) > 1:
        for start, end in spans:
            if end - start >= _TELLING:
                yield text[start:end]


def _count(counts: dict[_Key, int], key: _Key, step: int) -> bool:
    """Add *step* to the count of *key*; return if it has come or gone by that."""
    before = counts.get(key, 0)
    if before + step > 0:
        counts[key] = before + step
    else:
        counts.pop(key, None)
    return (before > 0) != (before + step > 0)
