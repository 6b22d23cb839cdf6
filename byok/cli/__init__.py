"""
The `byok` command.

Commands are imported when they are run, so that each starts as fast as what it
needs allows; `byok --help` needs none of them.
"""

import click

from byok import __version__
from byok.cli.program import Program

# Where each command lives, and the line that `byok --help` shows for it.
_COMMANDS: dict[str, tuple[str, str]] = {
    "audit": (
        "byok.cli.audit:audit",
        "Show who changed what, and check that nothing of it was altered.",
    ),
    "cost": (
        "byok.cli.cost:cost",
        "Explain what a request cost, line by line.",
    ),
    "db": (
        "byok.cli.db:db",
        "Look at the store, upgrade its tables, and make backups.",
    ),
    "decisions": (
        "byok.cli.decisions:decisions",
        "List and show what was decided about past requests.",
    ),
    "explain-request": (
        "byok.cli.explain:explain_request",
        "Say what would leave for a request, and by which rule.",
    ),
    "keys": (
        "byok.cli.keys:keys",
        "Make, list, change and delete virtual keys.",
    ),
    "leases": (
        "byok.cli.leases:leases",
        "Show what limits hold for requests under way.",
    ),
    "pins": (
        "byok.cli.pins:pins",
        "List provider keys that are bound to an owner, and release them.",
    ),
    "policy": (
        "byok.cli.policy:policy",
        "Test, check and prove what policies do, for all requests.",
    ),
    "reload": (
        "byok.cli.reload:reload",
        "Let a running gateway use its changed configuration.",
    ),
    "teams": (
        "byok.cli.teams:teams",
        "Make, list, change and delete teams, and say who is in them.",
    ),
    "usage": (
        "byok.cli.usage:usage",
        "Show what was used and what it costs, by key, team, model and more.",
    ),
    "users": (
        "byok.cli.users:users",
        "Make, list, change and delete users.",
    ),
    "validate": (
        "byok.cli.validate:validate",
        "Check a configuration and say everything that is wrong with it.",
    ),
}


def _show_version(ctx: click.Context, _: click.Parameter, wanted: object) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(f"byok {__version__}")
    ctx.exit()


@click.group(
    cls=Program,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """A gateway where every developer brings their own provider key."""
