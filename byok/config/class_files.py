"""
Documents of classes: the shipped one, which says what is built in, and operators' own.

The built-in table is constants of the core, which no file can change. The shipped
document says the same for people and programs, with the source of each entry; where
it says anything else, the installation was damaged and is not used.
"""

from collections.abc import Callable, Iterable, Sequence

from byok.config.findings import Findings
from byok.config.marks import Mark
from byok.config.nodes import Table, mark_of, plain
from byok.config.policy_tables import known_classes
from byok.config.reader import read_tree
from byok.config.sources import read_bytes
from byok.core.secret import Secret
from byok.policy import classes
from byok.policy.class_document import (
    Declared,
    contradictions,
    read_class_document,
)
from byok.policy.declared import ClassTable, DeclaredName, DeclaredShape
from byok.policy.reader import Locate, Problem
from byok.resources import CLASSES, policy_file

Report = Callable[[Iterable[Problem]], None]

SHIPPED = f"policies/{CLASSES}"


def read_classes(tree: Table, *, locate: Locate, report: Report) -> Declared:
    """Return what one operator's document declares, and report what is wrong."""
    declared, problems = read_class_document(plain(tree), locate=locate)
    report(problems)
    return declared


def class_table(declared: Sequence[Declared], findings: Findings) -> ClassTable:
    """Return the table of all that was *declared*, unless it contradicts itself."""
    names: list[DeclaredName] = []
    shapes: list[DeclaredShape] = []
    for some_names, some_shapes in declared:
        names += some_names
        shapes += some_shapes
    for where, what, before in contradictions((tuple(names), tuple(shapes))):
        findings.add(
            "E243",
            Mark(where.file, where.line or 1, 1),
            what,
            f"{what} is declared in another way at {before}",
            remedy="Delete one of the two.",
        )
    return ClassTable(names, shapes)


def check_master_key(
    master_key: Secret | None, table: ClassTable, tree: Table, findings: Findings
) -> None:
    """Say so where the master key could not authenticate anybody any more."""
    if master_key is None:
        return
    cls = table.find_declared(master_key.reveal_bytes())
    if cls in (None, classes.GATEWAY):
        return
    steps = ("general_settings", "master_key")
    findings.add(
        "E141",
        mark_of(tree, steps),
        ".".join(steps),
        f"general_settings.master_key has a shape that is declared to be {cls}",
        remedy="Choose another, such as the output of: openssl rand -hex 32",
    )


def check_shipped(findings: Findings) -> None:
    """Say so where the shipped document is not what is built in."""
    tree = read_tree(read_bytes(policy_file(CLASSES)), SHIPPED, findings)
    if tree is None:
        return
    differing = sorted(_said(plain(tree)) ^ _built_in())
    if differing:
        cls, entry = differing[0]
        findings.add(
            "E244",
            Mark(SHIPPED, 1, 1),
            cls,
            f"{SHIPPED} and what is built in differ about {entry} ({cls})",
            remedy="Install byok again. Classes of your own stand in a document under"
            " policy_files.",
        )


def _built_in() -> set[tuple[str, str]]:
    return {
        (each.name, entry)
        for each in known_classes()
        for entry in (*each.values, *each.names)
    }


def _said(data: object) -> set[tuple[str, str]]:
    """Return each class with each name and value that *data* says it has."""
    said: set[tuple[str, str]] = set()
    for item in _items(data, "names"):
        said |= {(str(item["class"]), str(name)) for name in _list(item["names"])}
    for item in _items(data, "shapes"):
        said.add((str(item["class"]), f"{item['prefix']}..."))
    return said


def _items(data: object, key: str) -> Iterable[dict[str, object]]:
    found = data.get(key) if isinstance(data, dict) else None
    return [each for each in _list(found) if isinstance(each, dict)]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
