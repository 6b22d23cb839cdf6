"""The table says what was measured, and what was not and why."""

import json

import pytest

from benchmarks.exchange.__main__ import PAGE
from benchmarks.exchange.figures import ROWS
from benchmarks.exchange.report import (
    BEGIN,
    END,
    HEADINGS,
    Run,
    cells,
    for_people,
    in_markdown,
    write_into,
)
from benchmarks.exchange.samples import Samples

COST, *_ = ROWS
IDLE = next(row for row in ROWS if row.figure == "idle_kb")


def run(**more) -> Run:
    samples = Samples()
    for repeat, (haproxy, byok) in enumerate([(20.0, 100.0), (40.0, 160.0)]):
        samples.add("haproxy", repeat, {COST.figure: haproxy, "idle_kb": 5.0})
        samples.add("byok", repeat, {COST.figure: byok, "idle_kb": 25.0})
    known = {
        "date": "2026-11-24",
        "revision": "abc1234",
        "machine": {
            "cores": 2,
            "processor": "a processor",
            "kernel": "6.1",
            "python": "3.11",
            "load_before": 0.1,
            "load_by": "wrk 4.1",
        },
        "versions": {"haproxy": "HAProxy 2.6"},
        "sizes": {"repeats": 2, "idle": 500, "soak_s": 60.0, "events": 400},
        "samples": samples,
        "left_out": {"litellm": "LiteLLM is not installed"},
        "failed": [],
    }
    return Run(**{**known, **more})


def test_a_line_holds_the_medians_and_their_ratio():
    assert dict(zip(HEADINGS, cells(COST, run().samples), strict=True)) == {
        "figure": COST.label,
        "no proxy": "",
        "haproxy": "30.0 µs",
        "byok": "130 µs",
        "byok / haproxy": "4.50",
        "LiteLLM": "—",
        "LiteLLM / byok": "",
    }


def test_memory_is_not_divided():
    line = cells(IDLE, run().samples)

    assert line[2:5] == ("5.00 kB", "25.0 kB", "")


def test_every_row_has_a_name_of_its_own():
    assert len({(row.figure, row.unit) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("words", [for_people, in_markdown])
def test_who_is_left_out_is_said_with_the_reason(words):
    text = words(run(failed=["small of byok (it ended)"], note="A busy machine."))

    assert "litellm is left out: LiteLLM is not installed." in text
    assert "Without a figure: small of byok (it ended)." in text
    assert "A busy machine." in text


def test_the_page_is_changed_between_its_markers_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN} -->\nold\n{END}\n\nAfter\n")

    write_into(page, in_markdown(run()))

    text = page.read_text()
    assert text.startswith(f"# Before\n\n{BEGIN} -->\n")
    assert text.endswith(f"{END}\n\nAfter\n")
    assert "old" not in text
    assert "| 30.0 µs | 130 µs | 4.50 |" in text
    assert "**missed**" not in text.partition("CPU a request, over haproxy's")[0]


def test_a_page_without_markers_is_left_as_it_is(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Nothing to replace\n")

    with pytest.raises(ValueError, match="markers"):
        write_into(page, "text")

    assert page.read_text() == "# Nothing to replace\n"


def test_all_of_it_goes_into_json():
    document = json.loads(json.dumps(run().as_document()))

    assert document["medians"]["byok"] == {COST.figure: 130.0, "idle_kb": 25.0}
    assert document["samples"]["haproxy"][COST.figure] == [20.0, 40.0]
    assert document["targets"][0] == {
        "target": "CPU a request, over haproxy's",
        "first": "≤ 8 x",
        "then": "≤ 4 x",
        "measured": "4.50 x",
        "verdict": "reached",
    }


def test_the_page_has_a_place_for_it(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text("utf-8"), encoding="utf-8")

    write_into(page, "measured\n")

    assert "\nmeasured\n" in page.read_text("utf-8")
