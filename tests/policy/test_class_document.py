"""Documents of classes: what they declare, and every way to write one wrong."""

import pytest

from byok.policy import classes
from byok.policy.class_document import (
    CREDENTIALS,
    EXTENDABLE,
    contradictions,
    is_class_document,
    read_class_document,
)
from byok.policy.declared import Alphabet
from byok.policy.rules import Where
from tests.support import keys

HEAD = {"apiVersion": "byok/v1", "kind": "Classes", "metadata": {"name": "corp"}}


def locate(path):
    return Where(file="classes.yaml", line=len(path))


def read(**more):
    declared, problems = read_class_document({**HEAD, **more}, locate=locate)
    assert problems == ()
    return declared


def problems_of(data):
    declared, problems = read_class_document(data, locate=locate)
    return [(each.code, each.path) for each in problems], declared


def test_a_document_of_classes_is_known_by_its_kind():
    assert is_class_document(HEAD)
    assert not is_class_document({**HEAD, "kind": "Policy"})
    assert not is_class_document(["kind"])


def test_names_and_shapes_are_read_with_their_lines():
    names, shapes = read(
        names=[{"class": "tracing", "names": ["x-corp", "x-corp-*"], "why": "ours"}],
        shapes=[
            {"class": "credential.gateway", "prefix": "corp_"},
            {
                "class": "credential.other",
                "prefix": "corp-2.",
                "alphabet": "hex",
                "length": 32,
                "why": "tickets",
            },
        ],
    )

    assert [each.name.text for each in names] == ["x-corp", "x-corp-*"]
    assert {(each.cls, each.why, each.where.line) for each in names} == {
        ("tracing", "ours", 2)
    }
    assert [(each.prefix, each.cls, each.alphabet, each.length) for each in shapes] == [
        ("corp_", "credential.gateway", Alphabet.WORD, 8),
        ("corp-2.", "credential.other", Alphabet.HEX, 32),
    ]


def test_a_document_may_be_empty():
    assert read() == ((), ())


def test_what_is_built_in_may_be_said_again():
    names, _ = read(names=[{"class": "protocol", "names": ["accept"]}])

    assert [each.name.text for each in names] == ["accept"]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"apiVersion": "v2"}, "E105", ("apiVersion",)),
        ({"kind": "Class"}, "E105", ("kind",)),
        ({"metadata": {}}, "E202", ("metadata",)),
        ({"metadata": {"name": 1}}, "E202", ("metadata",)),
        ({"more": 1}, "E102", ("more",)),
        ({"names": {}}, "E101", ("names",)),
        ({"shapes": "corp_"}, "E101", ("shapes",)),
    ],
)
def test_what_is_wrong_with_a_document_is_told(change, code, path):
    assert problems_of({**HEAD, **change}) == ([(code, path)], ((), ()))


NAMES = {"class": "tracing", "names": ["x-corp"]}


@pytest.mark.parametrize(
    ("change", "code", "key"),
    [
        ({"class": "unclassified"}, "E240", "class"),
        ({"class": "framing"}, "E240", "class"),
        ({"class": "corp"}, "E240", "class"),
        ({"class": 1}, "E240", "class"),
        ({"names": ["X-Corp"]}, "E103", "names"),
        ({"names": ["x corp"]}, "E103", "names"),
        ({"names": ["x-*-y-*"]}, "E103", "names"),
        ({"names": ["x-*"]}, "E103", "names"),
        ({"names": "accept"}, "E241", "names"),
        ({"names": ["x-api-key"]}, "E241", "names"),
        ({"names": ["x-amz-*"]}, "E241", "names"),
        ({"names": ["*-token"]}, "E241", "names"),
        ({"names": ["x_corp"]}, "E241", "names"),
        ({"names": []}, "E101", "names"),
        ({"names": [keys.ANTHROPIC_API_KEY]}, "E210", "names"),
        ({"why": 1}, "E101", "why"),
        ({"other": 1}, "E102", "other"),
    ],
)
def test_what_is_wrong_with_names_is_told(change, code, key):
    found, (names, _) = problems_of({**HEAD, "names": [{**NAMES, **change}]})

    assert [each[0] for each in found] == [code]
    assert found[0][1][:3] == ("names", 0, key)
    assert (names == ()) is (key in ("class", "names"))


SHAPE = {"class": "credential.other", "prefix": "corp_"}


@pytest.mark.parametrize(
    ("change", "code", "key"),
    [
        ({"class": "tracing"}, "E240", "class"),
        ({"class": "credential.provider.unknown"}, "E240", "class"),
        ({"class": None}, "E240", "class"),
        ({"prefix": "cor"}, "E242", "prefix"),
        ({"prefix": "c" * 25}, "E242", "prefix"),
        ({"prefix": "corp "}, "E242", "prefix"),
        ({"prefix": None}, "E242", "prefix"),
        ({"prefix": "sk-ant-api03"}, "E242", "prefix"),
        ({"prefix": "sk-ant-"}, "E242", "prefix"),
        ({"prefix": "sk-byok-2"}, "E242", "prefix"),
        ({"prefix": "sk-a"}, "E242", "prefix"),
        ({"prefix": keys.ANTHROPIC_API_KEY}, "E242", "prefix"),
        ({"alphabet": "any"}, "E105", "alphabet"),
        ({"length": 0}, "E101", "length"),
        ({"length": 513}, "E101", "length"),
        ({"length": True}, "E101", "length"),
        ({"length": "8"}, "E101", "length"),
        ({"other": 1}, "E102", "other"),
    ],
)
def test_what_is_wrong_with_a_shape_is_told(change, code, key):
    found, (_, shapes) = problems_of({**HEAD, "shapes": [{**SHAPE, **change}]})

    assert found == [(code, ("shapes", 0, key))]
    assert (shapes == ()) is (key != "other")


def test_no_problem_quotes_what_may_be_a_key():
    for prefix in (keys.ANTHROPIC_API_KEY, keys.OPAQUE_TOKEN, keys.VIRTUAL_KEY):
        data = {**HEAD, "shapes": [{**SHAPE, "prefix": prefix}]}
        _, problems = read_class_document(data, locate=locate)
        assert len(problems) == 1
        assert prefix not in repr(problems)


def test_what_is_built_in_for_good_cannot_be_added_to():
    assert classes.CLASSES - set(EXTENDABLE) == {
        classes.AMBIGUOUS,
        classes.FRAMING,
        classes.HOP_BY_HOP,
        classes.UNCLASSIFIED,
        classes.UNKNOWN_CREDENTIAL,
    }
    assert set(CREDENTIALS) == {
        each for each in EXTENDABLE if each.startswith("credential.")
    }


def test_one_thing_said_in_two_ways_is_a_contradiction_wherever_it_stands():
    shapes = [SHAPE, {**SHAPE, "why": "again"}, {**SHAPE, "length": 9}]
    names = [NAMES, NAMES, {**NAMES, "class": "cookie"}]

    found = contradictions(read(names=names, shapes=shapes))

    assert [what for _, what, _ in found] == ["the name x-corp", "the prefix corp_"]
    assert contradictions(read(names=names[:2], shapes=shapes[:2])) == ()
