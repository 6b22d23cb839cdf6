"""
The `byok` command.

Commands are imported when they are run, so that each starts as fast as what it
needs allows; `byok --help` needs none of them.
"""

from difflib import get_close_matches
from importlib import import_module

import click

from byok import __version__

# Where each command lives, and the line that `byok --help` shows for it.
_COMMANDS: dict[str, tuple[str, str]] = {
    "explain-request": (
        "byok.cli.explain:explain_request",
        "Say what would leave for a request, and by which rule.",
    ),
    "keys": (
        "byok.cli.keys:keys",
        "Make, list, change and delete virtual keys.",
    ),
    "validate": (
        "byok.cli.validate:validate",
        "Check a configuration and say everything that is wrong with it.",
    ),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of all commands."""
        return sorted(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        cmd_name: str,
    ) -> click.Command | None:
        """Import and return the command *cmd_name*."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that *args* begin with, or name the nearest one."""
        near = get_close_matches(args[0], _COMMANDS, n=1)
        if args[0] not in _COMMANDS and near:
            ctx.fail(f"No such command. Did you mean {near[0]}?")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands by the lines kept here, importing none."""
        rows = [(name, _COMMANDS[name][1]) for name in sorted(_COMMANDS)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: object) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(f"byok {__version__}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
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
