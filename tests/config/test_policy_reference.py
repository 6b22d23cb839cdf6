"""The policy reference in the documents is what the schema and the code say."""

import json
from itertools import pairwise

from byok.config.policy_reference import ACTIONS, MATCHES, policy_reference
from byok.policy import classes
from byok.policy.floor import FLOOR
from byok.policy.rules import Action
from byok.resources import schema_file
from tests.support.pages import Page
from tests.support.processes import ROOT

PAGE = Page(ROOT / "docs" / "policy-reference.md")


def test_the_page_is_up_to_date():
    """python -m byok.config.policy_reference > docs/policy-reference.md"""
    assert PAGE.path.read_text("utf-8") == policy_reference()


def test_there_is_an_example_for_every_key_of_a_match():
    schema = json.loads(schema_file("policy-v1.schema.json").read_text("utf-8"))
    keys = set()
    for name, each in schema["$defs"]["match"]["properties"].items():
        keys |= {name, *(f"{name}.{below}" for below in each.get("properties", {}))}

    assert set(MATCHES) == keys


def test_there_is_an_example_for_every_action():
    assert set(ACTIONS) == {action.word for action in Action}


def test_every_class_and_every_rule_of_the_floor_has_a_row():
    text = PAGE.path.read_text("utf-8")

    for name in (*classes.CLASSES, *(rule.id for rule in FLOOR)):
        assert f"\n| `{name}` |" in text


def test_the_rows_of_each_table_have_as_many_cells_as_its_head():
    lines = PAGE.path.read_text("utf-8").replace("\\|", "").splitlines()

    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|"), line
