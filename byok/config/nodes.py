"""
A configuration as a tree in which every key and value knows its place.

Nodes are what YAML becomes, and what includes are merged in. Their values may be
secrets, so they stay out of every repr.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from byok.config.marks import Mark, Path

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar: its value, and the text that was written for it."""

    mark: Mark
    value: Scalar = field(repr=False)
    text: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    mark: Mark
    items: tuple["Node", ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a table, with its value."""

    mark: Mark
    node: "Node" = field(repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with text keys, in the order they were written."""

    mark: Mark
    entries: Mapping[str, Entry] = field(repr=False)

    def get(self, key: str) -> "Node | None":
        """The value of *key*, or None where it is absent or null."""
        entry = self.entries.get(key)
        if entry is None or is_null(entry.node):
            return None
        return entry.node

    def table(self, key: str) -> "Table":
        """The table at *key*; an empty one where there is none."""
        node = self.get(key)
        if isinstance(node, Table):
            return node
        return Table(self.mark, {})

    def items(self, key: str) -> tuple["Node", ...]:
        """The list at *key*; an empty one where there is none."""
        node = self.get(key)
        return node.items if isinstance(node, Items) else ()


Node = Leaf | Items | Table


def is_null(node: Node) -> bool:
    """Is this a key with nothing behind it?"""
    return isinstance(node, Leaf) and node.value is None


def plain(node: Node) -> object:
    """Return what *node* holds as dicts, lists and scalars."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Items):
        return [plain(each) for each in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def mark_of(root: Node, path: Path) -> Mark:
    """Return where the value at *path* stands, or the nearest thing above it."""
    mark = root.mark
    node: Node | None = root
    for step in path:
        node = _child(node, step)
        if node is None:
            return mark
        mark = node.mark
    return mark


def key_mark_of(root: Node, path: Path) -> Mark:
    """Return where the key at *path* is written, or the nearest thing above it."""
    if not path:
        return root.mark
    parent = _at(root, path[:-1])
    if isinstance(parent, Table):
        entry = parent.entries.get(str(path[-1]))
        if entry is not None:
            return entry.mark
        return key_mark_of(root, path[:-1])
    return mark_of(root, path)


def marks(root: Node) -> dict[Path, Mark]:
    """Return the place of every key and list item of *root* by its path."""
    return dict(_marks(root, ()))


def _marks(node: Node, path: Path) -> Iterator[tuple[Path, Mark]]:
    yield path, node.mark
    if isinstance(node, Items):
        for at, each in enumerate(node.items):
            yield from _marks(each, (*path, at))
    elif isinstance(node, Table):
        for key, entry in node.entries.items():
            below = _marks(entry.node, (*path, key))
            next(below)
            yield (*path, key), entry.mark
            yield from below


def _at(root: Node, path: Path) -> Node | None:
    node: Node | None = root
    for step in path:
        node = _child(node, step)
    return node


def _child(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, Table) and isinstance(step, str):
        entry = node.entries.get(step)
        return entry.node if entry else None
    if isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None
