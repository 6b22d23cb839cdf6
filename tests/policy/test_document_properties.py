"""Any data at all: nothing is raised, nothing is quoted, schema and reader agree."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from byok.policy.document import Problem, read_document, read_rules
from byok.policy.rules import Rule, Tier, Where
from byok.resources import schema_file
from tests.policy import rulesets
from tests.policy.rulesets import RuleSet
from tests.support import keys

SCHEMA = json.loads(schema_file("policy-v1.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

# What a schema cannot say, or says worse than a sentence can.
BEYOND_SCHEMA = {
    "E103",  # patterns
    "E106",  # address ranges
    "E107",  # classes
    "E109",  # header values
    "E110",  # which headers are lists
    "E112",  # header names
    "E113",
    "E201",  # ids
    "E204",  # which actions may be locked
    "E206",  # which conditions go with which action
    "E210",  # secrets
}

WORDS = sorted(
    {
        word
        for name in ("mode", "tier", "metadata", "rules", "apiVersion", "kind")
        for word in (name, name[:-1])
    }
    | {
        *("id", "why", "match", "unless", "action", "lock", "name", "owner"),
        *("team", "header", "host", "tags", "client_ip", "stream", "class", "trust"),
        *("slot", "any", "credential", "deny", "rename", "inject", "filter", "to"),
        *("require", "value", "when", "status", "type", "message", "drop", "route"),
    }
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 500),
    st.just(1.5),
    st.text(max_size=6),
    st.just("\ud800"),
    st.sampled_from(["*", "a*", "*.x", "strip", "forward", "pack", "here", "Policy"]),
    st.sampled_from(keys.ALL_CANARIES),
)
data = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(WORDS),
                st.text(max_size=4),
                st.integers(),
                st.just(keys.ANTHROPIC_API_KEY),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


def locate(path) -> Where:
    return Where(file="rules.yaml")


def read(document: object) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    return read_document(document, locate=locate)


def document_of(ruleset: RuleSet) -> dict[str, object]:
    return {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "doc"},
        "rules": [item for _, item in ruleset.items],
    }


def places(value: object, path: tuple[str | int, ...] = ()):
    """Yield the path of every value below *value*."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


@st.composite
def spoilt(draw):
    """Draw a good document in which one value was replaced, added or removed."""
    document = copy.deepcopy(document_of(draw(rulesets.rule_sets(max_size=3))))
    *above, last = draw(st.sampled_from([*places(document)]))
    parent: Any = document
    for step in above:
        parent = parent[step]
    how = draw(st.sampled_from(["replace", "remove", "add", "leave"]))
    if how == "replace":
        parent[last] = draw(data)
    elif how == "remove":
        del parent[last]
    elif how == "add" and isinstance(parent, dict):
        parent[draw(st.sampled_from(WORDS))] = draw(data)
    return document


@given(st.one_of(data, spoilt()))
@rulesets.MORE
def test_any_data_is_read_without_raising_or_quoting(document):
    rules, problems = read(document)
    listed, more = read_rules(document, tier=Tier.KEY, locate=locate)

    assert rules is not None
    assert listed is not None
    for each in (*problems, *more):
        assert each.code.startswith("E")
        assert "CANARY" not in each.message + each.remedy


@given(rulesets.rule_sets())
@rulesets.FEW
def test_good_documents_are_good_to_schema_and_reader(ruleset):
    document = document_of(ruleset)

    rules, problems = read(document)

    assert problems == ()
    assert len(rules) == len(ruleset.items)
    assert VALIDATOR.is_valid(document)


@given(spoilt())
@rulesets.MORE
def test_schema_and_reader_agree_on_what_is_wrong(document):
    codes = {each.code for each in read(document)[1]}

    if VALIDATOR.is_valid(document):
        sources = [e for e in read(document)[1] if e.path[-1:] == ("credential",)]
        assert codes <= BEYOND_SCHEMA | {each.code for each in sources}
    else:
        assert codes
