"""Explaining the past, and the same request by another configuration."""

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from byok.core.secret import Secret
from byok.resources import schema_file
from byok.store.opening import open_keys
from tests.cli.recorded import AFTER, BEFORE, Desk
from tests.core.asking import DEVELOPER, GATEWAY_KEY
from tests.store.records import record as key_record
from tests.support import keys

EXPLANATION = Draft202012Validator(
    json.loads(schema_file("explain-v1.schema.json").read_text("utf-8"))
)
API_KEY = "x-api-key: <anthropic.api_key>"
GATEWAY = "x-litellm-api-key: <gateway>"


@pytest.fixture
def desk(tmp_path):
    """Return a directory with a configuration and another one."""
    found = Desk(tmp_path)
    found.write("new.yaml", AFTER)
    return found


def new(desk):
    return str(desk.directory / "new.yaml")


# --from-log


def test_a_recorded_decision_is_explained_by_the_present_configuration(desk):
    name = desk.record()

    text = desk.explain("--from-log", name).stdout
    data = desk.json(desk.explain("--from-log", name, "--json"))

    assert "FORWARD  x-api-key" in text
    assert "assumed    values of headers are made up" in text
    EXPLANATION.validate(data)
    assert data["decision_id"] == name
    assert data["warnings"] == []


def test_what_changed_since_is_told(desk):
    name = desk.record()
    desk.config.write_text(AFTER)

    data = desk.json(desk.explain("--from-log", name, "--json"))

    assert "since it was recorded: payer: user-key -> org" in data["warnings"]


def test_the_log_of_another_configuration_is_read(desk):
    name = desk.record()
    elsewhere = desk.directory / "elsewhere"
    elsewhere.mkdir()
    other = elsewhere / "new.yaml"
    other.write_text(AFTER)

    result = desk.run(
        ["explain-request", "-c", other, "--log", desk.config, "--from-log", name]
    )

    assert "payer: org" in result.stdout


def test_the_key_is_judged_as_it_is_now(desk):
    record = key_record(key_alias="anne")
    caller = DEVELOPER.of_key(record, "x-litellm-api-key", Secret(keys.VIRTUAL_KEY))
    name = desk.record(caller=caller)
    with open_keys(desk.directory / "byok.db", (Secret(keys.KEY_PEPPER),)) as store:
        store.keys.insert(replace(record, models=("other",)))

    data = desk.json(desk.explain("--from-log", name, "--json"))

    assert data["refusal"]["code"] == "auth.model-not-allowed"


def test_a_decision_that_cannot_be_made_again_is_told(desk):
    name = desk.record(model="gpt-9")

    result = desk.explain("--from-log", name, code=2)

    assert "refused before its headers were looked at" in result.stderr


def test_a_decision_that_is_not_there_is_told(desk):
    desk.record()

    assert (
        "no decision req_none" in desk.explain("--from-log", "req_none", code=1).stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--from-log", "req_1", "-H", API_KEY],
        ["--from-log", "req_1", "--model", "claude"],
        ["--replay", "last:5", "--key", "anne"],
        ["--replay", "last:5", "--from-log", "req_1"],
        ["--replay", "5"],
        ["--replay", "last:0"],
    ],
)
def test_a_recorded_request_is_explained_alone(desk, words):
    desk.record()

    desk.explain(*words, code=2)


# --replay


def test_only_what_would_change_is_listed_grouped_by_the_change(desk):
    for number in range(1, 6):
        desk.record(number=number)
    desk.record((GATEWAY_KEY,), number=6)
    desk.record(model="gpt-9", number=7)
    words = ["explain-request", "-c", new(desk), "--replay", "last:1000"]

    text = desk.run(words).stdout
    data = desk.json(desk.run([*words, "--json", "--exit-code"], code=3))

    lines = text.splitlines()
    assert lines[0] == "6 decisions were made again, 5 differently"
    assert lines[1].startswith("1 could not be made again: it was refused before")
    assert "5 decisions" in lines
    assert "  payer: user-key -> org" in lines
    assert lines[-1].endswith("and 2 more")
    (group,) = data["groups"]
    assert (data["replayed"], data["changed"], group["count"]) == (6, 5, 5)
    assert len(group["decisions"]) == 5
    assert {each["slot"] for each in group["changes"]} == {
        "header:x-api-key",
        "credential",
        "payer",
    }


def test_the_same_rules_change_nothing(desk):
    desk.record()

    result = desk.explain("--replay", "last:5", "--exit-code")

    assert result.stdout == "1 decision was made again, 0 differently\n"


def test_rules_about_addresses_cannot_be_replayed_exactly(desk):
    desk.record()
    rule = (
        "  policies:\n    - {id: here, match: {client_ip: 10.0.0.0/8},"
        " action: {deny: {}}}\n"
    )
    desk.config.write_text(BEFORE + rule)

    result = desk.explain("--replay", "last:5")

    assert "assumed: client_ip is unknown" in result.stdout


def test_a_replay_needs_decisions(desk):
    assert (
        "nothing was recorded yet" in desk.explain("--replay", "last:5", code=2).stderr
    )


# --diff


def test_two_configurations_are_compared_line_by_line(desk):
    words = ["-H", GATEWAY, "-H", API_KEY, "--diff", new(desk)]

    lines = desk.explain(*words).stdout.splitlines()
    data = desk.json(desk.explain(*words, "--json", "--exit-code", code=3))

    assert lines[0] == f"--- {desk.config}"
    assert lines[1] == f"+++ {new(desk)}"
    assert any(line.startswith("- FORWARD  x-api-key") for line in lines)
    assert any(line.startswith("+ STRIP    x-api-key") for line in lines)
    assert "changed    payer: user-key -> org" in lines
    assert {each["slot"] for each in data["changes"]} >= {"payer", "credential"}
    EXPLANATION.validate(data["before"])
    EXPLANATION.validate(data["after"])


def test_configurations_that_do_the_same_differ_in_nothing(desk):
    desk.write("same.yaml", "\n\n" + BEFORE)
    words = ["-H", API_KEY, "--diff", str(desk.directory / "same.yaml")]

    result = desk.explain(*words, "--exit-code")

    lines = result.stdout.splitlines()
    assert lines[-1] == "Both do the same."
    assert all(line.startswith(" ") or not line for line in lines[2:-1])


def test_a_recorded_decision_is_compared_as_well(desk):
    name = desk.record()

    result = desk.explain(
        "--from-log", name, "--diff", new(desk), "--exit-code", code=3
    )

    assert "changed    payer: user-key -> org" in result.stdout


def test_another_configuration_that_is_not_valid_is_told(desk):
    desk.write("new.yaml", "model_list: 5\n")

    assert "byok validate" in desk.explain("--diff", new(desk), code=1).stderr
