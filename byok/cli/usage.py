"""`byok usage`: what was used and what it costs, from the ledger itself."""

import time
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from byok.cli.key_name import IS_A_KEY
from byok.cli.lazy import LazyGroup
from byok.cli.loading import config_option
from byok.cli.storing import UNUSABLE, configured, end
from byok.cli.usage_report import NAMES, Asked, Report
from byok.cli.usage_screens import show_csv, show_json, show_table
from byok.core.decision_queries import PAYERS
from byok.core.errors import ByokError
from byok.core.keys import is_raw_key
from byok.core.usage_periods import WRITTEN, Period, read_period
from byok.store.sqlreports import SqlReports, open_reports

_ALL = "all"
_COMMANDS: dict[str, tuple[str, str]] = {
    "prune": (
        "byok.cli.usage_prune:prune",
        "Let old records go; the totals of their days stay.",
    ),
    "reconcile": (
        "byok.cli.usage_reconcile:reconcile",
        "Compare a provider's exported usage with the ledger.",
    ),
}
_FILTERS = {
    "user": "user",
    "team": "team",
    "model": "model",
    "deployment": "deployment",
    "payer": "payer",
    "session": "session",
    "end_user": "end_user",
}

_EPILOG = """\b
Examples:
  byok usage
  byok usage --by key --since 7d
  byok usage --by team --by payer --since 2026-11-01 --until 2026-11-30
  byok usage --by session --key dev-laptop --since 12h
  byok usage --by day --csv > usage.csv
  byok usage reconcile claude_api_tokens_2026_11.csv
  byok usage prune --before 90d

\b
REAL is what the organisation pays, NOTIONAL what the same tokens cost by the prices,
whoever pays. A bar is as long as the notional cost, and full as far as it is real.
Days are UTC days; --since 7d is today and the six days before. Sessions, agents and
moments within a day are looked up in single records, which `usage.keep_days` may let
go; everything else in totals of days, which stay.
The store is only read; a running gateway adds to it within a second.
Exit codes: 0 done; 2 wrong usage, or the config or the store cannot be used.
"""


@click.group(cls=LazyGroup, lazy=_COMMANDS, invoke_without_command=True, epilog=_EPILOG)
@config_option
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(list(NAMES)),
    default=["model"],
    show_default=True,
    help="Add up by this; several make finer groups.",
)
@click.option(
    "--since",
    default="30d",
    show_default=True,
    metavar="SPAN|TIME",
    help="7d, 12h, a day, a moment, or all.",
)
@click.option("--until", metavar="SPAN|TIME", help="A day is included.")
@click.option("--key", help="Only of this key, by alias or id.")
@click.option("--user", help="Only of this user.")
@click.option("--team", help="Only of this team.")
@click.option("--model", help="Only of this model, as it was asked for.")
@click.option("--deployment", help="Only what this deployment answered.")
@click.option("--payer", type=click.Choice(PAYERS), help="Only what this one pays.")
@click.option("--session", help="Only of this session.")
@click.option("--end-user", help="Only of this end user.")
@click.option(
    "--top",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many groups the table has.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all groups as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print all groups as CSV.")
@click.pass_context
def usage(
    ctx: click.Context,
    /,
    *,
    config_path: Path,
    by: tuple[str, ...],
    since: str,
    until: str | None,
    key: str | None,
    top: int,
    as_json: bool,
    as_csv: bool,
    **filters: str | None,
) -> None:
    """Show what was used and what it costs, and by whom."""
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return
    if key is not None and is_raw_key(key):
        end(IS_A_KEY, UNUSABLE)
    if as_json and as_csv:
        raise click.UsageError("--json and --csv: one of them.")
    period = read_period(None if since == _ALL else since, until, now=time.time())
    if not isinstance(period, Period):
        raise click.UsageError(f"--{period}: {WRITTEN}.")
    equal = {
        _FILTERS[name]: value for name, value in filters.items() if value is not None
    }
    _, place, _ = configured(config_path)
    try:
        with open_reports(place) as ledger:
            if key is not None:
                equal["key_id"] = ledger.key_id(key)
            asked = Asked(by=tuple(dict.fromkeys(by)), period=period, equal=equal)
            _show(ledger, asked, top=top, as_json=as_json, as_csv=as_csv)
    except ByokError as error:
        end(str(error), UNUSABLE)


def _show(
    ledger: SqlReports, asked: Asked, *, top: int, as_json: bool, as_csv: bool
) -> None:
    report = Report(ledger, asked)
    if as_json:
        show_json(report)
    elif as_csv:
        show_csv(report)
    else:
        show_table(report, most=top)


def _refuse_options(ctx: click.Context) -> None:
    """Refuse what stands before a command that would not heed it."""
    given: list[Any] = [
        each
        for each in ctx.params
        if ctx.get_parameter_source(each) is not ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(
            f"Options of `usage {ctx.invoked_subcommand}` stand behind its name."
        )
