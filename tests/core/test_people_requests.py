"""What an admin may ask of teams and users, and what is refused with its name."""

from dataclasses import replace
from typing import Any

import pytest

from byok.core.errors import Refusal
from byok.core.people import Role
from byok.core.people_answers import team_shown, user_shown
from byok.core.people_requests import (
    TeamRequest,
    UserRequest,
    blocked,
    changed_team,
    changed_user,
    new_member,
    new_team,
    new_user,
    read_member_role,
    read_name,
    read_team,
    read_user,
    refuse_others,
)
from tests.store.records import NOW
from tests.store.test_people import member, team, user
from tests.support.keys import ANTHROPIC_API_KEY, VIRTUAL_KEY

EVERYTHING: dict[str, object] = {
    "models": ["claude-*", "gpt-5"],
    "blocked": True,
    "metadata": {"cost": ["centre", 1, None]},
    "max_budget": 12,
    "soft_budget": 10.5,
    "budget_duration": "30d",
    "rpm_limit": 60,
    "tpm_limit": 100_000,
    "max_parallel_requests": 4,
}


def team_request(**body: object) -> TeamRequest:
    found = read_team(body)
    assert not isinstance(found, Refusal), found
    return found


def user_request(**body: object) -> UserRequest:
    found = read_user(body)
    assert not isinstance(found, Refusal), found
    return found


def test_a_new_team_has_what_was_asked_for():
    asked = team_request(team_alias="Ro\u0308d", **EVERYTHING)
    made = new_team(asked, team_id="red", now=NOW, by="me")

    assert made.team_alias == "R\u00f6d"
    assert (made.models, made.blocked) == (("claude-*", "gpt-5"), True)
    assert (made.created_by, made.updated_by, made.created_at) == ("me", "me", NOW)
    shown = team_shown(made, [member()])
    assert {name: shown[name] for name in EVERYTHING} == EVERYTHING
    assert shown["members_with_roles"] == [{"user_id": "anne", "role": "user"}]
    assert asked.warnings == ()


def test_a_new_user_has_what_was_asked_for():
    asked = user_request(
        user_alias="Anne", user_email="a@b.example", user_role="admin", **EVERYTHING
    )
    made = new_user(asked, user_id="anne", now=NOW, by="me")

    assert (made.user_alias, made.user_email) == ("Anne", "a@b.example")
    assert made.role is Role.ADMIN
    shown = user_shown(made, [member("red"), member("blue")])
    assert {name: shown[name] for name in EVERYTHING} == EVERYTHING
    assert (shown["user_role"], shown["teams"]) == ("proxy_admin", ["red", "blue"])


def test_a_change_keeps_what_it_does_not_name_and_null_empties():
    full_team = new_team(
        team_request(team_alias="r", **EVERYTHING), team_id="red", now=NOW, by="me"
    )
    full_user = new_user(
        user_request(user_alias="a", user_role="viewer", **EVERYTHING),
        user_id="anne",
        now=NOW,
        by="me",
    )
    stamp: dict[str, Any] = {"updated_at": NOW + 1, "updated_by": "you"}

    same_team = changed_team(full_team, team_request(), now=NOW + 1, by="you")
    same_user = changed_user(full_user, user_request(), now=NOW + 1, by="you")
    assert same_team == replace(full_team, **stamp)
    assert same_user == replace(full_user, **stamp)

    nothing = dict.fromkeys(EVERYTHING)
    no_team = changed_team(
        full_team, team_request(team_alias=None, **nothing), now=NOW, by="me"
    )
    no_user = changed_user(
        full_user,
        user_request(user_alias=None, user_role=None, **nothing),
        now=NOW,
        by="me",
    )
    assert no_team == team(created_by="me", updated_by="me")
    assert no_user == user(created_by="me", updated_by="me")


def test_blocking_keeps_the_rest():
    found = blocked(team(rpm_limit=5), is_blocked=True, now=NOW + 1, by="me")

    changed = team(rpm_limit=5, blocked=True, updated_by="me")
    assert found == replace(changed, updated_at=NOW + 1)


def test_a_member_says_by_whom_and_since_when():
    made = new_member("red", "anne", Role.VIEWER, now=NOW, by="me")

    assert made == member(role=Role.VIEWER, added_by="me")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"rpm_limits": 5}, "rpm_limits (did you mean rpm_limit?)"),
        ({"rpm_limit": "5"}, "rpm_limit: a whole number from 0 on"),
        ({"models": ["a", 7]}, "models: a list of at most 1000"),
        ({"models": ["a\nb"]}, "models: printable"),
        ({"team_alias": " red"}, "team_alias: printable"),
        ({"team_alias": VIRTUAL_KEY}, "team_alias: "),
        ({"team_alias": "sk-1234"}, "team_alias: looks like a key"),
        ({"team_alias": ""}, "team_alias: a text of 1 to 255 characters"),
        ({"metadata": {"a": ANTHROPIC_API_KEY}}, "metadata: holds a credential"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata: at most"),
        ({"budget_duration": "soon"}, "budget_duration: write"),
        ({"max_budget": -1}, "max_budget: a number from 0"),
    ],
)
def test_what_a_team_cannot_have_is_refused_by_name(body, said):
    found = read_team(body)

    assert isinstance(found, Refusal)
    assert (found.status, found.code) == (400, "people.bad-field")
    assert said in found.message
    assert "CANARY" not in found.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"user_role": "king"}, "user_role: one of proxy_admin,"),
        ({"user_role": "team_admin"}, "user_role: one of"),
        ({"user_role": 7}, "user_role: one of"),
        ({"user_email": "a b\n"}, "user_email: printable"),
        ({"team_alias": "x"}, "Unknown fields: team_alias"),
    ],
)
def test_what_a_user_cannot_have_is_refused_by_name(body, said):
    found = read_user(body)

    assert isinstance(found, Refusal)
    assert said in found.message


def test_what_litellm_has_and_has_no_effect_here_is_said():
    asked = team_request(tags=["a"], organization_id=None, guardrails=[])
    assert asked.warnings == (
        "tags: accepted for LiteLLM's sake, without effect here.",
    )
    (warning,) = user_request(send_invite_email=True).warnings
    assert warning.startswith("send_invite_email: ")
    (warning,) = team_request(metadata={"policies": []}).warnings
    assert warning.startswith("metadata: policies")


@pytest.mark.parametrize("name", ["red", "a@b.example", "R\u00f6d ☂", "x" * 255])
def test_an_id_is_any_text_that_can_be_shown(name):
    assert read_name("team_id", name) == name


@pytest.mark.parametrize(
    "name", [None, 7, "", "x" * 256, " a", "a\n", "sk-12", VIRTUAL_KEY]
)
def test_what_is_no_id_is_refused_and_not_repeated(name):
    found = read_name("team_id", name)

    assert isinstance(found, Refusal)
    assert found.message.startswith("team_id: ")
    assert "CANARY" not in found.message


def test_ids_that_look_the_same_are_the_same():
    assert read_name("user_id", "Ro\u0308d") == "R\u00f6d"


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("admin", Role.TEAM_ADMIN),
        ("team_admin", Role.TEAM_ADMIN),
        ("user", Role.MEMBER),
        ("viewer", Role.VIEWER),
        ("king", None),
        (None, None),
        ([], None),
    ],
)
def test_roles_in_a_team_have_litellms_names_and_our_own(word, role):
    found = read_member_role(word)

    if role is None:
        assert isinstance(found, Refusal)
        assert "role: one of admin, user" in found.message
    else:
        assert found is role


def test_fields_that_are_not_known_are_refused():
    assert refuse_others(["a"], ("a", "b")) is None
    refusal = refuse_others(["team_idd"], ("team_id",))
    assert refusal is not None
    assert (refusal.code, "team_id?" in refusal.message) == ("people.bad-field", True)
