"""Modes, directions, tiers below the deployment, and secrets by reference."""

import pytest

from byok.policy.document import read_document, read_rules, with_secrets
from byok.policy.match import Glob, Match
from byok.policy.rules import Tier, When, Where
from tests.policy import rulesets
from tests.support.keys import ANTHROPIC_API_KEY


def codes(item, tier=Tier.SETTINGS, bound=None):
    _, problems = read_rules(
        [{"id": "r", **item}], tier=tier, locate=lambda _: Where(file="f"), bound=bound
    )
    return [each.code for each in problems]


@pytest.mark.parametrize(
    ("item", "tier", "code"),
    [
        ({"action": "strip", "mode": "dry"}, Tier.PACK, "E105"),
        ({"action": "strip", "direction": "up"}, Tier.PACK, "E105"),
        ({"action": {"deny": {}}, "direction": "response"}, Tier.PACK, "E208"),
        ({"action": {"log": "full"}, "direction": "response"}, Tier.PACK, "E208"),
        ({"action": "strip", "lock": True}, Tier.KEY, "E207"),
        ({"action": {"allow_request": "credential.*"}}, Tier.PACK, "E214"),
        ({"action": {"allow_request": "*"}}, Tier.PACK, "E214"),
        ({"action": {"allow_request": []}}, Tier.PACK, "E101"),
        ({"action": {"log": "all"}}, Tier.PACK, "E105"),
        (
            {"match": {"header": {"present": "yes"}}, "action": {"deny": {}}},
            Tier.PACK,
            "E104",
        ),
    ],
)
def test_what_the_language_does_not_have_is_told(item, tier, code):
    assert codes(item, tier) == [code]


def injected(**parts):
    return {"action": {"inject": {"name": "x-relay-token", **parts}}}


@pytest.mark.parametrize(
    ("item", "tier", "expected"),
    [
        (injected(secret="os.environ/RELAY_TOKEN"), Tier.MODEL, []),
        (injected(secret="file:relay.key", when="default"), Tier.MODEL, []),
        (injected(secret="os.environ/RELAY_TOKEN"), Tier.TEAM, ["E211"]),
        (injected(secret="file:k", value="1"), Tier.MODEL, ["E212"]),
        (injected(secret=ANTHROPIC_API_KEY), Tier.MODEL, ["E213"]),
        (injected(secret=7), Tier.MODEL, ["E213"]),
        (
            {**injected(secret="file:k"), "direction": "response"},
            Tier.MODEL,
            ["E209"],
        ),
        (injected(value="1"), Tier.MODEL, ["E113"]),
        (
            {"action": {"inject": {"name": "x-api-key", "secret": "file:k"}}},
            Tier.MODEL,
            ["E113"],
        ),
        (injected(secret="file:k", when="never"), Tier.MODEL, ["E105"]),
    ],
)
def test_a_secret_is_injected_by_reference_and_by_deployments_only(
    item, tier, expected
):
    assert codes(item, tier) == expected


def test_references_are_looked_up_by_who_may():
    rules = rulesets.read(
        Tier.MODEL,
        {"id": "plain", "action": "strip"},
        {"id": "found", **injected(secret="file:one")},
        {"id": "lost", **injected(secret="file:two")},
    )
    asked = []

    def look_up(reference, where):
        asked.append((reference, str(where)))
        return b"value" if reference == "file:one" else None

    found = with_secrets(rules, look_up)

    assert [each.id for each in found] == ["plain", "found"]
    assert found[1].inject is not None
    assert found[1].inject.value == b"value"
    assert found[1].inject.when is When.SET
    assert "value" not in repr(found[1].inject).replace("value=", "")
    assert asked == [("file:one", "rules.yaml"), ("file:two", "rules.yaml")]


def document(**parts):
    data = {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "next"},
        "rules": [{"id": "r", "action": "strip"}],
        **parts,
    }
    return read_document(data, locate=lambda _: Where(file="f"))


@pytest.mark.parametrize("tier", ["team", "user", "key"])
def test_a_document_may_stand_in_the_narrow_tiers(tier):
    (rule,), problems = document(tier=tier)

    assert problems == ()
    assert rule.tier is Tier[tier.upper()]


def test_a_document_in_shadow_has_shadow_rules_only():
    (rule,), problems = document(mode="shadow")

    assert problems == ()
    assert rule.shadow


def test_the_place_of_a_list_gives_team_and_key():
    bound = Match(team=(Glob("red", exact=True),))

    assert codes({"action": "strip", "match": {"team": "blue"}}, bound=bound) == [
        "E205"
    ]
    rules, _ = read_rules(
        [{"id": "r", "action": "strip"}],
        tier=Tier.TEAM,
        locate=lambda _: Where(file="f"),
        bound=bound,
    )
    assert rules[0].match.team == bound.team


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\u202eb", "\x7f", "a\u2028b"])
def test_an_id_that_could_write_lines_of_its_own_is_refused(name):
    rules, problems = read_rules(
        [{"id": name, "action": "strip"}, {"id": "a b-\u00e9", "action": "strip"}],
        tier=Tier.SETTINGS,
        locate=lambda _: Where(file="rules.yaml"),
    )

    assert [(each.code, each.path) for each in problems] == [("E202", (0, "id"))]
    assert name not in repr(problems)
    assert [rule.id for rule in rules] == ["a b-\u00e9"]


def test_a_document_is_called_by_one_printable_line():
    data = {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "a\nb"},
        "rules": [],
    }

    _, problems = read_document(data, locate=lambda _: Where(file="ours.yaml"))

    assert [(each.code, each.path) for each in problems] == [
        ("E202", ("metadata", "name"))
    ]
