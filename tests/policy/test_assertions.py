"""Assertions read: what they say, and every mistake in them."""

import json

import pytest
from jsonschema import Draft202012Validator

from byok.policy.assertions import Assertion, read_assertions
from byok.policy.document import read_document
from byok.policy.match import Glob, HostGlob, Match
from byok.policy.rules import Where
from byok.resources import schema_file

SCHEMA = json.loads(schema_file("policy-v1.schema.json").read_text("utf-8"))


def locate(path):
    return Where(file="p.yaml", line=len(path))


def document(*items, **more):
    return {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "p"},
        "rules": [],
        "assert": list(items),
        **more,
    }


WHOLE = {
    "id": "a",
    "never": {
        "send": "credential.*",
        "to": ["*.example.net", "relay.example"],
        "when": {"team": ["red"]},
    },
}


def test_an_assertion_says_what_never_goes_where_and_when():
    found, problems = read_assertions(document(WHOLE), locate=locate)

    assert problems == ()
    assert found == (
        Assertion(
            id="p.a",
            send=(Glob("credential.*"),),
            to=(HostGlob("*.example.net"), HostGlob("relay.example")),
            when=Match(team=(Glob("red"),)),
            where=Where(file="p.yaml", line=2),
        ),
    )
    assert found[0].is_about("a.example.net")
    assert not found[0].is_about("api.anthropic.com")
    assert found[0].covers("credential.other")
    assert not found[0].covers("tracing")


def test_what_may_be_left_out_means_any():
    (found,), _ = read_assertions(
        document({"id": "a", "never": {"send": "tracing"}}, metadata={}), locate=locate
    )

    assert found.id == "a"
    assert found.is_about("anywhere.example")
    assert found.when == Match()


def test_a_document_with_assertions_is_one():
    assert read_document(document(WHOLE), locate=locate) == ((), ())
    Draft202012Validator(SCHEMA).validate(document(WHOLE))


def test_a_document_without_them_asserts_nothing():
    assert read_assertions({"metadata": "x"}, locate=locate) == ((), ())
    assert read_assertions("nonsense", locate=locate) == ((), ())


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"never": {"send": "tracing"}}, "E202"),
        ({"id": "a"}, "E203"),
        ({"id": "a", "never": {"to": "x.example"}}, "E203"),
        ({"id": "a", "never": {"send": "tracing", "form": "x"}}, "E102"),
        ({"id": "a", "always": {}, "never": {"send": "tracing"}}, "E102"),
        ({"id": "a", "never": {"send": "trace"}}, "E107"),
        ({"id": "a", "never": {"send": "tracing", "to": "a*b"}}, "E103"),
        ({"id": "a", "never": {"send": "tracing", "when": {"tem": "a"}}}, "E102"),
        ("nonsense", "E101"),
    ],
)
def test_a_mistake_has_its_code(item, code):
    _, problems = read_assertions(document(item), locate=locate)

    assert code in {each.code for each in problems}


def test_assertions_are_a_list_of_things_with_ids_of_their_own():
    _, problems = read_assertions(document(WHOLE, WHOLE), locate=locate)
    _, others = read_assertions({"assert": "x"}, locate=locate)

    assert [each.code for each in problems] == ["E201"]
    assert [each.code for each in others] == ["E101"]
