"""A provider, a gateway before it, a tap before that, and Claude Code at the end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claude.cli import INSTALLED, Claude
from tests.support.gateway import Gateway
from tests.support.provider_process import ProviderProcess
from tests.support.stage import Stage, staged
from tests.support.wiretap import Wiretap


@pytest.fixture(scope="session")
def binary() -> Path:
    """The installed client; in CI there is no excuse for its absence."""
    if INSTALLED.exists():
        return INSTALLED
    missing = f"{INSTALLED} is not there: run tests/claude/install.sh"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def sections() -> dict[str, object]:
    """What a test lays over the gateway's configuration, by parametrising this."""
    return {}


@pytest.fixture
def stage(binary: Path, tmp_path: Path, sections: dict[str, object]) -> Iterator[Stage]:
    """Everything but the client."""
    directory = tmp_path / "gateway"
    directory.mkdir()
    with staged(directory, **sections) as running:
        yield running


@pytest.fixture
def provider(stage: Stage) -> ProviderProcess:
    """The provider: all that leaves the gateway arrives here."""
    return stage.provider


@pytest.fixture
def gateway(stage: Stage) -> Gateway:
    """The gateway, which knows one virtual key."""
    return stage.gateway


@pytest.fixture
def tap(stage: Stage) -> Wiretap:
    """The line between client and gateway."""
    return stage.tap


@pytest.fixture
def claude(binary: Path, tap: Wiretap, tmp_path: Path) -> Claude:
    """A developer's Claude Code, pointed at the gateway."""
    return Claude(binary, tap.url, tmp_path / "developer")
