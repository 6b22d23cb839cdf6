"""
The pages of the documentation, read far enough to test them.

What a fenced block is for is said by its language: `console` is a transcript,
`yaml` a configuration, a policy or a part of one, `sh` something to type, and
`text` anything else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ROOT

_FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w-]*)\s*\Z")
_HEADING = re.compile(r"#{1,6} +(?P<text>.+?) *#*\Z")
_LINK = re.compile(r"\[(?:[^\]\\]|\\.)*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")
_NAME = re.compile(r"# (?P<name>[\w./-]+\.(?:yaml|http|json|txt))\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block; `first` is the index of its first line of text."""

    language: str
    lines: tuple[str, ...]
    first: int
    indent: str

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    @property
    def name(self) -> str | None:
        """The file that the block says it is, in a comment on its first line."""
        found = _NAME.fullmatch(self.lines[0]) if self.lines else None
        return found["name"] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link's target, and the number of its line."""

    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def lines(self) -> list[str]:
        return self.path.read_text("utf-8").splitlines()

    def blocks(self, *languages: str) -> list[Block]:
        """Return the fenced blocks, all or those in one of *languages*."""
        blocks = [each for each in self._parts() if isinstance(each, Block)]
        return [each for each in blocks if not languages or each.language in languages]

    def prose(self) -> list[tuple[int, str]]:
        """Return the lines outside of blocks, with their numbers."""
        return [each for each in self._parts() if not isinstance(each, Block)]

    def links(self) -> Iterator[Link]:
        """Yield every link of the prose."""
        for number, line in self.prose():
            for found in _LINK.finditer(_CODE.sub("", line)):
                yield Link(target=found["target"], line=number)

    def anchors(self) -> set[str]:
        """Return what links may name after `#`, as GitHub makes it of headings."""
        anchors: set[str] = set()
        for _, line in self.prose():
            heading = _HEADING.fullmatch(line)
            if heading:
                anchors.add(_slug(heading["text"]))
        return anchors

    def rows(self, *heads: str) -> Iterator[tuple[str, ...]]:
        """Yield the rows of every table that begins with the columns *heads*."""
        wanted = False
        for _, line in self.prose():
            cells = _cells(line)
            if not cells:
                wanted = False
            elif not wanted:
                wanted = cells[: len(heads)] == heads
            elif set(line) - set("|-: "):
                yield cells

    def _parts(self) -> Iterator[Block | tuple[int, str]]:
        lines = self.lines
        at = 0
        while at < len(lines):
            fence = _FENCE.fullmatch(lines[at])
            if fence is None:
                yield at + 1, lines[at]
                at += 1
                continue
            first = at + 1
            end = lines.index(fence["indent"] + fence["ticks"], first)
            yield Block(
                language=fence["language"],
                lines=tuple(
                    line.removeprefix(fence["indent"]) for line in lines[first:end]
                ),
                first=first,
                indent=fence["indent"],
            )
            at = end + 1


def pages() -> list[Page]:
    """Return every page there is: those at the top, and those under docs."""
    top = [ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
    return [Page(path) for path in (*top, *sorted((ROOT / "docs").rglob("*.md")))]


def _cells(line: str) -> tuple[str, ...]:
    if not line.startswith("|"):
        return ()
    cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return tuple(cell.strip().replace("\\|", "|") for cell in cells)


def _slug(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
