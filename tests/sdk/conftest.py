"""A gateway before a scripted provider, and the SDK in front of both."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import keys
from tests.support.provider_process import ProviderProcess
from tests.support.stage import Stage, staged

if TYPE_CHECKING:
    from anthropic import Anthropic

try:
    import anthropic
except ImportError:  # The extra `e2e` is optional; in CI it is not.
    if os.environ.get("CI") == "true":
        raise
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Everything but the client."""
    with staged(tmp_path) as running:
        yield running


@pytest.fixture
def provider(stage: Stage) -> ProviderProcess:
    """The provider: all that leaves the gateway arrives here."""
    return stage.provider


@pytest.fixture
def client_of(stage: Stage) -> Iterator[Callable[..., "Anthropic"]]:
    """Make a client of the gateway; by default with a valid gateway key."""
    made = []

    def make(gateway_key: str = keys.VIRTUAL_KEY, **options) -> "Anthropic":
        headers = {"x-litellm-api-key": gateway_key, **options.pop("headers", {})}
        client = anthropic.Anthropic(
            base_url=stage.tap.url, default_headers=headers, **options
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
