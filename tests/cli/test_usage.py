"""`byok usage`, as whoever has to pay meets it."""

import csv
import io
import json
import sqlite3
from typing import Any

import pytest

from byok.cli.usage_screens import exact, money, number
from byok.core.databases import without_password
from byok.core.usage_record import UsageRecord
from byok.store.opening import open_keys
from tests.cli.ledgers import STORE, LedgerDesk, fill, prune
from tests.store.records import PEPPER, record
from tests.store.test_usage import DAY_S, FULL, NOON, usage_record
from tests.support.keys import STORE_PASSWORD, VIRTUAL_KEY
from tests.support.postgres import Cluster

DOLLAR = 10**9


def paid(number: int, dollars: float, **more: Any) -> UsageRecord:
    """Make a record of what the organisation paid."""
    nano = round(dollars * DOLLAR)
    return usage_record(
        number, **(FULL | {"cost_nano": nano, "notional_nano": nano} | more)
    )


def own(number: int, dollars: float, **more: Any) -> UsageRecord:
    """Make a record of what a developer paid."""
    return paid(number, dollars, cost_nano=0, payer="user-key", **more)


@pytest.fixture
def desk(tmp_path):
    return LedgerDesk(tmp_path, STORE)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def test_models_are_shown_by_what_they_cost_with_real_and_notional_cost_apart(desk):
    desk.fill(
        paid(1, 3, model="opus"),
        own(2, 6, model="sonnet", estimated=False),
        own(3, 3, model="opus", estimated=False),
        usage_record(4, notional_nano=None),
    )

    result = desk.usage(columns=100)

    assert result.stdout.splitlines()[0] == "Usage since 2027-01-01 (UTC)"
    assert rows(result.stdout) == [
        ["MODEL", "REQUESTS", "INPUT", "OUTPUT", "CACHED", "REAL", "NOTIONAL", "EST."],
        [
            *["opus", "2", "260", "40", "23%", "$3.0000", "$6.0000", "~50%"],
            "\u2588" * 16 + "\u2591" * 15,
        ],
        ["sonnet", "1", "130", "20", "23%", "$0.0000", "$6.0000", "\u2591" * 31],
        ["-", "1", "0", "0", "-", "$0.0000", "$0.0000"],
        ["TOTAL", "4", "390", "60", "23%", "$3.0000", "$12.0000", "~25%"],
    ]
    assert "EST.: the share of requests that broke off" in result.stderr


@pytest.mark.parametrize("columns", [20, 60, 70, 80, 120, 300])
def test_the_table_fits_the_terminal(desk, columns):
    desk.fill(
        paid(1, 12_345, model="a" * 100), own(2, 1, model="b"), paid(3, 0, model="c")
    )

    lines = desk.usage(columns=columns).stdout.splitlines()

    assert max(map(len, lines)) < max(columns, 40)
    assert ("\u2588" in "".join(lines)) == (columns >= 60)
    assert sum("..." in line for line in lines) == 1


def test_a_terminal_that_knows_ascii_alone_has_bars_too(desk, monkeypatch):
    desk.fill(paid(1, 2), own(2, 2))
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.encoding", "ascii")

    assert "##" in desk.usage().stdout


def test_days_are_shown_in_their_order(desk):
    desk.fill(*(paid(each, 9 - each, at=NOON + each * DAY_S) for each in range(5)))

    result = desk.usage("--by", "day", "--top", "3")

    assert [row[0] for row in rows(result.stdout)] == [
        *["DAY", "2027-01-17", "2027-01-18", "2027-01-19", "TOTAL"]
    ]
    assert "$35.0000" in result.stdout
    assert result.stderr.startswith("2 more are in the total; --top 5 lists all.")


def test_keys_are_shown_by_their_aliases_and_found_by_them(desk):
    with open_keys(desk.store, (PEPPER,)) as store:
        store.keys.insert(record(key_alias="anne"))
    token = record().token_id
    desk.fill(paid(1, 1, key_id=token), paid(2, 2, key_id="key_gone"))

    names = [row[0] for row in rows(desk.usage("--by", "key").stdout)]

    assert names == ["KEY", "key_gone", "anne", "TOTAL"]
    (group,) = desk.json("--by", "key", "--key", "anne")["groups"]
    assert (group["key"], group["key_alias"], group["real"]) == (token, "anne", 1.0)
    (gone,) = desk.json("--by", "key", "--key", "key_gone")["groups"]
    assert (gone["key_alias"], gone["requests"]) == ("key_gone", 1)


@pytest.mark.parametrize(
    ("by", "of", "groups"),
    [
        ("user", "--team=growth", ["anne", "bob"]),
        ("team", "--user=bob", ["growth"]),
        ("deployment", "--payer=org", ["main"]),
        ("payer", "--deployment=main", ["org", "user-key"]),
        ("session", "--model=m", ["s-1", "s-2"]),
        ("agent", "--session=s-2", ["a-1"]),
        ("end-user", "--session=s-1", ["ü☂"]),
        ("provider", "--end-user=ü☂", ["anthropic"]),
        ("upstream-model", "--since=2027-01-15T12:00:02Z", [FULL["upstream_model"]]),
    ],
)
def test_usage_is_added_up_by_all_that_is_known(desk, by, of, groups):
    desk.fill(paid(1, 1, model="m"), own(2, 2, model="m", user="bob", session="s-2"))

    found = desk.json("--by", by, of)["groups"]

    assert [each[by] for each in found] == groups


def test_several_groups_are_made_finer(desk):
    desk.fill(paid(1, 1), own(2, 2), own(3, 2))

    found = desk.json("--by", "user", "--by", "payer", "--by", "user")

    assert found["by"] == ["user", "payer"]
    assert [
        (each["user"], each["payer"], each["requests"]) for each in found["groups"]
    ] == [("anne", "org", 1), ("anne", "user-key", 2)]
    assert (found["total"]["requests"], found["total"]["notional"]) == (3, 5.0)
    assert found["from"] == "days"


def test_what_was_used_within_a_day_is_looked_up_in_records(desk):
    desk.fill(paid(1, 1), paid(10, 2))

    until = desk.json("--until", "2027-01-15T12:00:05Z")
    of_days = desk.json("--until", "2027-01-15")

    assert (until["from"], until["total"]["requests"]) == ("records", 1)
    assert (of_days["from"], of_days["total"]["requests"]) == ("days", 2)
    text = desk.usage("--until", "2027-01-15T12:00:05Z").stdout
    assert text.startswith(
        "Usage from 2027-01-01T00:00:00Z until 2027-01-15T12:00:05Z\n"
    )
    assert "until 2027-01-15 (UTC)" in desk.usage("--until", "2027-01-15").stdout


def test_csv_has_every_group_with_exact_amounts(desk):
    desk.fill(
        paid(1, 0, team="=1+1", cost_nano=1, notional_nano=1_000_000_001),
        paid(2, 0, team='a "b", c', cost_nano=10**12 + 1, notional_nano=None),
    )

    text = desk.usage("--by", "team", "--by", "key", "--csv").stdout

    found = list(csv.DictReader(io.StringIO(text)))
    assert [
        (each["team"], each["key_alias"], each["real_usd"], each["notional_usd"])
        for each in found
    ] == [
        ("'=1+1", "key_1", "0.000000001", "1.000000001"),
        ('a "b", c', "key_1", "1000.000000001", "0.000000000"),
    ]
    assert found[0]["cache_read_tokens"] == "30"


def test_json_and_csv_of_nothing_are_whole(desk):
    desk.fill()

    assert desk.json()["groups"] == []
    assert desk.usage("--csv").stdout.count("\n") == 1


def test_an_empty_ledger_is_said(desk):
    desk.fill()

    result = desk.usage()

    assert (result.stdout, result.stderr) == (
        "",
        "Nothing was used since 2027-01-01 (UTC).\n",
    )
    assert "of all time" in desk.usage("--since", "all").stderr


def test_a_store_that_is_not_there_is_said_and_not_made(desk):
    assert "nothing was used yet" in desk.usage(code=2).stderr
    assert not desk.store.exists()


def test_a_store_of_a_former_release_names_the_command(desk):
    desk.fill()
    with sqlite3.connect(desk.store) as database:
        database.execute("UPDATE alembic_version SET version_num = '0006'")
    database.close()

    assert "byok db upgrade" in desk.usage(code=2).stderr


def test_records_that_are_gone_are_told_where_they_are_missed(desk):
    desk.fill(paid(1, 1), paid(2, 2, at=NOON + 3 * DAY_S))
    prune(desk.store, NOON + DAY_S)

    sessions = desk.usage("--by", "session")

    assert "Records of before 2027-01-18 are gone" in sessions.stderr
    assert desk.json("--by", "session")["records_gone_before"] == "2027-01-18"
    assert desk.json("--by", "session")["total"]["requests"] == 1
    assert desk.json("--by", "user")["total"]["requests"] == 2
    for words in (
        ["--by", "user"],
        ["--by", "session", "--since", "2027-01-18"],
        ["--by", "session", "--until", "2027-01-14"],
    ):
        assert desk.json(*words)["records_gone_before"] is None
    prune(desk.store, NOON + 9 * DAY_S)
    assert "Records of before today are gone" in desk.usage("--by", "agent").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "soon"], "--since: a span such as 7d"),
        (["--until", "soon"], "--until: a span such as 7d"),
        (["--json", "--csv"], "one of them"),
        (["--by", "colour"], "'colour' is not one of"),
        (["prun"], "Did you mean prune?"),
        (["--top", "5", "prune"], "stand behind its name"),
    ],
)
def test_wrong_words_are_told(desk, words, said):
    assert said in desk.usage(*words, code=2).stderr


def test_a_key_itself_is_no_name_of_it(desk):
    desk.fill()

    result = desk.usage("--key", VIRTUAL_KEY, code=2)

    assert "token id" in result.stderr
    assert VIRTUAL_KEY not in result.output


def test_usage_is_read_beside_a_gateway_that_writes(desk):
    desk.fill(paid(1, 1))
    with sqlite3.connect(desk.store, isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM usage")

        found = desk.json("--by", "session")

        writer.execute("ROLLBACK")
    writer.close()
    assert found["total"]["requests"] == 1


@pytest.mark.parametrize(
    ("nano", "shown", "whole"),
    [
        (0, "$0.0000", "0.000000000"),
        (49_999, "$0.0000", "0.000049999"),
        (50_000, "$0.0001", "0.000050000"),
        (99_999_950_000, "$100.0000", "99.999950000"),
        (123_456_789_000_000, "$123,456.79", "123456.789000000"),
        (-1_500_000_000, "-$1.5000", "-1.500000000"),
        (-1, "$0.0000", "-0.000000001"),
    ],
)
def test_money_is_shown_in_whole_numbers(nano, shown, whole):
    assert (money(nano), exact(nano)) == (shown, whole)


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (9999, "9999"),
        (10_000, "10.0k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (-25_000, "-25.0k"),
        (10**15, "1.0P"),
        (10**19, "10000.0P"),
    ],
)
def test_counts_are_shown_short(count, shown):
    assert number(count) == shown


@pytest.mark.postgres
def test_usage_is_read_from_a_database_server(tmp_path, postgres: Cluster, monkeypatch):
    server = postgres.database()
    desk = LedgerDesk(tmp_path, STORE)
    shown = without_password(server.url)
    monkeypatch.setenv("BYOK_TEST_PW", STORE_PASSWORD)
    desk.write(
        f"{{url: '{shown}', password: os.environ/BYOK_TEST_PW}}",
        "  key_pepper: os.environ/BYOK_TEST_PEPPER\n",
    )
    fill(server, [paid(1, 1), own(2, 2, session="s-2")])

    assert desk.json("--by", "payer")["total"]["notional"] == 3.0
    found = desk.json("--by", "session", "--by", "day")["groups"]
    assert [(each["session"], each["day"]) for each in found] == [
        ("s-1", "2027-01-15"),
        ("s-2", "2027-01-15"),
    ]


def test_the_cost_of_a_request_is_explained(desk):
    desk.fill(usage_record(1, **FULL))

    result = desk.run("cost", "explain", "req_0001")
    data = json.loads(desk.run("cost", "explain", "req_0001", "--json").stdout)

    assert result.stdout.startswith("request   req_0001\nmodel     claude-opus-5-5, ")
    assert "differs   recorded by the prices of 2026-11-24; by " in result.stdout
    assert "those of 2026-11-24, by which it was recorded, are not kept" in (
        " ".join(result.stderr.split())
    )
    assert data["differs"] is True
    assert data["recorded"] == {
        "price_version": "2026-11-24",
        "cost_nano": 123_456_789,
        "notional_nano": 123_456_790,
    }
    assert data["now"]["notional_nano"] == sum(
        round(each["usd"] * DOLLAR) for each in data["now"]["steps"]
    )
    assert data["record"]["cache_read_tokens"] == 30


def test_the_cost_of_what_has_no_price_is_explained(desk):
    desk.fill(usage_record(1))

    data = json.loads(desk.run("cost", "explain", "req_0001", "--json").stdout)

    assert data["now"]["price"] is None
    assert (data["now"]["steps"], data["differs"]) == ([], False)
    assert desk.run("cost", "explain", "req_0001").stderr == ""


def test_a_cost_that_nobody_recorded_is_told(desk):
    desk.fill()

    assert "no record of req_x" in desk.run("cost", "explain", "req_x", code=1).stderr
    desk.store.unlink()
    assert "nothing was used yet" in (
        desk.run("cost", "explain", "req_x", code=2).stderr
    )
