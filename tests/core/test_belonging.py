"""A key opens no more than its user and its team do."""

import pytest

from byok.core.admission import admit_belonging
from byok.core.belonging import NOBODYS, Belonging
from byok.core.errors import Refusal
from byok.core.exchange import Caller
from tests.store.records import record
from tests.store.test_people import team, user


@pytest.mark.parametrize(
    ("key_models", "team_models", "user_models", "opens"),
    [
        ((), (), (), True),
        (("claude-*",), (), (), True),
        (("gpt-*",), (), (), False),
        ((), ("claude-*",), (), True),
        ((), ("gpt-*",), (), False),
        ((), (), ("gpt-*",), False),
        (("claude-*",), ("claude-*",), ("*-x",), True),
        (("claude-*",), ("claude-*",), ("*-y",), False),
        (("claude-*",), ("*-y",), ("*-x",), False),
        (("all-team-models",), ("claude-x",), (), True),
        (("all-team-models",), ("claude-y",), (), False),
        (("all-proxy-models",), ("claude-y",), (), False),
        ((), ("all-proxy-models",), (), True),
    ],
)
def test_a_model_has_to_be_open_to_the_key_its_team_and_its_user(
    key_models, team_models, user_models, opens
):
    belongs = Belonging(team=team(models=team_models), user=user(models=user_models))
    key = record(models=key_models, team_id="red", user_id="anne")

    assert belongs.may_use(key, "claude-x") is opens
    assert (belongs.check_model(key, "claude-x") is None) is opens
    caller = Caller.of_key(key, "x-api-key", None, belongs)
    assert caller.may_use("claude-x") is opens


def test_whoever_has_no_record_may_use_what_their_team_may():
    belongs = Belonging(team=team(models=("claude-*",)))

    assert belongs.may_use(None, "claude-x")
    assert not belongs.may_use(None, "gpt-5")
    assert belongs.check_model(None, "claude-x") is None
    assert NOBODYS.may_use(None, "gpt-5")
    assert NOBODYS.check_model(None, "gpt-5") is None


def test_the_refusal_says_whose_models_they_are_and_names_nobody():
    belongs = Belonging(team=team(models=("claude-*",)))

    refusal = belongs.check_model(record(team_id="red"), "gpt-5")

    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "auth.model-not-allowed")
    assert "The team or the user" in refusal.message
    assert "red" not in refusal.message


def test_models_are_listed_by_the_names_that_key_team_and_user_have():
    belongs = Belonging(
        team=team(models=("claude-x", "gpt-*")), user=user(models=("claude-y",))
    )
    caller = Caller.of_key(record(models=("claude-z", "a-*")), "", None, belongs)

    assert caller.model_names == ("claude-z", "claude-x", "claude-y")
    assert Caller(key_id="master", belongs=NOBODYS).model_names == ()


@pytest.mark.parametrize(
    "belongs",
    [
        Belonging(team=team(blocked=True)),
        Belonging(user=user(blocked=True)),
        Belonging(user=user(), team=team(blocked=True)),
    ],
)
def test_the_keys_of_whoever_is_blocked_open_nothing(belongs):
    caller = Caller.of_key(record(), "x-litellm-api-key", None, belongs)

    refused = admit_belonging(caller, ())

    assert belongs.is_blocked
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.code) == (401, "auth.invalid-key")
    assert "team" not in refused.message


@pytest.mark.parametrize("belongs", [NOBODYS, Belonging(user=user(), team=team())])
def test_whoever_is_not_blocked_is_admitted(belongs):
    caller = Caller.of_key(record(), "x-litellm-api-key", None, belongs)

    assert admit_belonging(caller, ()) is caller
