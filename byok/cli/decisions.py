"""`byok decisions`: what a gateway decided about the requests it was sent."""

import time
from pathlib import Path

import click

from byok.cli.decision_log import named, newest
from byok.cli.decision_screens import show_list, show_one
from byok.cli.loading import config_option, loaded
from byok.core.decision_queries import PAYERS, VERDICTS, read_wanted
from byok.core.errors import Refusal

_MOST = 1_000_000

_EPILOG = """\b
Examples:
  byok decisions list
  byok decisions list --key dev-laptop --since 1h
  byok decisions list --verdict deny --json
  byok decisions list --shadow --rule no-oauth
  byok decisions show req_2fdd8a4cb3e04fd1a53a7c0e
  byok explain-request --from-log req_2fdd8a4cb3e04fd1a53a7c0e

\b
They are read from the store itself; a running gateway adds to it within a second.
Exit codes: 0 done; 1 there is no such decision; 2 wrong usage, or the config or the
  store cannot be used.
"""


@click.group(epilog=_EPILOG)
def decisions() -> None:
    """
    List and show what was decided about past requests.

    A record holds names, classes, rules and lengths, and no values.
    """


@decisions.command("list")
@config_option
@click.option("--key", help="Only of this key, by alias or id.")
@click.option("--deployment", help="Only those sent to this deployment.")
@click.option("--verdict", type=click.Choice(VERDICTS), help="Only these.")
@click.option("--rule", help="Only those in which this rule took part.")
@click.option("--payer", type=click.Choice(PAYERS), help="Only those this one paid.")
@click.option(
    "--shadow", is_flag=True, help="Only those that rules in shadow would change."
)
@click.option("--since", metavar="SPAN|TIME", help="15m, 12h, 30d, or a moment.")
@click.option("--limit", default="50", show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_decisions(
    *, config_path: Path, as_json: bool, shadow: bool, **asked: str | None
) -> None:
    """List the latest decisions, the newest first."""
    given = {name: value for name, value in asked.items() if value is not None}
    wanted = read_wanted({**given, "shadow": str(shadow)}, now=time.time(), most=_MOST)
    if isinstance(wanted, Refusal):
        raise click.UsageError(f"--{wanted.message}")
    found = newest(loaded(config_path), wanted)
    show_list(found, as_json=as_json, shadow=shadow)


@decisions.command()
@config_option
@click.argument("decision_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (decision-v1).")
def show(*, config_path: Path, decision_id: str, as_json: bool) -> None:
    """Show one decision: what became of each header, and by which rule."""
    show_one(named(loaded(config_path), decision_id), as_json=as_json)
