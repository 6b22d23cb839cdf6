"""
From the bytes of a YAML file to a tree with places, or to findings.

The reader is YAML's safe subset and less: text keys only, each once, few aliases,
little depth, no tags. PyYAML's own messages quote the line they fail on, which
may hold a secret, so only its position is used; the words are ours.
"""

from collections.abc import Iterator
from typing import Protocol

import yaml

from byok.config.findings import Findings
from byok.config.marks import Mark, shown
from byok.config.nodes import Entry, Items, Leaf, Node, Scalar, Table

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_ALIASES = 64
# A tree of this size comes from 64 aliases only if they nest: nobody's config.
MAX_NODES = 100_000
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"

_TAG = "tag:yaml.org,2002:"
_PLAIN_TEXT_TAGS = frozenset({_TAG + "str", _TAG + "timestamp", _TAG + "value"})

# Words for the few things that go wrong in practice, by a fixed part of what
# PyYAML calls them.
_SAYINGS = (
    (
        "mapping values are not allowed",
        "a second `:` or a key that is indented too far stands here",
        "Indent the key like its neighbours, or quote a value that holds `: `.",
    ),
    (
        "unexpected end of stream",
        "the quote that opens here is never closed",
        "Close the quote.",
    ),
    (
        "'\\t' that cannot start",
        "a tab stands here, and YAML indents with spaces only",
        "Replace the tab with spaces.",
    ),
    (
        "that cannot start any token",
        "a character that YAML keeps for itself begins the value here",
        "Put the value in single quotes.",
    ),
    (
        "unknown escape",
        "a backslash in double quotes begins no escape that YAML knows",
        "Use single quotes, where a backslash is itself.",
    ),
    (
        "undefined alias",
        "a value that begins with `*` is an alias, and there is no such anchor",
        'Put the value in quotes: "*".',
    ),
    (
        "could not find expected ':'",
        "a key without its `:`",
        "Write `key: value`, with a space after the colon.",
    ),
    (
        "expected <block end>",
        "this line does not line up with the ones above it",
        "Indent it like its neighbours.",
    ),
    (
        "expected ','",
        "a list or mapping in brackets is not closed",
        "Close the bracket, or put a comma between the items.",
    ),
)

_NOT_YAML = ("this is not YAML", "Check the line and the one above it.")


class _Place(Protocol):
    """PyYAML's mark, as its Python and its C half have it."""

    line: int
    column: int


class _TooMuchError(Exception):
    """The file asks for more than a configuration needs."""

    def __init__(self, code: str, mark: _Place | None, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.mark = mark
        self.message = message


class _Loader(yaml.SafeLoader):
    """PyYAML's safe composer with limits on depth and aliases."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._aliases = 0

    def compose_node(self, parent: object, index: object) -> yaml.Node | None:
        """Compose one node below *parent*, within the limits."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                raise _TooMuchError(
                    "E123",
                    event.start_mark,
                    f"more than {MAX_ALIASES} aliases",
                )
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooMuchError("E125", event.start_mark, _TOO_DEEP)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[arg-type]
        self._depth -= 1
        return node


def read_tree(data: bytes, file: str, findings: Findings) -> Table | None:
    """
    Read the YAML mapping in *data*, the content of *file*.

    None, with the reason among *findings*, where there is none. A tree that comes
    back may still have had findings: a key written twice keeps its first value,
    so that the rest can be checked too.
    """
    text = decoded(data, file, findings)
    if text is None:
        return None
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
    except _TooMuchError as error:
        mark = _mark(file, error.mark)
        findings.add(error.code, mark, "", error.message, remedy="Simplify the file.")
        return None
    except yaml.MarkedYAMLError as error:
        _add_syntax_error(error, file, findings)
        return None
    finally:
        loader.dispose()
    if root is None or _is_null(root):
        return Table(Mark(file, 1, 1), {})
    tree = _Builder(file, findings).build(root)
    if tree is None or isinstance(tree, Table):
        return tree
    findings.add(
        "E101",
        tree.mark,
        "",
        "the file is not a mapping of sections",
        remedy="Write `model_list:` and the other sections at the left margin.",
    )
    return None


def decoded(data: bytes, file: str, findings: Findings) -> str | None:
    """Return *data* as the text of a YAML file, or None with a finding."""
    if len(data) > MAX_BYTES:
        findings.add(
            "E124",
            Mark(file),
            "",
            f"larger than {MAX_BYTES} bytes",
            remedy="Split it with `include`.",
        )
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        _add_not_text(Mark(file, line, column), findings)
        return None
    # PyYAML refuses the same characters, with an error that has no line.
    bad = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        _add_not_text(Mark(file, line, column), findings)
        return None
    return text


def _add_not_text(mark: Mark, findings: Findings) -> None:
    findings.add(
        "E128",
        mark,
        "",
        "the file is not UTF-8 text here",
        remedy="Save it as UTF-8, without control characters.",
    )


def _add_syntax_error(
    error: yaml.MarkedYAMLError, file: str, findings: Findings
) -> None:
    problem = error.problem or ""
    if error.context and "single document" in error.context:
        findings.add(
            "E127",
            _mark(file, error.problem_mark),
            "",
            "a second YAML document begins here",
            remedy="Keep one document in a file; remove the `---`.",
        )
        return
    message, remedy = next(
        (saying for part, *saying in _SAYINGS if part in problem), _NOT_YAML
    )
    mark = error.problem_mark
    if "quoted scalar" in (error.context or "") and "end of stream" in problem:
        mark = error.context_mark
    findings.add("E121", _mark(file, mark), "", message, remedy=remedy)


def _mark(file: str, mark: _Place | None) -> Mark:
    if mark is None:
        return Mark(file)
    return Mark(file, mark.line + 1, mark.column + 1)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "null"


class _Builder:
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
        except _TooMuchError as error:
            mark = _mark(self._file, error.mark)
            self._findings.add(
                error.code, mark, "", error.message, remedy="Simplify the file."
            )
            return None

    def _node(self, node: yaml.Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES or node in self._open:
            raise _TooMuchError(
                "E123", node.start_mark, "the aliases expand without end"
            )
        if isinstance(node, yaml.ScalarNode):
            return self._leaf(node)
        if len(self._open) >= MAX_DEPTH:
            raise _TooMuchError("E125", node.start_mark, _TOO_DEEP)
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
            if key_node.tag == _TAG + "merge":
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

    def _leaf(self, node: yaml.ScalarNode) -> Leaf:
        return Leaf(self._at(node), self._value(node), node.value)

    def _value(self, node: yaml.ScalarNode) -> Scalar:
        if node.tag in _PLAIN_TEXT_TAGS:
            return str(node.value)
        try:
            if node.tag == _TAG + "null":
                return None
            if node.tag == _TAG + "bool":
                return bool(self._scalars.construct_yaml_bool(node))
            if node.tag == _TAG + "int":
                return int(self._scalars.construct_yaml_int(node))
            if node.tag == _TAG + "float":
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
        if node.tag != _TAG + usual:
            self._findings.add(
                "E127",
                self._at(node),
                "",
                "a YAML tag (`!...`) that a configuration has no use for",
                remedy="Remove the tag.",
            )

    def _at(self, node: yaml.Node) -> Mark:
        return _mark(self._file, node.start_mark)
