"""
From the bytes of a YAML file to a tree with places, or to findings.

The reader is YAML's safe subset and less: text keys only, each once, few aliases,
little depth, no tags. PyYAML's own messages quote the line they fail on, which
may hold a secret, so only its position is used; the words are ours.
"""

import yaml

from byok.config.builder import (
    MAX_DEPTH,
    TOO_DEEP,
    YAML_TAG,
    Builder,
    TooMuchError,
    mark_at,
)
from byok.config.findings import Findings
from byok.config.marks import Mark
from byok.config.nodes import Table

MAX_BYTES = 1024 * 1024
MAX_ALIASES = 64

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
                raise TooMuchError(
                    "E123",
                    event.start_mark,
                    f"more than {MAX_ALIASES} aliases",
                )
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooMuchError("E125", event.start_mark, TOO_DEEP)
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
    except TooMuchError as error:
        mark = mark_at(file, error.mark)
        findings.add(error.code, mark, "", error.message, remedy="Simplify the file.")
        return None
    except yaml.MarkedYAMLError as error:
        _add_syntax_error(error, file, findings)
        return None
    finally:
        loader.dispose()
    if root is None or _is_null(root):
        return Table(Mark(file, 1, 1), {})
    tree = Builder(file, findings).build(root)
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
            mark_at(file, error.problem_mark),
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
    findings.add("E121", mark_at(file, mark), "", message, remedy=remedy)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == YAML_TAG + "null"
