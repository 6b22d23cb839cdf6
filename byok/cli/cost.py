"""`byok cost`: how the cost of a request comes about."""

from pathlib import Path

import click
import msgspec

from byok.cli.loading import config_option
from byok.cli.render import err, out
from byok.cli.storing import REFUSED, UNUSABLE, configured, end
from byok.core.cost import Step, cost_of, recorded_tally
from byok.core.cost_text import price_of, render
from byok.core.errors import ByokError
from byok.core.price import ATTO
from byok.core.prices import PriceTable
from byok.core.usage_record import UsageRecord
from byok.store.sqlreports import open_reports

_EPILOG = """\b
Examples:
  byok cost explain req_2fdd8a4cb3e04fd1a53a7c0e
  byok cost explain req_2fdd8a4cb3e04fd1a53a7c0e --json

\b
A record keeps what it cost by the prices of its time, and their version. The working
is by the prices of now; where these come to something else, both are told.
Exit codes: 0 done; 1 there is no such record; 2 wrong usage, or the config or the
  store cannot be used.
"""


@click.group(epilog=_EPILOG)
def cost() -> None:
    """Explain what a request cost."""


@cost.command()
@config_option
@click.argument("request_id", metavar="REQUEST_ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(*, config_path: Path, request_id: str, as_json: bool) -> None:
    """Show the working of a request's cost, line by line."""
    config, place, _ = configured(config_path)
    try:
        with open_reports(place) as ledger:
            record = ledger.maybe(request_id)
    except ByokError as error:
        end(str(error), UNUSABLE)
    if record is None:
        end(
            f"There is no record of {request_id}. A request is in the ledger a moment"
            " after it is over, until usage.keep_days lets it go.",
            REFUSED,
        )
    if as_json:
        out().json(_data(record, config.prices))
        return
    for line in render(record, config.prices).split("\n"):
        out().line(line)
    if record.price_version not in {None, config.prices.version}:
        err().line(
            f"The working is by the prices of now, {config.prices.version}; those of"
            f" {record.price_version}, by which it was recorded, are not kept."
        )


def _data(record: UsageRecord, table: PriceTable) -> dict[str, object]:
    price = price_of(record, table)
    now = None if price is None else cost_of(recorded_tally(record), price)
    return {
        "request_id": record.id,
        "record": msgspec.to_builtins(record),
        "recorded": {
            "price_version": record.price_version,
            "cost_nano": record.cost_nano,
            "notional_nano": record.notional_nano,
        },
        "now": {
            "price_version": table.version,
            "price": None if price is None else f"{price.provider}/{price.model}",
            "is_fallback": price is not None and price.is_fallback,
            "steps": [] if now is None else [_step(each) for each in now.steps],
            "multiplier": None if now is None else str(now.multiplier),
            "notional_nano": None if now is None else now.nano,
        },
        "differs": record.notional_nano != (None if now is None else now.nano),
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "kind": step.kind.value,
        "number": step.number,
        "usd_each": step.each / ATTO,
        "usd": step.atto / ATTO,
        "note": step.note,
        "source": step.source,
    }
