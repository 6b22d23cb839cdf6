"""What the linters cannot see of the rules in CONTRIBUTING.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent
MODULES = sorted((TREE / "byok").rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def imported_by(source: str) -> Iterator[str]:
    """Yield every dotted name that *source* imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def knows_the_reactor(source: str) -> bool:
    return "twisted.internet.reactor" in set(imported_by(source))


@pytest.mark.parametrize(
    "source",
    [
        "from twisted.internet import reactor",
        "from twisted.internet import defer, reactor as r",
        "import twisted.internet.reactor",
        "def f():\n    from twisted.internet import reactor",
    ],
)
def test_an_import_of_the_reactor_is_recognised(source):
    assert knows_the_reactor(source)


def test_only_the_tap_knows_the_global_reactor():
    knowing = [path for path in MODULES if knows_the_reactor(path.read_text("utf-8"))]

    assert knowing in ([], [TREE / "byok/tap.py"])


def test_every_logger_has_a_short_name_of_its_own():
    made = {
        (path.name, call)
        for path in MODULES
        for call in re.findall(r"\bLogger\(([^)]*)\)", path.read_text("utf-8"))
    }

    assert len(made) > 5
    named = re.compile(r'namespace="byok\.[a-z]+"')
    assert {each for each in made if not named.fullmatch(each[1])} == set()


def test_modules_are_named_for_what_they_hold():
    assert [path for path in MODULES if path.stem in VAGUE] == []
