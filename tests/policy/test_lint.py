"""What a rule shows by itself: each code with a hit and a miss."""

from datetime import date

import pytest

from byok.policy.document import read_document
from byok.policy.lint import CODES, lint_rules
from byok.policy.rules import Tier, Where
from byok.policy.settings import settings_rules
from tests.core.asking import Data, rules_at, switches

TODAY = date(2026, 11, 24)
CREDENTIALS = {"header": {"class": "credential.provider.*"}}
WHY: Data = {"deny": {}}


def codes(*items, tier=Tier.SETTINGS, shipped=()):
    rules = rules_at(tier, *({"id": "r", **item} for item in items))
    return [each.code for each in lint_rules(rules, today=TODAY, shipped=shipped)]


@pytest.mark.parametrize(
    ("item", "tier", "found"),
    [
        ({"match": CREDENTIALS, "action": "forward"}, Tier.TEAM, ["L06"]),
        ({"action": "forward"}, Tier.TEAM, ["L06"]),
        (
            {"match": {**CREDENTIALS, "host": "a.example"}, "action": "forward"},
            Tier.TEAM,
            [],
        ),
        (
            {"match": {**CREDENTIALS, "provider": "openai"}, "action": "forward"},
            Tier.TEAM,
            [],
        ),
        ({"match": CREDENTIALS, "action": "strip"}, Tier.TEAM, []),
        (
            {"match": {"header": {"class": "tracing"}}, "action": "forward"},
            Tier.SETTINGS,
            [],
        ),
        ({"action": "forward", "direction": "response"}, Tier.SETTINGS, []),
        ({"action": {"deny": {}}}, Tier.SETTINGS, ["L11"]),
        ({"action": {"deny": {}}, "why": "because"}, Tier.SETTINGS, []),
        (
            {"match": {"header": {"class": "unclassified"}}, "action": "forward"},
            Tier.SETTINGS,
            ["L12"],
        ),
        (
            {"match": {"header": {"class": "unclassified"}}, "action": "forward"},
            Tier.TEAM,
            [],
        ),
        (
            {"match": {"header": {"name": "x-*"}}, "action": "forward"},
            Tier.SETTINGS,
            ["L12"],
        ),
        (
            {"match": {"header": {"name": "x-tag"}}, "action": "forward"},
            Tier.SETTINGS,
            [],
        ),
    ],
)
def test_a_rule_is_odd_or_not(item, tier, found):
    assert codes(item, tier=tier) == found


def test_rules_that_are_shipped_are_left_alone():
    assert codes({"action": {"deny": {}}}, shipped=["config.yaml"]) == []


def test_a_switch_cannot_say_to_whom():
    rules = settings_rules(switches(general_settings=True), {})

    assert list(lint_rules(rules, today=TODAY)) == []


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2026-10", ["L09"]),
        ("2026-10-20", ["L09"]),
        ("2026-11", []),
        ("2026-10-30", []),
        ("lately", []),
        ("", []),
    ],
)
def test_a_trial_ends_after_thirty_days(since, found):
    document = {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "p", "since": since},
        "mode": "shadow",
        "rules": [{"id": "r", "action": "strip"}],
    }
    rules, problems = read_document(document, locate=lambda path: Where(file="p"))

    assert problems == ()
    assert [each.code for each in lint_rules(rules, today=TODAY)] == found


def test_a_finding_says_which_rule_and_what_to_do():
    (rule,) = rules_at(Tier.SETTINGS, {"id": "r", "action": {"deny": {}}}, line=4)

    (found,) = lint_rules([rule], today=TODAY)

    assert str(found.where) == "config.yaml:4"
    assert found.message == "r refuses requests and does not say why"
    assert found.remedy
    assert found.level is CODES["L11"].level
