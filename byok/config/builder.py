"""
PyYAML's nodes into ours: text keys, each once, aliases expanded up to a limit.
"""

import re
from collections.abc import Iterator
from typing import Protocol

import yaml

from byok.config.findings import Findings
from byok.config.marks import Mark, shown
from byok.config.nodes import Entry, Items, Leaf, Node, Scalar, Table

MAX_DEPTH = 40
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
# A tree of this size comes from 64 aliases only if they nest: nobody's config.
MAX_NODES = 100_000
YAML_TAG = "tag:yaml.org,2002:"
_PLAIN_TEXT_TAGS = frozenset(
    {YAML_TAG + "str", YAML_TAG + "timestamp", YAML_TAG + "value"}
)


class _Place(Protocol):
    """PyYAML's mark, as its Python and its C half have it."""

    line: int
    column: int


_HALF = re.compile("[\ud800-\udfff]")


class TooMuchError(Exception):
    """The file asks for more than a configuration needs."""

    def __init__(self, code: str, mark: _Place | None, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.mark = mark
        self.message = message


def mark_at(file: str, mark: _Place | None) -> Mark:
    """Return PyYAML's *mark* as a place in *file*, counted from 1."""
    if mark is None:
        return Mark(file)
    return Mark(file, mark.line + 1, mark.column + 1)


class Builder:
    """Turns PyYAML's nodes into ours, expanding aliases up to a limit."""

    def __init__(self, file: str, findings: Findings) -> None:
        self._file = file
        self._findings = findings
        self._nodes = 0
        self._open: list[yaml.Node] = []
        self._scalars = yaml.constructor.SafeConstructor()

    def build(self, root: yaml.Node) -> Node | None:
        """Build the tree below *root*; None if it expands without end."""
        try:
            return self._node(root)
        except TooMuchError as error:
            mark = mark_at(self._file, error.mark)
            self._findings.add(
                error.code, mark, "", error.message, remedy="Simplify the file."
            )
            return None

    def _node(self, node: yaml.Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES or node in self._open:
            raise TooMuchError(
                "E123", node.start_mark, "the aliases expand without end"
            )
        if isinstance(node, yaml.ScalarNode):
            return self._leaf(node)
        if len(self._open) >= MAX_DEPTH:
            raise TooMuchError("E125", node.start_mark, TOO_DEEP)
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                self._check_tag(node, "seq")
                return Items(
                    self._at(node), tuple(self._node(each) for each in node.value)
                )
            self._check_tag(node, "map")
            return Table(self._at(node), self._entries(node))
        finally:
            self._open.pop()

    def _entries(self, node: yaml.Node) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            mark = self._at(key_node)
            if key_node.tag == YAML_TAG + "merge":
                for each in self._merged(value_node):
                    merged = {**each.entries, **merged}
                continue
            key = self._key(key_node)
            value = self._node(value_node)
            if key is None:
                continue
            if key in entries:
                self._findings.add(
                    "E122",
                    mark,
                    shown(key),
                    f"{shown(key)} is written twice:"
                    f" on line {entries[key].mark.line} and here",
                    remedy="Delete one of the two.",
                )
                continue
            entries[key] = Entry(mark, value)
        return {**merged, **entries}

    def _key(self, node: yaml.Node) -> str | None:
        self._check_characters(node)
        if isinstance(node, yaml.ScalarNode) and node.tag in _PLAIN_TEXT_TAGS:
            return str(node.value)
        self._findings.add(
            "E126",
            self._at(node),
            "",
            "this key is not text",
            remedy="Put it in quotes, also if it reads on, off, yes, no or a number.",
        )
        return None

    def _merged(self, node: yaml.Node) -> Iterator[Table]:
        each = self._node(node)
        for part in each.items if isinstance(each, Items) else (each,):
            if isinstance(part, Table):
                yield part
            else:
                self._findings.add(
                    "E127",
                    self._at(node),
                    "",
                    "`<<` takes a mapping or a list of them",
                    remedy="Point it at an anchor that holds a mapping.",
                )

    def _check_characters(self, node: yaml.Node) -> None:
        """Put a mark for missing characters where an escape names half of one."""
        if not isinstance(node, yaml.ScalarNode) or not _HALF.search(node.value):
            return
        self._findings.add(
            "E128",
            self._at(node),
            "",
            "an escape here names half of a surrogate pair, which is no character",
            remedy="Write the character itself, or its whole escape (\\U0001F600).",
        )
        node.value = _HALF.sub("\N{REPLACEMENT CHARACTER}", node.value)

    def _leaf(self, node: yaml.ScalarNode) -> Leaf:
        self._check_characters(node)
        return Leaf(self._at(node), self._value(node), node.value)

    def _value(self, node: yaml.ScalarNode) -> Scalar:
        if node.tag in _PLAIN_TEXT_TAGS:
            return str(node.value)
        try:
            if node.tag == YAML_TAG + "null":
                return None
            if node.tag == YAML_TAG + "bool":
                return bool(self._scalars.construct_yaml_bool(node))
            if node.tag == YAML_TAG + "int":
                return int(self._scalars.construct_yaml_int(node))
            if node.tag == YAML_TAG + "float":
                return float(self._scalars.construct_yaml_float(node))
        except (KeyError, ValueError):
            self._findings.add(
                "E101",
                self._at(node),
                "",
                "this is not the number or switch it is tagged as",
                remedy="Put it in quotes if it is text.",
            )
            return str(node.value)
        self._check_tag(node, "str")
        return str(node.value)

    def _check_tag(self, node: yaml.Node, usual: str) -> None:
        if node.tag != YAML_TAG + usual:
            self._findings.add(
                "E127",
                self._at(node),
                "",
                "a YAML tag (`!...`) that a configuration has no use for",
                remedy="Remove the tag.",
            )

    def _at(self, node: yaml.Node) -> Mark:
        return mark_at(self._file, node.start_mark)
