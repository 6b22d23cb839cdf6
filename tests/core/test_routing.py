"""Which deployment serves the model a client asked for, under which name."""

import pytest

from byok.core.routing import Deployment, DeploymentTable
from tests.core.asking import deployment


def serving(group: str, name: str = "", model: str = "m") -> Deployment:
    return deployment(name or group, group=group, model=model)


TABLE = DeploymentTable(
    [
        serving("*"),
        serving("*-latest"),
        serving("claude-*"),
        serving("claude-sonnet-*"),
        serving("claude-*-latest"),
        serving("claude-sonnet-4-5"),
        serving("claude-sonnet-4-5", "second"),
        serving("claude-*", "late"),
    ]
)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4", "claude-sonnet-*"),
        ("claude-opus", "claude-*"),
        ("claude-opus-latest", "claude-*-latest"),
        ("gpt-4-latest", "*-latest"),
        ("gpt-4", "*"),
        ("", "*"),
        ("Claude-opus", "*"),
    ],
)
def test_an_exact_name_wins_then_the_longest_prefix_then_the_star(model, name):
    found = TABLE.find(model)

    assert found is not None
    assert found.name == name


def test_a_model_that_nothing_serves_is_not_found():
    assert DeploymentTable([serving("claude-*")]).find("gpt-4") is None


def test_deployments_have_names():
    found = TABLE.named("second")

    assert found is not None
    assert found.model_group == "claude-sonnet-4-5"
    assert TABLE.named("nobody") is None


def test_the_groups_without_wildcards_are_listed_once():
    assert TABLE.groups == ("claude-sonnet-4-5",)
    assert serving("claude-*").is_wildcard
    assert not serving("claude").is_wildcard


def test_the_nearest_name_is_suggested_only_where_it_is_near():
    assert TABLE.nearest("claude-sonet-4-5") == "claude-sonnet-4-5"
    assert TABLE.nearest("gpt-4") is None


@pytest.mark.parametrize(
    ("group", "model", "asked", "upstream"),
    [
        ("sonnet", "claude-sonnet-4-5", "sonnet", "claude-sonnet-4-5"),
        ("claude-*", "claude-sonnet-4-5", "claude-x", "claude-sonnet-4-5"),
        ("*", "*", "claude-x", "claude-x"),
        ("anthropic/*", "*", "anthropic/claude-x", "claude-x"),
        ("claude-*", "claude-*", "claude-x", "claude-x"),
        ("my-*-model", "claude-*-4", "my-opus-model", "claude-opus-4"),
        ("*-latest", "claude-*", "opus-latest", "claude-opus"),
        ("*-latest", "claude-*", "-latest", "claude-"),
        ("claude-*", "*", "claude-", ""),
    ],
)
def test_the_star_of_the_provider_stands_for_what_the_groups_stood_for(
    group, model, asked, upstream
):
    assert deployment(group=group, model=model).model_for(asked) == upstream
