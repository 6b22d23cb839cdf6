"""An export of a provider is read by its head, and what is wrong in it is named."""

import pytest

from byok.core.usage_export import Used, plain_model, read_export
from tests.core.exports import COSTS_HEAD, TOKENS_HEAD, cost_row, tokens_row

OPUS = ("2027-01-15", "claude-opus-5-5")
ALL = Used(
    input=10,
    cache_write_5m=40,
    cache_write_1h=50,
    cache_read=30,
    output=20,
    searches=1,
)


def test_the_usage_of_anthropics_console_is_read():
    export = read_export([TOKENS_HEAD, tokens_row(), tokens_row(key="other")])

    twice = Used()
    twice.add(ALL)
    twice.add(ALL)
    assert export.problems == []
    assert export.used == {OPUS: twice}
    assert export.used[OPUS].tokens == 300
    assert export.rows == 2
    assert "cost" not in export.told
    assert "output" in export.told


def test_the_costs_of_anthropics_console_are_read_with_what_they_were_rounded_by():
    export = read_export(
        [COSTS_HEAD, cost_row("input_no_cache", "0.19"), cost_row("output", '"$1,000"')]
    )

    assert export.problems == []
    assert export.used == {
        OPUS: Used(cost_nano=1_000_190_000_000, slack_nano=505_000_000)
    }
    assert export.told == {"cost"}


def test_columns_are_known_by_heads_in_words_and_by_what_is_said():
    spoken = read_export(
        ["\ufeffUsage Date (UTC)\tModel\tOutput Tokens\n", "2027/01/15\tm\t1,024.0\n"]
    )
    said = read_export(
        ["when,sku,tokens out,date,model\n", "2027-01-15T03:00:00Z,m,5,,\n"],
        columns={"day": "When", "model": "SKU", "output": "Tokens-Out"},
    )

    assert spoken.used == {("2027-01-15", "m"): Used(output=1024)}
    assert said.used == {("2027-01-15", "m"): Used(output=5)}


def test_rows_of_others_can_be_passed_over():
    rows = [TOKENS_HEAD, tokens_row(), tokens_row(key="other"), "\n"]

    assert read_export(rows, only={"api_key": "gateway"}).used == {OPUS: ALL}


def test_empty_cells_are_nothing_and_empty_lines_no_rows():
    export = read_export(
        ["date,model,output_tokens\n", "\n", "2027-01-15,m,\n", ",,\n"]
    )

    assert export.used == {("2027-01-15", "m"): Used()}
    assert export.problems == []


def test_a_quoted_comma_moves_no_column():
    row = tokens_row(key='"Team, blue"')

    assert read_export([TOKENS_HEAD, row]).used == {OPUS: ALL}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2027-01-15,m\n", "line 2: has 2 cells, and the head has 4"),
        ("15 Jan,m,1,1\n", "line 2: the day is none: '15 Jan'"),
        ("2027-01-15, ,1,1\n", "line 2: the model is empty"),
        ("2027-01-15,m,-1,1\n", "line 2: output is no count: '-1'"),
        ("2027-01-15,m,1.5,1\n", "line 2: output is no count: '1.5'"),
        ("2027-01-15,m,1,free\n", "line 2: cost is no amount: 'free'"),
        ("2027-01-15,m,1,nan\n", "line 2: cost is no amount: 'nan'"),
        ("2027-01-15,m,1,inf\n", "line 2: cost is no amount: 'inf'"),
        ("2027-01-15,m,1,1e12\n", "line 2: cost is no amount: '1e12'"),
        ("2027-01-15,m,1,1e-99\n", "line 2: cost is no amount: '1e-99'"),
        ('2027-01-15,"m"x,1,1\n', "line 2: ',' expected after '\"'"),
        ('2027-01-15,"m,1,1\n', "line 2: unexpected end of data"),
    ],
)
def test_rows_that_cannot_be_read_are_named_by_their_lines(row, said):
    export = read_export(["date,model,output_tokens,cost\n", row])

    assert (export.problems, export.used) == ([said], {})


def test_what_is_whole_is_read_beside_what_is_not():
    rows = ["date,model,output_tokens\n", "x,m,1\n", "2027-01-15,m,2\n", "2027,m\n"]

    export = read_export(rows)

    assert [each[:7] for each in export.problems] == ["line 2:", "line 4:"]
    assert export.rows == 1


@pytest.mark.parametrize(
    ("head", "options", "said"),
    [
        ("", {}, ["day", "model", "tokens or a cost"]),
        ("date,model\n", {}, ["tokens or a cost"]),
        ("date,output_tokens\n", {}, ["hold the model"]),
        (
            "date,model,cost\n",
            {"columns": {"cost": "amount"}},
            ["no column 'amount'", "tokens or a cost"],
        ),
        ("date,model,cost\n", {"only": {"api_key": "x"}}, ["no column 'api_key'"]),
    ],
)
def test_columns_that_are_missing_are_named(head, options, said):
    export = read_export([head, "2027-01-15,m,1\n"], **options)

    assert len(export.problems) == len(said)
    assert all(
        part in problem for part, problem in zip(said, export.problems, strict=True)
    )
    assert export.used == {}


@pytest.mark.parametrize(
    "name",
    [
        "Claude Sonnet 4.5",
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5@20250929",
        "claude-sonnet-4-5-latest",
        "claude-sonnet-4-5[1m]",
        "Claude Sonnet 4.5 2025-09-29",
    ],
)
def test_one_model_has_one_name(name):
    assert plain_model(name) == "claude-sonnet-4-5"
