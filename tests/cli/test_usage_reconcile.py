"""`byok usage reconcile`, as whoever checks an invoice meets it."""

import json
import time
from pathlib import Path

import pytest

from byok.store.usage import day_of
from tests.cli.ledgers import STORE, LedgerDesk, prune
from tests.core.exports import COSTS_HEAD, TOKENS_HEAD, cost_row, tokens_row
from tests.store.test_usage import DAY_S, FULL, NOON, usage_record

CENT = 10**7


@pytest.fixture
def desk(tmp_path):
    desk = LedgerDesk(tmp_path, STORE)
    desk.fill(
        usage_record(1, **FULL),
        usage_record(2, **(FULL | {"payer": "user-key"})),
        usage_record(3, **(FULL | {"provider": "openai"})),
        usage_record(4, payer="org", provider="anthropic", status=529),
    )
    return desk


def exported(desk: LedgerDesk, *lines: str) -> str:
    file = desk.config.with_name("export.csv")
    file.write_text("".join(lines), "utf-8")
    return str(file)


def reconciled(desk: LedgerDesk, *words: str, code: int = 0, said: str = "") -> str:
    result = desk.run("usage", "reconcile", *words, code=code)
    assert said in result.stderr, result.stderr
    return result.stdout


def test_what_both_say_is_the_same(desk):
    text = reconciled(desk, exported(desk, TOKENS_HEAD, tokens_row()))

    assert [line.split() for line in text.splitlines()] == [
        ["DAY", "MODEL", "TOKENS", "LEDGER", "DRIFT"],
        ["2027-01-15", "claude-opus-5-5", "150", "150", "+0.00%", "ok"],
        ["all", "days", "claude-opus-5-5", "150", "150", "+0.00%", "ok"],
    ]


def test_a_drift_is_shown_and_ends_with_one(desk):
    file = exported(
        desk,
        TOKENS_HEAD,
        tokens_row(counts="10,40,50,30,40,1"),
        tokens_row(model="claude-haiku-5-5", counts="0,0,0,0,0,2"),
    )

    text = reconciled(desk, file, code=1, said="2 of 2 differ by more than")
    reconciled(desk, file, "--tolerance", "100%")

    lines = text.splitlines()
    assert lines[1].endswith("+0.00%   off: searches")
    assert lines[2].endswith("150     -11.76%  off: output (1 requests broke off)")


def test_costs_are_compared_within_their_rounding(tmp_path):
    desk = LedgerDesk(tmp_path, STORE)
    desk.fill(usage_record(1, **(FULL | {"notional_nano": 25 * CENT + CENT // 2})))
    same = [cost_row("input_no_cache", "0.05"), cost_row("output", "0.20")]
    strict = ["--tolerance", "0"]

    text = reconciled(desk, exported(desk, COSTS_HEAD, *same), *strict)
    off = [COSTS_HEAD, cost_row("output", "0.20")]
    data = json.loads(reconciled(desk, exported(desk, *off), *strict, "--json", code=1))

    assert text.splitlines()[0].split() == ["DAY", "MODEL", "COST", "LEDGER", "DRIFT"]
    assert "$0.2500  $0.2550  +2.00%  ok" in text
    (line,) = data["lines"]
    assert (line["off"], line["drift_cost"]) == (["cost"], 0.275)
    assert line["ledger"]["cost_nano"] == 25 * CENT + CENT // 2
    assert (data["compared"], data["is_off"]) == (["cost"], True)
    assert data["models"][0]["day"] is None


def test_the_export_of_somebody_else_is_compared_with_theirs(desk):
    file = exported(desk, TOKENS_HEAD, tokens_row(), tokens_row(key="elsewhere"))

    reconciled(desk, file, code=1)
    reconciled(desk, file, "--where", "api_key=gateway")
    reconciled(desk, file, "--payer", "all")
    reconciled(desk, exported(desk, TOKENS_HEAD, tokens_row()), "--provider", "openai")


def test_columns_can_be_named(desk):
    file = exported(desk, "when,sku,out\n", "2027-01-15,claude-opus-5-5,20\n")

    reconciled(desk, file, code=2, said="no column is known to hold the day")
    names = ["day=when", "model=sku", "output=out"]
    reconciled(desk, file, *(word for each in names for word in ("--column", each)))


def test_what_only_the_ledger_has_on_these_days_is_a_drift(desk):
    desk.fill(usage_record(9, **(FULL | {"upstream_model": "claude-haiku-5-5"})))
    desk.fill(usage_record(10, at=NOON + DAY_S, **FULL))
    later = tokens_row(day="2027-01-17", counts="0,0,0,0,0,0")

    text = reconciled(desk, exported(desk, TOKENS_HEAD, tokens_row(), later), code=1)

    (haiku,) = [
        line
        for line in text.splitlines()
        if line.startswith("2027-01-15  cla") and "haiku" in line
    ]
    assert haiku.split()[2:5] == ["0", "150", "new"]
    # The day in between is not in the export, and so not compared.
    assert "2027-01-16" not in text


def test_rows_that_cannot_be_read_are_named_and_nothing_is_compared(desk):
    bad = tokens_row(counts="x,0,0,0,0,0")
    file = exported(desk, TOKENS_HEAD, tokens_row(), *[bad] * 25)

    result = desk.run("usage", "reconcile", file, code=2)

    assert f"{file}: line 3: input is no count: 'x'" in result.stderr
    assert "and 5 rows more" in result.stderr
    assert result.stdout == ""


def test_days_that_are_gone_from_the_ledger_are_not_compared(desk):
    desk.fill(*(usage_record(each, at=NOON - DAY_S, **FULL) for each in (20, 21)))
    file = exported(desk, TOKENS_HEAD, tokens_row(), tokens_row(day="2027-01-14"))
    prune(desk.store, NOON)

    reconciled(desk, file, code=2, said="Records of 2027-01-14 are gone")
    prune(desk.store, NOON + DAY_S)
    reconciled(desk, file, code=2, said="2027-01-15 and 1 days more are gone")


def test_a_day_that_is_not_over_is_told(desk):
    today = day_of(time.time())

    reconciled(
        desk,
        exported(desk, TOKENS_HEAD, tokens_row(day=today, counts="0,0,0,0,0,0")),
        said=f"{today} is not over" if today == day_of(time.time()) else "is not over",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tolerance", "much"], "--tolerance: a number from 0 to 100"),
        (["--tolerance", "101"], "--tolerance: a number from 0 to 100"),
        (["--tolerance", "nan"], "--tolerance: a number from 0 to 100"),
        (["--column", "colour=x"], "--column: write day or model or"),
        (["--column", "day"], "--column: write day or model or"),
        (["--where", "api_key="], "--where: write HEAD, = and a value"),
    ],
)
def test_wrong_words_are_told(desk, words, said):
    file = exported(desk, TOKENS_HEAD, tokens_row())

    reconciled(desk, file, *words, code=2, said=said)


def test_files_and_stores_that_cannot_be_used_are_told(desk):
    file = exported(desk, TOKENS_HEAD)
    reconciled(desk, file, code=2, said="has no row to compare")
    reconciled(desk, f"{file}.gone", code=2, said="No such file")
    Path(file).write_bytes(b"\xff\xfe")
    reconciled(desk, file, code=2, said="is no UTF-8 text")
    file = exported(desk, TOKENS_HEAD, tokens_row())
    desk.store.unlink()
    reconciled(desk, file, code=2, said="nothing was used yet")
