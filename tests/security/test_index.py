"""INDEX.md names a test for every requirement, and every test it names exists."""

import ast
import re
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
INDEX = (TREE / "tests/security/INDEX.md").read_text("utf-8")
REQUIRED = {
    *range(1, 31),
    *range(40, 69),
    *range(70, 74),
}
ROW = re.compile(r"^\| S-(\d\d) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(?:(\w+)::)?(test_\w+)`")
ROWS = {int(number): (what, tests) for number, what, tests in ROW.findall(INDEX)}
NAMED = sorted(set(TEST.findall(INDEX)))


def defined_in(path: Path) -> set[tuple[str, str]]:
    """Return the class, or none, and the name of each test that *path* defines."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = node.name if isinstance(node, ast.ClassDef) else ""
        found |= {
            (owner, each.name)
            for each in inside
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    return found


def test_every_requirement_has_a_row():
    assert set(ROWS) >= REQUIRED
    assert list(ROWS) == sorted(ROWS)


@pytest.mark.parametrize("number", sorted(ROWS))
def test_every_row_names_a_test(number):
    _, tests = ROWS[number]

    assert TEST.findall(tests)
    assert TEST.sub("", tests).strip() == ""


@pytest.mark.parametrize(("path", "owner", "name"), NAMED)
def test_a_test_that_is_named_exists(path, owner, name):
    assert (owner, name) in defined_in(TREE / path)


def test_every_test_of_this_directory_is_named():
    """But for those that show another one to be no empty promise."""
    unnamed = {
        f"{path.name}::{name}"
        for path in sorted((TREE / "tests/security").glob("test_*.py"))
        if path.name != "test_index.py"
        for owner, name in defined_in(path)
        if name.startswith("test_")
        and (f"tests/security/{path.name}", owner, name) not in NAMED
    }

    assert unnamed == {
        "test_configuration.py::test_half_of_the_impostors_get_so_far_as_to_be_distrusted",
        "test_configuration.py::test_nothing_of_the_configuration_is_exported",
        "test_routes.py::test_a_virtual_key_beside_a_made_up_master_key",
    }
