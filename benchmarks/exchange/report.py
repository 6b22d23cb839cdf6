"""The run in words: a table for people, the same in Markdown, all of it in JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exchange.figures import (
    BYOK,
    DIRECT,
    HAPROXY,
    LITELLM,
    ROWS,
    TARGETS,
    Row,
    rounded,
)
from benchmarks.exchange.samples import Samples

BEGIN = "<!-- benchmarks.exchange writes from here"
END = "<!-- to here -->"
_NONE = "—"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that is known of one run; *left_out* are subjects with a reason."""

    date: str
    revision: str
    machine: Mapping[str, object]
    versions: Mapping[str, str]
    sizes: Mapping[str, object]
    samples: Samples
    left_out: Mapping[str, str]
    failed: Sequence[str]
    note: str = ""

    def as_document(self) -> dict[str, object]:
        """Return the run as it goes into JSON."""
        return {
            "date": self.date,
            "revision": self.revision,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "sizes": dict(self.sizes),
            "note": self.note,
            "left_out": dict(self.left_out),
            "failed": list(self.failed),
            "medians": {
                subject: {
                    row.figure: round(value, 4)
                    for row in ROWS
                    if (value := self.samples.median(subject, row.figure)) is not None
                }
                for subject in self.samples.subjects
            },
            "targets": [
                {
                    "target": each.label,
                    "first": each.goal(each.first),
                    "then": each.goal(each.then),
                    "measured": each.shown(self.samples),
                    "verdict": each.verdict(self.samples),
                }
                for each in TARGETS
            ],
            "samples": self.samples.as_document(),
        }


HEADINGS = (
    "figure",
    "no proxy",
    "haproxy",
    "byok",
    "byok / haproxy",
    "LiteLLM",
    "LiteLLM / byok",
)


def cells(row: Row, samples: Samples) -> tuple[str, ...]:
    """Return one line of the table."""

    def value(subject: str) -> str:
        found = samples.median(subject, row.figure)
        return _NONE if found is None else f"{rounded(found)} {row.unit}"

    def ratio(subject: str, other: str) -> str:
        found = samples.ratio(subject, other, row.figure) if row.compares else None
        return "" if found is None else rounded(found)

    return (
        row.label,
        value(DIRECT) if samples.values(DIRECT, row.figure) else "",
        value(HAPROXY),
        value(BYOK),
        ratio(BYOK, HAPROXY),
        value(LITELLM),
        ratio(LITELLM, BYOK),
    )


def for_people(run: Run) -> str:
    """Return the tables as they are printed."""
    rows = [HEADINGS, *(cells(row, run.samples) for row in ROWS)]
    goals = [
        ("target", "measured", "first", "then", ""),
        *(
            (
                each.label,
                each.shown(run.samples),
                each.goal(each.first),
                each.goal(each.then),
                each.verdict(run.samples).replace("**", ""),
            )
            for each in TARGETS
        ),
    ]
    return "\n".join([*_aligned(rows), "", *_aligned(goals), "", *_notes(run)])


def in_markdown(run: Run) -> str:
    """Return the part of the page that is measured."""
    lines = [
        f"Measured on {run.date}, of revision {run.revision}.",
        f"{run.machine['cores']} cores ({run.machine['processor']}),",
        f"Linux {run.machine['kernel']}, Python {run.machine['python']};",
        f"load by {run.machine['load_by']}.",
        "",
        *(f"* {name}: {text}" for name, text in run.versions.items()),
        "",
        *_table([HEADINGS, *(cells(row, run.samples) for row in ROWS)]),
        "",
        *(f"{line}\n" for line in _notes(run)),
        "## What was to be reached",
        "",
        *_table(
            [
                ("figure", "measured", "first", "then", "verdict"),
                *(
                    (
                        each.label,
                        each.shown(run.samples),
                        each.goal(each.first),
                        each.goal(each.then),
                        each.verdict(run.samples),
                    )
                    for each in TARGETS
                ),
            ]
        ),
    ]
    return "\n".join(lines) + "\n"


def write_into(page: Path, text: str) -> None:
    """Put *text* in place of what stands between the markers in *page*."""
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    comment, closes, rest = rest.partition("-->\n")
    _, end, after = rest.partition(END)
    if not (begin and closes and end):
        raise ValueError(f"{page}: the markers of the measured part are not there")
    page.write_text(
        f"{before}{begin}{comment}{closes}\n{text}\n{end}{after}", encoding="utf-8"
    )


def _notes(run: Run) -> list[str]:
    sizes = run.sizes
    notes = [
        f"Medians of {sizes['repeats']} repeats; ratios are of the same repeat.",
        f"{sizes['idle']} idle streams, a soak of {sizes['soak_s']:g} s,",
        f"{sizes['events']} events in each of 16 streams.",
        f"The machine's load was {run.machine['load_before']} before the run.",
    ]
    notes = [" ".join(notes)]
    notes += [f"{name} is left out: {why}." for name, why in run.left_out.items()]
    notes += [f"Without a figure: {each}." for each in run.failed]
    if run.note:
        notes.append(run.note)
    return notes


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(row) + " |"

    rule = "|" + "|".join(["---", *["--:"] * (len(rows[0]) - 1)]) + "|"
    return [line(rows[0]), rule, *map(line, rows[1:])]
