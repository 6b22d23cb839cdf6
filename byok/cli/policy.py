"""`byok policy`: the tools around policies, each in a module of its own."""

import click

from byok.cli.lazy import LazyGroup

_COMMANDS: dict[str, tuple[str, str]] = {
    "effective": (
        "byok.cli.policy_effective:policy_effective",
        "Show what becomes of every kind of header at one deployment.",
    ),
    "lint": (
        "byok.cli.policy_lint:policy_lint",
        "Say what is odd about rules, though nothing is wrong with them.",
    ),
    "promote": (
        "byok.cli.policy_promote:policy_promote",
        "Show what a document in shadow would change, and put it in force.",
    ),
    "prove": (
        "byok.cli.policy_prove:policy_prove",
        "Prove what policies say of all requests, or show one that refutes it.",
    ),
    "show": (
        "byok.cli.policy_show:policy_show",
        "Show what is built in, shipped, or meant by a switch.",
    ),
    "test": (
        "byok.cli.policy_test:policy_test",
        "Run tests of policies.",
    ),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def policy() -> None:
    """Test, check and prove what policies do, for all requests."""
