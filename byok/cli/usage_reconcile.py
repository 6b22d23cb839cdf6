"""`byok usage reconcile`: a provider's own account of usage, beside the ledger."""

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

import click

from byok.cli.loading import config_option
from byok.cli.render import Style, Styled, Text, err, out
from byok.cli.storing import REFUSED, UNUSABLE, configured, end
from byok.cli.usage_screens import money, number
from byok.core.decision_queries import PAYERS
from byok.core.errors import ByokError
from byok.core.reconciliation import Comparison, Line, compare, drift
from byok.core.usage_export import (
    COST,
    COUNTS,
    NAMES,
    Export,
    Figures,
    Used,
    plain_model,
    read_export,
)
from byok.store.sqlreports import SqlReports, open_reports
from byok.store.usage import By, DaysWanted, UsageWanted, day_of

_EVERYBODY = "all"
_MOST_PROBLEMS = 20

_EPILOG = """\b
Examples:
  byok usage reconcile claude_api_tokens_2026_11.csv
  byok usage reconcile costs.csv --tolerance 0.5 --where api_key=gateway
  byok usage reconcile other.csv --column model=sku --column cost=amount

\b
FILE is what the console of a provider exports: Anthropic's usage (tokens) and cost
exports are known by their heads. The days and models in it, and those of the ledger on
these days, are compared kind by kind; a cost may differ by what its rounding allows.
Exit codes: 0 both say the same, within the tolerance; 1 they do not; 2 wrong usage,
  or the file, the config or the store cannot be used.
"""


@click.command(epilog=_EPILOG)
@config_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--tolerance",
    default="1",
    show_default=True,
    metavar="PERCENT",
    help="By how much they may differ, on any day.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="WHAT=HEAD",
    help=f"Where something stands: {', '.join(NAMES)}.",
)
@click.option(
    "--where",
    "only",
    multiple=True,
    metavar="HEAD=VALUE",
    help="Only rows that have this in a column: api_key=gateway.",
)
@click.option(
    "--payer",
    type=click.Choice([*PAYERS, _EVERYBODY]),
    default="org",
    show_default=True,
    help="Whose requests the export is of.",
)
@click.option(
    "--provider", default="anthropic", show_default=True, help="Whose export it is."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(
    *,
    config_path: Path,
    file: Path,
    tolerance: str,
    columns: tuple[str, ...],
    only: tuple[str, ...],
    payer: str,
    provider: str,
    as_json: bool,
) -> None:
    """Compare a provider's exported usage CSV with the ledger, by day and model."""
    share = _share(tolerance)
    export = _export(file, _pairs("--column", columns, NAMES), _pairs("--where", only))
    _, place, _ = configured(config_path)
    days = sorted({day for day, _ in export.used})
    try:
        with open_reports(place) as ledger:
            whose = None if payer == _EVERYBODY else payer
            ours = _ours(ledger, days, payer=whose, provider=provider)
    except ByokError as error:
        end(str(error), UNUSABLE)
    found = compare(export.used, ours, told=export.told, tolerance=share)
    if as_json:
        out().json(_data(found, export, tolerance=share))
    else:
        _show(found, export)
    if days[-1] >= day_of(time.time()):
        err().line(f"{days[-1]} is not over: what is missing of it may come yet.")
    if found.is_off:
        raise SystemExit(REFUSED)


def _share(text: str) -> Fraction:
    try:
        share = Decimal(text.strip().removesuffix("%"))
        if share.is_finite() and 0 <= share <= 100:  # noqa: PLR2004 - per cent
            return Fraction(share) / 100
    except InvalidOperation:
        pass
    raise click.UsageError("--tolerance: a number from 0 to 100, in per cent.")


def _pairs(
    option: str, given: tuple[str, ...], known: Mapping[str, object] | None = None
) -> dict[str, str]:
    pairs = dict(each.partition("=")[::2] for each in given)
    for name, value in pairs.items():
        if not value or (known is not None and name not in known):
            names = "HEAD" if known is None else " or ".join(known)
            raise click.UsageError(f"{option}: write {names}, = and a value.")
    return pairs


def _export(file: Path, columns: dict[str, str], only: dict[str, str]) -> Export:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            export = read_export(lines, columns=columns, only=only)
    except OSError as error:
        end(f"{file}: {error.strerror}", UNUSABLE)
    except UnicodeDecodeError:
        end(f"{file}: is no UTF-8 text.", UNUSABLE)
    if export.problems:
        _refuse(file, export.problems)
    if not export.used:
        end(f"{file}: has no row to compare.", UNUSABLE)
    return export


def _refuse(file: Path, problems: list[str]) -> NoReturn:
    shown = [f"{file}: {each}" for each in problems[:_MOST_PROBLEMS]]
    rest = len(problems) - len(shown)
    more = [f"{file}: and {rest} rows more"] if rest else []
    remedy = (
        f"--column WHAT=HEAD says where something stands: {', '.join(NAMES)}."
        if any("column" in each for each in problems)
        else "Nothing was compared: half of an export would look like a drift."
    )
    end("\n".join([*shown, *more, remedy]), UNUSABLE)


def _ours(
    ledger: SqlReports, days: list[str], *, payer: str | None, provider: str
) -> Figures:
    """Return what the ledger has of the *days*, which all have to be whole in it."""
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    wanted = UsageWanted(
        since=_midnight(first), until=_midnight(last + timedelta(days=1)), payer=payer
    )
    ours: Figures = {}
    requests = dict.fromkeys(days, 0)
    by = (By.DAY, By.PROVIDER, By.UPSTREAM_MODEL)
    for total in ledger.records(wanted, by):
        day, whose, model = total.group
        # A day that the export leaves out is not one on which nothing was used.
        if day not in requests:
            continue
        requests[day] += total.figures.requests
        figures = total.figures
        if (
            whose != provider
            or not model
            or not figures.input_tokens
            + (figures.output_tokens + figures.cache_read_tokens + figures.web_searches)
        ):
            continue
        ours.setdefault((day, plain_model(model)), Used()).add(
            Used(
                input=figures.input_tokens,
                cache_write_5m=figures.cache_write_5m_tokens,
                cache_write_1h=figures.cache_write_1h_tokens,
                cache_read=figures.cache_read_tokens,
                output=figures.output_tokens,
                searches=figures.web_searches,
                cost_nano=figures.notional_nano,
                estimated=figures.estimated,
            )
        )
    _check_whole(ledger, requests, payer)
    return ours


def _check_whole(
    ledger: SqlReports, requests: dict[str, int], payer: str | None
) -> None:
    days = sorted(requests)
    wanted = DaysWanted(first=days[0], last=days[-1], payer=payer)
    gone = [
        str(total.group[0])
        for total in ledger.days(wanted, (By.DAY,))
        if total.figures.requests > requests.get(str(total.group[0]), 10**18)
    ]
    if gone:
        end(
            f"Records of {gone[-1]}"
            + (f" and {len(gone) - 1} days more" if gone[1:] else "")
            + " are gone from the ledger (usage.keep_days, or `byok usage prune`), so"
            " there is nothing to compare these days with. Export later ones.",
            UNUSABLE,
        )


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _show(found: Comparison, export: Export) -> None:
    heads = ["DAY", "MODEL"]
    has_tokens, has_cost = bool(export.told - {COST}), COST in export.told
    heads += ["TOKENS", "LEDGER", "DRIFT"] if has_tokens else []
    heads += ["COST", "LEDGER", "DRIFT"] if has_cost else []
    rows: list[list[Text]] = []
    for line in (*found.lines, *found.models):
        row: list[Text] = [line.day or "all days", line.model]
        if has_tokens:
            pair = line.theirs.tokens, line.ours.tokens
            row += [number(pair[0]), number(pair[1]), _drift(*pair)]
        if has_cost:
            pair = line.theirs.cost_nano, line.ours.cost_nano
            row += [money(pair[0]), money(pair[1]), _drift(*pair)]
        rows.append([*row, _remark(line)])
    out().table(rows, heads=[*heads, ""])
    off = sum(bool(line.off) for line in found.lines)
    if off:
        err().line(f"{off} of {len(found.lines)} differ by more than is tolerated.")


def _drift(theirs: int, ours: int) -> str:
    share = drift(theirs, ours)
    return "new" if share is None else f"{float(share * 100):+.2f}%"


def _remark(line: Line) -> Text:
    if not line.off:
        return Styled("ok", Style.GOOD)
    said = f"off: {', '.join(line.off)}"
    if line.ours.estimated:
        said += f" ({line.ours.estimated} requests broke off)"
    return Styled(said, Style.BAD)


def _data(
    found: Comparison, export: Export, *, tolerance: Fraction
) -> dict[str, object]:
    return {
        "tolerance_percent": float(tolerance * 100),
        "compared": [each for each in (*COUNTS, COST) if each in export.told],
        "rows": export.rows,
        "lines": [_line_data(each) for each in found.lines],
        "models": [_line_data(each) for each in found.models],
        "is_off": found.is_off,
    }


def _line_data(line: Line) -> dict[str, object]:
    cost = drift(line.theirs.cost_nano, line.ours.cost_nano)
    tokens = drift(line.theirs.tokens, line.ours.tokens)
    return {
        "day": line.day or None,
        "model": line.model,
        "provider": _used_data(line.theirs),
        "ledger": {**_used_data(line.ours), "estimated": line.ours.estimated},
        "drift_tokens": None if tokens is None else float(tokens),
        "drift_cost": None if cost is None else float(cost),
        "off": list(line.off),
    }


def _used_data(used: Used) -> dict[str, object]:
    counts = {name: getattr(used, name) for name in COUNTS}
    return {**counts, "cost_nano": used.cost_nano}
