"""Requests that nobody sent: what their words stand for."""

import pytest

from byok.core.body import BodyHead, read_head
from byok.core.routing import DeploymentTable
from byok.core.supposed import (
    PLACEHOLDERS,
    UnknownPlaceholderError,
    body_for,
    filled,
    supposed_model,
)
from tests.core.asking import deployment


def test_placeholders_are_filled_in_wherever_they_stand():
    key = PLACEHOLDERS["anthropic.api_key"]

    assert filled("x-api-key", "<anthropic.api_key>") == key
    assert filled("x-foo", "a <anthropic.api_key>, b") == f"a {key}, b"
    assert filled("x-foo", "a < b > c") == "a < b > c"


def test_a_bare_placeholder_in_authorization_is_a_bearer():
    token = PLACEHOLDERS["anthropic.oauth"]

    assert filled("authorization", "<anthropic.oauth>") == f"Bearer {token}"
    assert filled("authorization", "Basic <anthropic.oauth>") == f"Basic {token}"
    assert filled("authorization", "a") == "a"


def test_an_unknown_placeholder_is_told_with_the_known_ones():
    with pytest.raises(UnknownPlaceholderError, match="<gateway>") as caught:
        filled("x-foo", "<nobody>")

    assert caught.value.word == "nobody"


def test_a_model_is_one_that_is_served():
    table = DeploymentTable([deployment(group="claude-*"), deployment(group="gpt-*")])

    assert supposed_model(table, None) == "claude-haiku-5-5"
    assert supposed_model(table, table.deployments[1]) == "gpt-claude-haiku-5-5"
    assert supposed_model(DeploymentTable([]), None) == "none"


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_asks_for_its_model(stream):
    head = read_head(body_for("m", stream=stream))

    assert isinstance(head, BodyHead)
    assert (head.model, head.stream) == ("m", stream)
