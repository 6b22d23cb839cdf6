"""`byok usage prune`: old records go, the totals of their days stay."""

import time
from pathlib import Path

import click

from byok.cli.loading import config_option
from byok.cli.render import err, out
from byok.cli.storing import REFUSED, UNUSABLE, configured, end
from byok.core.errors import ByokError
from byok.core.key_answers import moment
from byok.core.usage_periods import DAY_S, WRITTEN, Period, read_period
from byok.store.pruning import KEEP_AT_LEAST_DAYS, open_pruning, pause_after

_EPILOG = """\b
Examples:
  byok usage prune --before 90d
  byok usage prune --before 2026-08-01 --dry-run

\b
--before 90d keeps today and the 89 days before. `usage.keep_days` in the config does
the same every day.
Records go a few at a time, with pauses as long as the work, so a gateway goes on. A
SQLite file does not shrink, but what is freed is used again.
Exit codes: 0 done; 1 too young to go; 2 wrong usage, or the config or the store
  cannot be used.
"""


@click.command(epilog=_EPILOG)
@config_option
@click.option(
    "--before",
    required=True,
    metavar="SPAN|TIME",
    help="Let what is older go: 90d, a day, a moment.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prune(*, config_path: Path, before: str, dry_run: bool, as_json: bool) -> None:
    """Let records from before a day go; what their days add up to stays."""
    now = time.time()
    period = read_period(before, None, now=now)
    if not isinstance(period, Period) or period.since is None:
        raise click.UsageError(f"--before: {WRITTEN}.")
    if period.since > now - KEEP_AT_LEAST_DAYS * DAY_S:
        end(
            f"--before: at least {KEEP_AT_LEAST_DAYS} days have to stay. A record that"
            " still waits beside the store might be counted twice otherwise.",
            REFUSED,
        )
    _, place, _ = configured(config_path)
    try:
        with open_pruning(place) as pruning:
            gone = pruning.count(period.since) if dry_run else 0
            while not dry_run:
                began = time.monotonic()
                count = pruning.prune_some(period.since)
                if not count:
                    break
                gone += count
                time.sleep(pause_after(time.monotonic() - began))
    except ByokError as error:
        end(str(error), UNUSABLE)
    if as_json:
        out().json(
            {"before": period.since, "records": gone, "dry_run": dry_run},
        )
    else:
        done = "would go" if dry_run else "are gone"
        err().line(
            f"{gone} records of before {moment(period.since)} {done}; their days stay"
            " added up."
        )
