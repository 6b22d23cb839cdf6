"""
The mode of a policy document rewritten in place: `shadow` into `enforce`.

Nothing else of the file changes, no comment and no space, since what is changed
is found by where it stands and not written anew.
"""

from collections.abc import Iterator

from byok.config.findings import Findings
from byok.config.marks import Mark
from byok.config.nodes import Leaf, Node, Table, plain
from byok.config.reader import decoded, read_tree

_SHADOW = "shadow"
_ENFORCE = "enforce"


class ModesError(Exception):
    """A document whose modes cannot be rewritten where they stand."""


def enforced(data: bytes, file: str) -> bytes:
    """
    Return the policy document *data* with nothing in shadow any more.

    Raises ModesError where a mode is written in a way that cannot be replaced
    by itself, as by an anchor.
    """
    tree, text = _read(data, file)
    lines = text.splitlines(keepends=True)
    marks = [leaf.mark for leaf in _modes(tree)]
    for mark in sorted(marks, key=lambda m: (m.line, m.col), reverse=True):
        lines[mark.line - 1] = _spliced(lines[mark.line - 1], mark)
    out = "".join(lines).encode()
    if data.startswith(b"\xef\xbb\xbf"):
        out = b"\xef\xbb\xbf" + out
    if plain(_read(out, file)[0]) != _in_force(plain(tree)):
        raise ModesError(f"{file}: something else would change; edit it by hand")
    return out


def _read(data: bytes, file: str) -> tuple[Table, str]:
    findings = Findings()
    tree = read_tree(data, file, findings)
    text = decoded(data, file, findings)
    if tree is None or text is None or findings.has_errors:
        raise ModesError(f"{file} cannot be read any more")
    return tree, text


def _modes(tree: Table) -> Iterator[Leaf]:
    for table in (tree, *tree.items("rules")):
        node: Node | None = table.get("mode") if isinstance(table, Table) else None
        if isinstance(node, Leaf) and node.value == _SHADOW:
            yield node


def _spliced(line: str, mark: Mark) -> str:
    start = mark.col - 1
    for quote in ("", '"', "'"):
        written = f"{quote}{_SHADOW}{quote}"
        if line.startswith(written, start):
            end = start + len(written)
            return f"{line[:start]}{quote}{_ENFORCE}{quote}{line[end:]}"
    raise ModesError(f"{mark}: this mode is not a plain word; edit it by hand")


def _in_force(document: object) -> object:
    if not isinstance(document, dict):
        return document
    out = {
        key: _ENFORCE if key == "mode" and value == _SHADOW else value
        for key, value in document.items()
    }
    rules = out.get("rules")
    if isinstance(rules, list):
        out["rules"] = [
            {
                key: _ENFORCE if key == "mode" and value == _SHADOW else value
                for key, value in rule.items()
            }
            if isinstance(rule, dict)
            else rule
            for rule in rules
        ]
    return out
