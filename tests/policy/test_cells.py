"""Cells: one value of each, whatever the patterns."""

import random
from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.keys import new_token_id
from byok.policy import cells
from byok.policy.cells import (
    Box,
    Dimension,
    Grid,
    Texts,
    TooManyCellsError,
    address_cells,
    is_asked,
    key_cells,
    putting_text,
    tag_cells,
)
from byok.policy.match import Glob, Match, Tags
from tests.policy.rulesets import PLAIN

letters = st.text(alphabet="ab", max_size=4)
globs = st.builds(
    lambda head, tail, star: Glob(head + star + tail),
    letters,
    letters,
    st.sampled_from(["", "*"]),
)
patterns = st.lists(globs, max_size=4)


def fits(some, text):
    return tuple(each.matches(text) for each in some)


# Texts


@given(patterns, st.text(alphabet="abc", max_size=9))
def test_every_text_is_in_a_cell_that_has_a_witness(some, text):
    texts = Texts(some)

    assert fits(some, text) in {fits(some, each) for each in texts.witnesses()}


@given(patterns, st.text(alphabet="abc", max_size=9))
def test_texts_of_one_signature_fit_the_same_patterns(some, text):
    texts = Texts(some)
    (witness,) = [
        each
        for each in texts.witnesses()
        if texts.signature(each) == texts.signature(text)
    ]

    assert fits(some, witness) == fits(some, text)


@given(patterns, st.text(alphabet="abc_", max_size=9))
def test_what_stands_in_the_middle_may_be_asked_for_too(some, text):
    texts = Texts(some)
    found = {
        (fits(some, each), "_" in each)
        for each in (*texts.candidates(), *texts.candidates(infix="_"))
    }

    assert (fits(some, text), "_" in text) in found


def test_a_star_that_is_a_letter_is_one():
    texts = Texts([Glob("a*", exact=True)])

    assert texts.signature("ab") != texts.signature("a*")
    assert set(texts.witnesses("q")) == {"q", "a*"}


def test_a_value_that_was_asked_for_stands_for_its_cell():
    assert "anything" in Texts([Glob("a")]).witnesses("anything")


def test_heads_that_use_up_letters_are_stepped_over():
    # After "x" no letter is free, but some of them lead on to one that is.
    heads = [Glob(f"x{letter}q*") for letter in cells._LETTERS]

    assert any(
        fits(heads, each) == (False,) * len(heads) and each.startswith("x")
        for each in Texts([Glob("x*"), *heads]).witnesses()
    )


def test_heads_that_leave_no_letter_are_too_many():
    heads = [Glob(f"x{letter}*") for letter in cells._LETTERS]

    with pytest.raises(TooManyCellsError):
        Texts([Glob("x*"), *heads]).witnesses()


# Keys


def test_a_key_is_known_by_its_name_and_by_its_id():
    wanted = [Glob("dev-*"), Glob("key_A*"), Glob("key_" + "z" * 22)]
    found = {
        tuple(each.matches(name) or each.matches(token) for each in wanted)
        for name, token in key_cells(wanted)
    }

    assert {(True, True, False), (False, True, False), (True, False, True)} <= found
    # An id cannot begin with two letters at once.
    assert (True, True, True) not in found


def test_ids_look_like_those_that_are_made():
    made = new_token_id(bytes(range(16)))

    assert cells._TOKEN_ID.fullmatch(made)
    assert all(cells._TOKEN_ID.fullmatch(token) for _, token in key_cells([]))
    assert not any(token == "key_short" for _, token in key_cells([Glob("key_short")]))


# Tags

tag_sets = st.sets(st.sampled_from("xyz"), max_size=2).map(frozenset)
conditions = st.lists(
    st.builds(
        lambda some, every, none: Tags(any=some, all=every, none=none),
        tag_sets,
        tag_sets,
        tag_sets,
    ),
    max_size=3,
)


@given(conditions)
def test_every_set_of_tags_is_in_a_cell(some):
    found = {tuple(c.matches(tags) for c in some) for tags in tag_cells(some)}
    every = {
        tuple(c.matches(frozenset(tags)) for c in some)
        for size in range(4)
        for tags in combinations("xyz", size)
    }

    assert found == every


def test_tags_that_all_have_are_in_each_set():
    found = tag_cells([Tags(any=frozenset({"a", "b"}))], "b")

    assert all("b" in each for each in found)


def test_tags_without_end_are_too_many():
    some = [Tags(any=frozenset({f"t{number}"})) for number in range(20)]

    with pytest.raises(TooManyCellsError):
        tag_cells(some)


# Addresses


def test_every_address_is_in_a_cell():
    words = ("10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/10", "::/0", "255.255.255.255/32")
    networks = [ip_network(each) for each in words]
    found = {
        tuple(bool(each) and ip_address(each) in net for net in networks)
        for each in address_cells(networks)
    }
    chance = random.Random(7)  # noqa: S311 - no secret, but the same each time
    addresses = [
        ip_address(chance.choice((10, 11, 255)) << 24 | chance.randrange(1 << 24))
        for _ in range(300)
    ]
    for each in (*addresses, ip_address("255.255.255.255"), ip_address("::1")):
        assert tuple(each in net for net in networks) in found


# Boxes

boxes = st.tuples(*[st.integers(0, 7)] * 3).map(Box)


def inside(box):
    return {
        (a, b, c)
        for a in range(3)
        for b in range(3)
        for c in range(3)
        if box.sides[0] >> a & 1 and box.sides[1] >> b & 1 and box.sides[2] >> c & 1
    }


@given(boxes, boxes)
def test_boxes_are_sets_of_cells(one, other):
    rest = list(one - other)

    assert inside(one & other) == inside(one) & inside(other)
    assert set().union(*map(inside, rest)) == inside(one) - inside(other)
    assert sum(each.volume for each in rest) == len(inside(one) - inside(other))
    assert one.is_empty is (not inside(one))


@given(boxes, st.lists(boxes, max_size=3))
def test_a_box_is_covered_if_every_cell_of_it_is(one, others):
    covered = inside(one) <= set().union(*map(inside, others))

    assert one.is_covered(others) is covered


# Grids


def grid(*matches):
    teams = [glob for match in matches for glob in match.team]
    dimension = Dimension(
        name="team",
        cells=tuple(putting_text("team", each) for each in Texts(teams).witnesses("")),
    )
    return Grid(PLAIN, [dimension], matches)


def test_a_context_stands_for_all_in_which_the_same_holds():
    one, other = Match(team=(Glob("a*"),)), Match(team=(Glob("*b"),))
    held = grid(one, other)
    contexts = held.contexts(10)

    assert {held.signature(each) for each in contexts} == {0, 1, 2, 3}


def test_a_box_that_the_deployment_rules_out_is_empty():
    elsewhere = Match(deployment=(Glob("other"),), team=(Glob("a"),))

    assert grid(elsewhere).box(elsewhere).is_empty
    assert len(grid(elsewhere).contexts(10)) == 1


def test_a_grid_without_dimensions_has_one_cell():
    bare = Grid(PLAIN, [], [Match()])

    assert bare.contexts(1) == (PLAIN,)
    assert not bare.box(Match()).is_empty
    assert bare.box(Match(deployment=(Glob("other"),))).is_empty


def test_more_contexts_than_the_limit_are_too_many():
    matches = [Match(team=(Glob(f"t{number}"),)) for number in range(5)]

    with pytest.raises(TooManyCellsError):
        grid(*matches).contexts(3)


def test_a_dimension_is_asked_about_by_whoever_mentions_it():
    assert is_asked("team", [Match(), Match(team=(Glob("a"),))])
    assert not is_asked("user", [Match(team=(Glob("a"),))])
