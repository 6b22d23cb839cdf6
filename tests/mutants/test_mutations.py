"""The runner's own promises: what it changes, and that its list is of use."""

import pytest

from tests.mutants.equivalents import read_equivalents
from tests.mutants.mutations import mutants
from tests.mutants.targets import TREE, TRUSTED, killers_of


def made_of(source: str) -> set[str]:
    return {each.source for each in mutants("a.py", source)}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("a < b", {"a <= b", "a >= b"}),
        ("a in b", {"a not in b"}),
        ("a and b", {"a or b", "a", "b"}),
        ("not a", {"a"}),
        ("a | b", {"a", "b"}),
        ("x = 1", {"x = 2"}),
        ("x = True", {"x = False"}),
        ("x = 'a'", {"x = '~a'"}),
        ("x = {a, b}", {"x = {a}", "x = {b}"}),
        ("x = {a: b}", {"x = {}"}),
        ("x = a if b else c", {"x = a", "x = c"}),
        ("[a for a in b if c]", {"[a for a in b]", "pass"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("f(a=b)", {"f()", "pass"}),
        ("x = sorted(a, key=b)", {"x = sorted(a)", "x = list(a)"}),
    ],
)
def test_a_change_is_a_small_one(source, made):
    # An expression that stands alone may go as a whole.
    assert made_of(source) - {"pass"} == made - {"pass"}


@pytest.mark.parametrize(
    "source",
    ['"""Words."""', "import a", "f('two words')", "x: Callable[[int], str]"],
)
def test_what_is_for_readers_stays(source):
    assert made_of(source) <= {"pass"}


def test_every_entry_of_the_list_names_a_mutant_that_exists():
    known = read_equivalents()
    files = {each.file for each in known}
    found = [
        mutant
        for file in files
        for mutant in mutants(file, (TREE / file).read_text("utf-8"))
    ]

    assert [each for each in known if not each.is_among(found)] == []
    assert all(each.reason for each in known)


@pytest.mark.parametrize("file", TRUSTED)
def test_the_tests_of_a_trusted_file_exist(file):
    assert [each for each in killers_of(file) if not (TREE / each).exists()] == []
