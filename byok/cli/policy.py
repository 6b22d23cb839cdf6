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
        "Show what rules in shadow would change, and put them in force.",
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


_EPILOG = """\b
A gate for CI, in this order:
  byok validate --strict config.yaml
  byok policy lint --strict
  byok policy test --coverage-min 90
  byok policy prove --strict

\b
Nothing is sent, no gateway has to run, and no secret has to be there.
Exit codes: 0 as it should be; 1 it is not; 2 wrong usage, or a file cannot be used.
"""


@click.group(cls=LazyGroup, lazy=_COMMANDS, epilog=_EPILOG)
def policy() -> None:
    """Test, check and prove what policies do, for all requests."""
