"""What `byok usage` prints: a table with bars, JSON, CSV."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from byok.cli.render import Renderer, Style, Styled, Text, clean, err, out
from byok.cli.usage_report import Report, Top, first_of, rank_of
from byok.core.key_answers import moment
from byok.core.usage_periods import Period
from byok.store.usage import Figures, Total

NANO = 10**9

_HEADS = ("REQUESTS", "INPUT", "OUTPUT", "CACHED", "REAL", "NOTIONAL", "EST.")
# Which of them are left where there is little room, and how many are.
_COLUMNS = ((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 4, 5, 6), (0, 4, 5, 6), (4, 5))
_UNITS = ("", "k", "M", "G", "T", "P")
_WIDTH = 80
_LEAST_NAME = 8
_GOOD_NAME = 20
_MOST_NAME = 32
_LEAST_BAR = 6
_GOOD_BAR = 10
_MOST_BAR = 40
_GAP = 2
_THOUSAND = 1000
_PRECISE_BELOW = 100 * NANO


def show_table(report: Report, *, most: int) -> None:
    """Print the groups that cost most, or the latest days, and the sum of all."""
    asked = report.asked
    top = first_of(report.totals(), most, rank=rank_of(asked.by))
    notes = err()
    if not top.groups:
        notes.line(f"Nothing was used {_said(asked.period)}.")
        _tell_gone(report, notes)
        return
    shown = top.shown[::-1] if asked.by[:1] == ("day",) else top.shown
    names = [" ".join(report.named(each)) for each in shown]
    out().line(Styled(f"Usage {_said(asked.period)}", Style.STRONG))
    for line in _table(asked.by, names, shown, top):
        out().line(*line)
    if top.groups > len(shown):
        rest = top.groups - len(shown)
        notes.line(f"{rest} more are in the total; --top {top.groups} lists all.")
    if top.total.estimated:
        notes.line(
            "EST.: the share of requests that broke off, so that some of their tokens"
            " are reckoned."
        )
    _tell_gone(report, notes)


def show_json(report: Report) -> None:
    """Print every group as JSON, one after the other."""
    asked = report.asked
    head = {
        "since": asked.period.since,
        "until": asked.period.until,
        "by": list(asked.by),
        "from": "days" if asked.is_of_days else "records",
        "records_gone_before": report.gone_before,
    }
    screen, total = out(), dict.fromkeys(asdict(Figures()), 0)
    screen.raw(json.dumps(head)[:-1] + ', "groups": [')
    comma = "\n  "
    for each in report.totals():
        figures = asdict(each.figures)
        for name, value in figures.items():
            total[name] += value
        group = dict(zip(asked.by, each.group, strict=True))
        named = dict(zip(asked.by, report.named(each), strict=True))
        alias = {"key_alias": named["key"]} if "key" in named else {}
        screen.raw(comma + json.dumps({**group, **alias, **_costs(figures)}))
        comma = ",\n  "
    screen.raw(f'\n], "total": {json.dumps(_costs(total))}}}\n')


def show_csv(report: Report) -> None:
    """Print every group as a row, with exact amounts."""
    by = report.asked.by
    figures = [*asdict(Figures())]
    key_alias = ["key_alias"] if "key" in by else []
    head = [*by, *key_alias, *figures, "real_usd", "notional_usd"]
    out().raw(_csv_line(head))
    for each in report.totals():
        alias = [report.named(each)[by.index("key")]] if key_alias else []
        counts = asdict(each.figures)
        out().raw(
            _csv_line(
                [
                    *(_cell(name or "") for name in (*each.group, *alias)),
                    *map(str, counts.values()),
                    exact(counts["cost_nano"]),
                    exact(counts["notional_nano"]),
                ]
            )
        )


def exact(nano: int) -> str:
    """Return an amount in dollars with every digit it has."""
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    return f"{sign}{nano // NANO}.{nano % NANO:09}"


def money(nano: int) -> str:
    """Return an amount as people read it: cents, and less of what is little."""
    digits = 4 if abs(nano) < _PRECISE_BELOW else 2
    # Whole numbers all the way: a float would round what lies between.
    units = (abs(nano) + 10 ** (9 - digits) // 2) // 10 ** (9 - digits)
    sign = "-" if nano < 0 and units else ""
    return f"{sign}${units // 10**digits:,}.{units % 10**digits:0{digits}}"


def number(count: int) -> str:
    """Return a count in at most five letters: 1234, 56.7k, 8.9M."""
    if abs(count) < 10 * _THOUSAND:
        return str(count)
    value, at = float(count), 0
    # What would be rounded to a thousand is one of the next unit.
    while abs(value) >= _THOUSAND - 0.05 and at < len(_UNITS) - 1:
        value /= _THOUSAND
        at += 1
    return f"{value:.1f}{_UNITS[at]}"


def _costs(figures: dict[str, int]) -> dict[str, object]:
    return {
        **figures,
        "real": figures["cost_nano"] / NANO,
        "notional": figures["notional_nano"] / NANO,
    }


def _table(
    by: Sequence[str], names: Sequence[str], shown: Sequence[Total], top: Top
) -> Iterator[list[Text]]:
    rows = [_cells(each.figures) for each in shown]
    total = _cells(top.total)
    heading = " ".join(by).upper()
    longest = min(max(map(len, (heading, "TOTAL", *names))), _MOST_NAME)
    columns, widths, room = _layout(
        (_HEADS, *rows, total), longest, with_estimates=bool(top.total.estimated)
    )
    for_names = min(room, max(_GOOD_NAME, room - _GAP - _GOOD_BAR))
    name_width = max(_LEAST_NAME, min(longest, for_names))
    bar = min(room - name_width - _GAP, _MOST_BAR)

    def line(name: str, cells: Sequence[str], style: Style) -> list[Text]:
        picked = [cells[at] for at in columns]
        return _line(name, picked, name_width, widths, style)

    yield line(heading, _HEADS, Style.FAINT)
    peak = max(each.figures.notional_nano for each in shown)
    for name, cells, each in zip(names, rows, shown, strict=True):
        drawn = _bar(each.figures, peak, bar) if bar >= _LEAST_BAR and peak else []
        yield line(name, cells, Style.PLAIN) + drawn
    yield line("TOTAL", total, Style.STRONG)


def _layout(
    rows: Sequence[Sequence[str]], longest: int, *, with_estimates: bool
) -> tuple[tuple[int, ...], list[int], int]:
    """Return which columns there is room for, their widths, and what room is left."""
    # A terminal that a line fills to the end breaks it.
    terminal = shutil.get_terminal_size((_WIDTH, 24)).columns - 1
    layouts = []
    for usual in _COLUMNS:
        columns = tuple(at for at in usual if with_estimates or _HEADS[at] != "EST.")
        widths = [max(len(row[at]) for row in rows) for at in columns]
        room = terminal - sum(widths) - _GAP * len(widths)
        layouts.append((columns, widths, room))
        if room >= min(longest, _GOOD_NAME) + _GAP + _GOOD_BAR:
            break
    return layouts[-1]


def _cells(figures: Figures) -> tuple[str, ...]:
    read = figures.cache_read_tokens
    written = figures.cache_write_5m_tokens + figures.cache_write_1h_tokens
    prompt = figures.input_tokens + read + written
    return (
        number(figures.requests),
        number(prompt),
        number(figures.output_tokens),
        _percent(read, prompt),
        money(figures.cost_nano),
        money(figures.notional_nano),
        f"~{_percent(figures.estimated, figures.requests)}"
        if figures.estimated
        else "",
    )


def _percent(some: int, of_all: int) -> str:
    if not some:
        return "-"
    share = 100 * some / of_all
    return "<1%" if share < 1 else f"{share:.0f}%"


def _line(
    name: str,
    cells: Sequence[str],
    name_width: int,
    widths: Sequence[int],
    style: Style,
) -> list[Text]:
    if len(clean(name)) > name_width:
        name = f"{clean(name)[: name_width - 3]}..."
    numbers = "".join(
        f"{'':{_GAP}}{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)
    )
    return [Styled(f"{clean(name):<{name_width}}{numbers}".rstrip(), style)]


def _bar(figures: Figures, peak: int, width: int) -> list[Text]:
    """Draw what it costs, and how much of that the organisation pays."""
    full, light = _blocks()
    long = round(width * figures.notional_nano / peak)
    real = min(long, round(width * figures.cost_nano / peak))
    return [
        "  " if long else "",
        Styled(full * real, Style.INFO),
        Styled(light * (long - real), Style.FAINT),
    ]


def _blocks() -> tuple[str, str]:
    blocks = ("\N{FULL BLOCK}", "\N{LIGHT SHADE}")
    try:
        "".join(blocks).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#", "."
    return blocks


def _said(period: Period) -> str:
    if period.is_whole_days:
        first, last = period.first_day, period.last_day
        words = [f"since {first}"] if first else []
        words += [f"until {last}"] if last else []
        return f"{' '.join(words)} (UTC)" if words else "of all time"
    ends = (("from", period.since), ("until", period.until))
    return " ".join(f"{word} {moment(at)}" for word, at in ends if at is not None)


def _tell_gone(report: Report, notes: Renderer) -> None:
    if report.gone_before is not None:
        notes.line(
            f"Records of before {report.gone_before} are gone (usage.keep_days, or"
            " `byok usage prune`), and what they hold is not in these figures. Whole"
            " days by key, user, team, model, deployment or payer have it still."
        )


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _cell(text: str) -> str:
    """Return a name that a client chose as no spreadsheet takes for a formula."""
    text = clean(text)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text
