"""
One tree from the main file and the files it includes.

Lists append and mappings merge, in the order the files are named. A single value
that two files set has no winner anybody could guess, so it is an error.
"""

from dataclasses import dataclass, field
from pathlib import Path

from byok.config.findings import Findings
from byok.config.marks import shown
from byok.config.nodes import Entry, Items, Leaf, Table, is_null
from byok.config.reader import read_tree
from byok.config.sources import Source, read_bytes, resolve_inside, source_of


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


def gather(path: Path, findings: Findings) -> Gathered:
    """
    Read *path* and what it includes; its tree is None where the main file holds none.

    Raises UnreadableError where there is no such file.
    """
    name = str(path)
    try:
        data = read_bytes(path)
    except OSError as error:
        reason = error.strerror or "it is not a regular file"
        raise UnreadableError(f"{name} cannot be read: {reason}") from None
    directory = path.resolve().parent
    sources = [source_of(path.resolve(), name, data)]
    tree = read_tree(data, name, findings)
    if tree is not None:
        for leaf in _included(tree):
            tree = _merge_file(tree, leaf, path.parent, sources, findings)
    return Gathered(
        tree=tree,
        sources=tuple(sources),
        directory=directory,
        main=name,
        text=data,
    )


def _included(tree: Table) -> list[Leaf]:
    return [
        each
        for each in tree.items("include")
        if isinstance(each, Leaf) and isinstance(each.value, str)
    ]


def _merge_file(
    tree: Table,
    leaf: Leaf,
    shown_directory: Path,
    sources: list[Source],
    findings: Findings,
) -> Table:
    name = str(leaf.value)
    directory = shown_directory.resolve()
    path = resolve_inside(
        name, directory, at=leaf.mark, setting="include", findings=findings
    )
    if path is None:
        return tree
    if any(path == each.path for each in sources):
        findings.add(
            "E115",
            leaf.mark,
            "include",
            "this file is read already",
            remedy="Include each file once, and never the main file.",
        )
        return tree
    try:
        data = read_bytes(path)
    except OSError:
        findings.add(
            "E115",
            leaf.mark,
            "include",
            "include names a file that cannot be read",
            remedy="Check its permissions, and that it is a regular file.",
        )
        return tree
    printed = str(shown_directory / name)
    sources.append(source_of(path, printed, data))
    other = read_tree(data, printed, findings)
    if other is None:
        return tree
    nested = other.entries.get("include")
    if nested is not None:
        findings.add(
            "E115",
            nested.mark,
            "include",
            "an included file includes no further ones",
            remedy="Move this list to the main file.",
        )
        other = Table(
            other.mark,
            {key: each for key, each in other.entries.items() if key != "include"},
        )
    return _merged(tree, other, findings)


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
