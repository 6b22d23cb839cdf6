"""What an admin is told who gives rules to a key that it may not have."""

import pytest

from byok.core import clashes
from byok.core.key_policy_check import problem_of_policies
from tests.support.keys import ANTHROPIC_API_KEY

STRIP = {"id": "quiet", "match": {"header": {"name": "user-agent"}}, "action": "strip"}


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ("strip", "metadata.policies: a list of rules is needed here."),
        (
            [{**STRIP, "lock": True}],
            "metadata.policies[0].lock: a key's own rules cannot lock",
        ),
        (
            [{"id": "a", "action": "strpi"}, {"id": "b", "action": "deny all"}],
            "metadata.policies[0].action: unknown action; did you mean strip? (1 more)",
        ),
        (
            [{"id": "a", "action": {"stirp": {}}}],
            "metadata.policies[0].action: unknown action; did you mean strip?",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(policies, said):
    problem = problem_of_policies({"policies": policies})

    assert problem is not None
    assert problem.startswith(said)


def test_a_secret_in_the_rules_is_not_repeated():
    rule = {"id": "a", "match": {"team": ANTHROPIC_API_KEY}, "action": "strip"}

    problem = problem_of_policies({"policies": [rule]})

    assert problem is not None
    assert ANTHROPIC_API_KEY not in problem


@pytest.mark.parametrize("metadata", [{}, {"policies": [STRIP]}])
def test_nothing_is_said_of_what_is_right(metadata):
    assert problem_of_policies(metadata) is None


def put(id_: str, value: str, **match) -> dict[str, object]:
    inject = {"inject": {"name": "x-tag", "value": value}}
    return {"id": id_, "match": match, "action": inject}


def test_two_rules_of_a_key_may_not_put_different_values_into_one_header():
    found = problem_of_policies({"policies": [put("a", "1"), put("b", "2")]})
    sonnet = put("b", "2", model="claude-sonnet-*", tags={"any": "beta"})
    told = problem_of_policies({"policies": [put("a", "1"), sonnet]})

    assert found == (
        "metadata.policies[1]: puts another value into one header than"
        " metadata.policies[0] does; delete one of the two, or let it except what the"
        " other is about, with unless."
    )
    assert told is not None
    assert "(both hold for model claude-sonnet-" in told
    assert "tag beta)" in told


@pytest.mark.parametrize(
    "pair",
    [
        (put("a", "1"), put("b", "1")),
        (put("a", "1", model="claude-opus-*"), put("b", "2", model="claude-haiku-*")),
        (put("a", "1", deployment="a"), put("b", "2", deployment="b")),
        (put("a", "1", host="*.corp.example"), put("b", "2", host="api.example")),
        (put("a", "1", provider="openai"), put("b", "2", provider="anthropic")),
        (put("a", "1", model_group="a-*"), put("b", "2", model_group="b-*")),
    ],
)
def test_rules_of_a_key_that_never_meet_or_agree_are_right(pair):
    assert problem_of_policies({"policies": list(pair)}) is None


@pytest.mark.parametrize(
    "pair",
    [
        (put("a", "1", host="*.corp.example"), put("b", "2", host="*.example")),
        (put("a", "1", deployment="eu-*"), put("b", "2", deployment="*-1")),
        (put("a", "1", provider="openai"), put("b", "2", model="gpt-*")),
    ],
)
def test_rules_of_a_key_that_meet_at_some_deployment_are_told(pair):
    assert problem_of_policies({"policies": list(pair)}) is not None


def test_what_could_not_be_looked_at_whole_is_let_be(monkeypatch):
    monkeypatch.setattr(clashes, "_LIMIT", 0)

    assert problem_of_policies({"policies": [put("a", "1"), put("b", "2")]}) is None
