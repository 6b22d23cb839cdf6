"""What decisions are asked for is read strictly, in one way everywhere."""

import pytest

from byok.core.decision_queries import USUAL_LIMIT, Wanted, read_wanted
from byok.core.errors import Refusal

NOW = 1_800_000_000.0


def test_nothing_asked_is_the_latest_of_all():
    assert read_wanted({}, now=NOW) == Wanted(limit=USUAL_LIMIT)


def test_each_word_narrows_the_list():
    asked = {
        "key": "anne",
        "deployment": "main",
        "verdict": "deny",
        "rule": "no-oauth",
        "payer": "org",
        "shadow": "TRUE",
        "since": "12h",
        "limit": "7",
    }

    assert read_wanted(asked, now=NOW) == Wanted(
        key="anne",
        deployment="main",
        verdict="deny",
        rule="no-oauth",
        payer="org",
        shadow=True,
        since=NOW - 12 * 3600,
        limit=7,
    )


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T08:00:00", NOW),
        ("2027-01-15T09:00:00+01:00", NOW),
        ("30m", NOW - 1800),
    ],
)
def test_since_is_a_moment_or_a_span(text, since):
    found = read_wanted({"since": text}, now=NOW)

    assert isinstance(found, Wanted)
    assert found.since == since


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "yesterday"},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "10000000000"},
        {"limit": "x"},
        {"limit": "²"},
        {"shadow": "maybe"},
        {"verdict": "strip"},
        {"payer": "me"},
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(asked):
    found = read_wanted(asked, now=NOW)

    assert isinstance(found, Refusal)
    (name,) = asked
    assert found.message.startswith(f"{name}: ")
    assert found.code == "decisions.bad-query"


def test_a_rule_is_found_by_its_whole_name():
    wanted = Wanted(rule="no")

    assert wanted.names_rule('{"rule":"no"}')
    assert not wanted.names_rule('{"rule":"no-oauth"}')
    assert Wanted().names_rule("{}")
