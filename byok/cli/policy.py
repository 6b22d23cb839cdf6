"""`byok policy`: the tools around policies, each in a module of its own."""

import click

from byok.cli.lazy import LazyGroup

_COMMANDS: dict[str, tuple[str, str]] = {}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def policy() -> None:
    """Test, check and prove what policies do, for all requests."""
