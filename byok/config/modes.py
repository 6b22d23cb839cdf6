"""
The modes of policies rewritten in place: `shadow` into `enforce`.

Nothing else of the file changes, no comment and no space, since what is changed
is found by where it stands and not written anew.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from byok.config.findings import Findings
from byok.config.marks import Mark, Path
from byok.config.nodes import Items, Leaf, Node, Table, mark_of, plain
from byok.config.reader import decoded, read_tree
from byok.policy.rules import Rule

_SHADOW = "shadow"
_ENFORCE = "enforce"
# Under these keys stand lists of rules, in a document and in a configuration.
_LISTS = ("rules", "policies")


class ModesError(Exception):
    """A document whose modes cannot be rewritten where they stand."""


def enforced(data: bytes, file: str, *, only: Rule | None = None) -> bytes:
    """
    Return *data*, a policy document or a configuration, with nothing in shadow.

    With *only* the other rules stay as they are. Raises ModesError where a mode is
    written in a way that cannot be replaced by itself, as by an anchor, or where
    the rule is in shadow because its whole document is.
    """
    tree, text = _read(data, file)
    found = {
        path: leaf
        for path, leaf in _modes(tree, ())
        if only is None or _is_of(only, tree, path)
    }
    if only is not None and not found:
        raise ModesError(
            f"{only.id} is in shadow with all of {file}: promote the document, or"
            " move the rule into one of its own"
        )
    lines = text.splitlines(keepends=True)
    marks = [leaf.mark for leaf in found.values()]
    for mark in sorted(marks, key=lambda m: (m.line, m.col), reverse=True):
        lines[mark.line - 1] = _spliced(lines[mark.line - 1], mark)
    out = "".join(lines).encode()
    if data.startswith(b"\xef\xbb\xbf"):
        out = b"\xef\xbb\xbf" + out
    if plain(_read(out, file)[0]) != _in_force(plain(tree), found):
        raise ModesError(f"{file}: something else would change; edit it by hand")
    return out


def _read(data: bytes, file: str) -> tuple[Table, str]:
    findings = Findings()
    tree = read_tree(data, file, findings)
    text = decoded(data, file, findings)
    if tree is None or text is None or findings.has_errors:
        raise ModesError(f"{file} cannot be read any more")
    return tree, text


def _modes(node: Node, path: Path) -> Iterator[tuple[Path, Leaf]]:
    """Yield each `mode: shadow` of a document and of rules, with its path."""
    if isinstance(node, Table):
        mode = node.get("mode")
        is_rule = path[-2:-1] and path[-2] in _LISTS
        if (not path or is_rule) and isinstance(mode, Leaf) and mode.value == _SHADOW:
            yield (*path, "mode"), mode
        for key, entry in node.entries.items():
            yield from _modes(entry.node, (*path, key))
    elif isinstance(node, Items):
        for at, each in enumerate(node.items):
            yield from _modes(each, (*path, at))


def _is_of(rule: Rule, tree: Table, path: Path) -> bool:
    """Does the mode at *path* stand in *rule*?"""
    where = path[:-1]
    name = mark_of(tree, where)
    own = _at(plain(tree), where)
    return (
        bool(where)
        and name.line == rule.where.line
        and isinstance(own, dict)
        and f".{rule.id}".endswith(f".{own.get('id')}")
    )


def _spliced(line: str, mark: Mark) -> str:
    start = mark.col - 1
    for quote in ("", '"', "'"):
        written = f"{quote}{_SHADOW}{quote}"
        if line.startswith(written, start):
            end = start + len(written)
            return f"{line[:start]}{quote}{_ENFORCE}{quote}{line[end:]}"
    raise ModesError(f"{mark}: this mode is not a plain word; edit it by hand")


def _in_force(document: object, paths: Iterable[Path]) -> object:
    """Return *document*, which is ours to change, with the modes at *paths* set."""
    for path in paths:
        place = _at(document, path[:-1])
        if isinstance(place, dict):
            place[path[-1]] = _ENFORCE
    return document


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document
