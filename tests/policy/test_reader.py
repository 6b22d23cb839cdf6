"""Plain data, value by value: what comes of what is wrong, and where it is told."""

import pytest

from byok.policy.reader import Problem, Reader, holds_credential
from byok.policy.rules import Tier, Where
from tests.support import keys


@pytest.fixture
def reader():
    return Reader(Tier.PACK, lambda path: Where(file="rules.yaml"), "")


def paths(reader):
    return [each.path for each in reader.problems]


@pytest.mark.parametrize("value", [5, None, ["a"], keys.ANTHROPIC_API_KEY])
def test_of_a_text_that_may_not_be_nothing_is_kept(reader, value):
    assert reader.text(value, ("why",)) == ""
    assert paths(reader) == [("why",)]


def test_a_problem_without_a_remedy_makes_none_up(reader):
    reader.problem("E101", ("a",), "words")

    assert reader.problems == [
        Problem(code="E101", path=("a",), message="words", remedy="")
    ]


def test_a_character_that_no_encoding_carries_hides_no_credential():
    assert holds_credential(f"\ud800 {keys.ANTHROPIC_API_KEY}")
    assert not holds_credential("\ud800")


def test_a_tuple_is_as_good_as_a_list(reader):
    assert reader.texts(("a", "b"), ("x",)) == ("a", "b")
    assert reader.problems == []


def test_one_text_stands_at_the_path_itself_and_items_under_it(reader):
    reader.texts("", ("x",))
    reader.texts(keys.ANTHROPIC_API_KEY, ("y",))
    reader.texts(["a", ""], ("z",))

    assert paths(reader) == [("x",), ("y",), ("z", 1)]
