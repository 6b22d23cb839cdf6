"""
One tree from the main file and the files it includes.

Lists append and mappings merge, in the order the files are named. A single value
that two files set has no winner anybody could guess, so it is an error.
"""

from dataclasses import dataclass, field
from pathlib import Path

from byok.config.findings import Findings
from byok.config.kept import MAIN, Files
from byok.config.marks import Mark, shown
from byok.config.nodes import Entry, Items, Leaf, Table, is_null
from byok.config.reader import read_tree
from byok.config.sources import Source, source_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the files of a configuration say together."""

    tree: Table | None = field(repr=False)
    sources: tuple[Source, ...]
    directory: Path
    main: str
    text: bytes = field(repr=False)


class UnreadableError(Exception):
    """The main file cannot be read at all."""


def gather(path: Path, findings: Findings, files: Files | None = None) -> Gathered:
    """
    Read *path* and what it includes; its tree is None where the main file holds none.

    They are read from *files*, or from the disk. Raises UnreadableError where there is
    no such file.
    """
    files = files or Files()
    try:
        data = files.read(MAIN, path)
    except OSError as error:
        reason = error.strerror or "it is not a regular file"
        raise UnreadableError(f"{path} cannot be read: {reason}") from None
    gathering = _Gathering(path, files, findings)
    tree = gathering.add(path, path.name, data)
    if tree is not None:
        for leaf in _included(tree):
            tree = gathering.merged(tree, leaf)
    return Gathered(
        tree=tree,
        sources=tuple(gathering.sources),
        directory=gathering.directory,
        main=str(path),
        text=data,
    )


def _included(tree: Table) -> list[Leaf]:
    return [
        each
        for each in tree.items("include")
        if isinstance(each, Leaf) and isinstance(each.value, str)
    ]


class _Gathering:
    """
    The files of one configuration, each read once.

    The directory is the one that is named: a mounted file is often a link, and what
    stands beside the link is meant.
    """

    def __init__(self, main: Path, files: Files, findings: Findings) -> None:
        self.directory = files.directory_of(main)
        self._files = files
        self.sources: list[Source] = []
        self._shown = main.parent
        self._seen: set[Path] = set()
        self._findings = findings

    def add(self, path: Path, name: str, data: bytes) -> Table | None:
        """Take in the file *name*, which leads to *path* and holds *data*."""
        printed = str(self._shown / name)
        self._seen.add(path.resolve())
        self.sources.append(source_of(self.directory / name, printed, data))
        return read_tree(data, printed, self._findings)

    def merged(self, tree: Table, leaf: Leaf) -> Table:
        """Return *tree* with what stands in the file that *leaf* names."""
        name = str(leaf.value)
        path = self._files.find(
            name,
            self.directory,
            at=leaf.mark,
            setting="include",
            findings=self._findings,
        )
        if path is None:
            return tree
        if path in self._seen:
            self._refuse(
                leaf.mark,
                "this file is read already",
                "Include each file once, and never the main file.",
            )
            return tree
        try:
            data = self._files.read(name, path)
        except OSError:
            self._refuse(
                leaf.mark,
                "include names a file that cannot be read",
                "Check its permissions, and that it is a regular file.",
            )
            return tree
        other = self.add(path, name, data)
        if other is None:
            return tree
        nested = other.entries.get("include")
        if nested is not None:
            self._refuse(
                nested.mark,
                "an included file includes no further ones",
                "Move this list to the main file.",
            )
        return _merged(tree, _without_include(other), self._findings)

    def _refuse(self, mark: Mark, message: str, remedy: str) -> None:
        self._findings.add("E115", mark, "include", message, remedy=remedy)


def _without_include(tree: Table) -> Table:
    entries = {key: each for key, each in tree.entries.items() if key != "include"}
    return Table(tree.mark, entries)


def _merged(one: Table, other: Table, findings: Findings) -> Table:
    entries = dict(one.entries)
    for key, entry in other.entries.items():
        first = entries.get(key)
        if first is None or is_null(first.node):
            entries[key] = entry
        elif not is_null(entry.node):
            entries[key] = _joined(key, first, entry, findings)
    return Table(one.mark, entries)


def _joined(key: str, first: Entry, second: Entry, findings: Findings) -> Entry:
    one, other = first.node, second.node
    if isinstance(one, Table) and isinstance(other, Table):
        return Entry(first.mark, _merged(one, other, findings))
    if isinstance(one, Items) and isinstance(other, Items):
        return Entry(first.mark, Items(one.mark, one.items + other.items))
    findings.add(
        "E116",
        second.mark,
        shown(key),
        f"{shown(key)} is set here and in {first.mark.file}:{first.mark.line}",
        remedy="Delete one of the two.",
    )
    return first
