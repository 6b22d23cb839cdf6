"""What a provider says was used: a CSV that was exported from its console, read."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction

NANO = 10**9
TOKENS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
COUNTS = (*TOKENS, "searches")
COST = "cost"

NAMES: Mapping[str, tuple[str, ...]] = {
    "day": ("usage_date_utc", "usage_date", "date", "day", "starting_at"),
    "model": ("model_version", "model"),
    "input": ("usage_input_tokens_no_cache", "uncached_input_tokens", "input_tokens"),
    "cache_write_5m": (
        "usage_input_tokens_cache_write_5m",
        "usage_input_tokens_cache_write",
        "ephemeral_5m_input_tokens",
        "cache_creation_input_tokens",
    ),
    "cache_write_1h": (
        "usage_input_tokens_cache_write_1h",
        "ephemeral_1h_input_tokens",
    ),
    "cache_read": ("usage_input_tokens_cache_read", "cache_read_input_tokens"),
    "output": ("usage_output_tokens", "output_tokens"),
    "searches": ("web_search_count", "web_search_requests"),
    "cost": ("cost_usd", "cost", "amount_usd"),
}
"""What each column of an export is called, by what it holds."""

_COUNT = re.compile(r"([0-9]{1,15})(?:\.0+)?", re.ASCII)
_DATED = re.compile(r"[-@](?:latest|[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})")
_MOST_COST = 10**9
_MOST_DIGITS = 30


@dataclass(slots=True, kw_only=True)
class Used:
    """
    What was used of a model on a day.

    *slack_nano* is how far the cost may be off by having been rounded, *estimated*
    how many requests broke off before their last figures.
    """

    input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    output: int = 0
    searches: int = 0
    cost_nano: int = 0
    slack_nano: int = 0
    estimated: int = 0

    def add(self, other: "Used") -> None:
        """Add what *other* holds."""
        for each in fields(self):
            sum_of = getattr(self, each.name) + getattr(other, each.name)
            setattr(self, each.name, sum_of)

    @property
    def tokens(self) -> int:
        """All tokens, of whatever kind."""
        return sum(getattr(self, name) for name in TOKENS)


Figures = dict[tuple[str, str], Used]
"""What was used, by day and by the plain name of a model."""


@dataclass(slots=True, kw_only=True)
class Export:
    """
    An export as it was read.

    *told* is what it has columns for, *problems* are rows that cannot be read, each
    with its line.
    """

    used: Figures = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    rows: int = 0
    problems: list[str] = field(default_factory=list)


class _BadCellError(ValueError):
    """A cell holds something else than its column is for."""


def read_export(
    lines: Iterable[str],
    *,
    columns: Mapping[str, str] | None = None,
    only: Mapping[str, str] | None = None,
) -> Export:
    """
    Read an export; *columns* says where something stands that has another name.

    Rows that do not have in a column what *only* says are passed over.
    """
    export = Export()
    rows = _rows(lines, export)
    number, head = next(rows, (1, []))
    found = _places(head, columns or {}, export, number)
    filters = _filters(head, only or {}, export, number)
    if export.problems:
        return export
    export.told = frozenset(found) & {*COUNTS, COST}
    for number, row in rows:
        if len(row) != len(head):
            export.problems.append(
                f"line {number}: has {len(row)} cells, and the head has {len(head)}"
            )
            continue
        if any(row[at].strip() != value for at, value in filters):
            continue
        try:
            key, used = _read({name: row[at].strip() for name, at in found.items()})
        except _BadCellError as error:
            export.problems.append(f"line {number}: {error}")
        else:
            export.rows += 1
            export.used.setdefault(key, Used()).add(used)
    return export


def plain_model(name: str) -> str:
    """
    Return the name of a model as exports, requests and people have in common.

    `Claude Sonnet 4.5`, `claude-sonnet-4-5-20250929` and `claude-sonnet-4-5[1m]` are
    one model.
    """
    plain = name.strip().lower().partition("[")[0].strip()
    dashed = re.sub(r"[ ._]+", "-", plain)
    return _DATED.sub("", dashed).strip("-")


def _rows(lines: Iterable[str], export: Export) -> Iterator[tuple[int, list[str]]]:
    text = iter(lines)
    first = next(text, "").removeprefix("\ufeff")
    delimiter = "\t" if "\t" in first and "," not in first else ","
    reader = csv.reader(_with_first(first, text), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            # What follows cannot be told from what belongs to this row.
            export.problems.append(f"line {reader.line_num}: {error}")
            return
        if row is None:
            return
        if any(each.strip() for each in row):
            yield reader.line_num, row


def _with_first(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _places(
    head: list[str], columns: Mapping[str, str], export: Export, number: int
) -> dict[str, int]:
    """Return in which column each thing stands; note what is missing."""
    names = [_named(each) for each in head]
    places = {}
    for what, usual in NAMES.items():
        said = columns.get(what)
        wanted = usual if said is None else (_named(said),)
        found = [names.index(each) for each in wanted if each in names]
        if found:
            places[what] = found[0]
        elif said is not None:
            export.problems.append(f"line {number}: there is no column {said!r}")
    for what in ("day", "model"):
        if what not in places:
            export.problems.append(
                f"line {number}: no column is known to hold the {what}"
            )
    if not places.keys() & {*COUNTS, COST}:
        export.problems.append(
            f"line {number}: no column is known to hold tokens or a cost"
        )
    return places


def _filters(
    head: list[str], only: Mapping[str, str], export: Export, number: int
) -> list[tuple[int, str]]:
    names = [_named(each) for each in head]
    filters = []
    for name, value in only.items():
        if _named(name) in names:
            filters.append((names.index(_named(name)), value))
        else:
            export.problems.append(f"line {number}: there is no column {name!r}")
    return filters


def _named(head: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", head.lower()).strip("_")


def _read(cells: Mapping[str, str]) -> tuple[tuple[str, str], Used]:
    model = plain_model(cells["model"])
    if not model:
        raise _BadCellError("the model is empty")
    used = Used()
    for name in COUNTS:
        if cells.get(name):
            setattr(used, name, _count(name, cells[name]))
    if cells.get(COST):
        used.cost_nano, used.slack_nano = _cost(cells[COST])
    return (_day(cells["day"]), model), used


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text[:10].replace("/", "-")).isoformat()
    except ValueError:
        raise _BadCellError(f"the day is none: {_shown(text)}") from None


def _count(name: str, text: str) -> int:
    found = _COUNT.fullmatch(text.replace(",", ""))
    if found is None:
        raise _BadCellError(f"{name} is no count: {_shown(text)}")
    return int(found[1])


def _cost(text: str) -> tuple[int, int]:
    """Return an amount in nanodollars, and how far it may be off by rounding."""
    try:
        amount = Decimal(text.replace("$", "").replace(",", ""))
    except InvalidOperation:
        amount = Decimal("nan")
    exponent = amount.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -_MOST_DIGITS
        or abs(amount) > _MOST_COST
    ):
        raise _BadCellError(f"cost is no amount: {_shown(text)}")
    slack = Fraction(NANO, 2) / 10 ** max(0, -exponent)
    return round(Fraction(amount) * NANO), int(slack)


def _shown(text: str) -> str:
    return repr(text[:40])
