"""`byok decisions`, as somebody at a terminal meets it."""

import pytest

from byok.core.records import End
from byok.store.engine import make_engine
from tests.cli.recorded import BEFORE, SHADOWED, Desk
from tests.core.asking import GATEWAY_KEY
from tests.core.recording import VALIDATOR


@pytest.fixture
def desk(tmp_path):
    """Return a directory with a configuration."""
    return Desk(tmp_path)


def test_the_latest_decisions_are_listed_in_a_table(desk):
    desk.record(number=1)
    desk.record(number=2, model="gpt-9")
    desk.record(number=3, end=End(status=502, error="provider.unreachable"))

    lines = desk.decisions("list").stdout.splitlines()

    assert [line.split()[0] for line in lines] == [
        "TIME",
        "2027-01-15T08:00:03Z",
        "2027-01-15T08:00:02Z",
        "2027-01-15T08:00:01Z",
    ]
    assert "provider.unreachable" in lines[1]
    assert "deny" in lines[2]
    assert "route.unknown-model" in lines[2]
    assert lines[3].split()[2:] == [
        "allow",
        "dev-laptop",
        "claude-sonnet-4-5",
        "claude-sonnet-4-5",
        "user-key",
        "200",
    ]


def test_decisions_are_listed_as_json(desk):
    desk.record(number=1)

    found = desk.json(desk.decisions("list", "--json"))

    VALIDATOR.validate(found["decisions"][0])
    assert found["shadow"] == []


def test_decisions_are_found_by_what_they_are_about(desk):
    desk.record(number=1)
    desk.record((GATEWAY_KEY,), number=2)

    def ids(*words):
        found = desk.json(desk.decisions("list", "--json", *words))
        return [each["id"][-1] for each in found["decisions"]]

    assert ids("--payer", "org") == ["2"]
    assert ids("--payer", "user-key", "--key", "key_1") == ["1"]
    assert ids("--rule", "litellm_settings.forward_llm_provider_auth_headers") == ["1"]
    assert ids("--deployment", "claude-sonnet-4-5", "--limit", "1") == ["2"]
    assert ids("--verdict", "deny") == []
    assert ids("--since", "2027-01-15T08:00:02Z") == ["2"]


def test_what_shadows_would_do_is_summed_up(tmp_path):
    desk = Desk(tmp_path, SHADOWED)
    for number in (1, 2):
        desk.record(number=number)
    desk.record((GATEWAY_KEY,), number=3)

    lines = desk.decisions("list", "--shadow").stdout.splitlines()
    data = desk.json(desk.decisions("list", "--shadow", "--json"))

    assert len(data["decisions"]) == 2
    assert lines[1].endswith("shadow")
    assert [line.split() for line in lines[3:]] == [
        [],
        ["COUNT", "WOULD", "RULE"],
        ["2", "strip", "general_settings.later"],
        ["2", "deployment", "none"],
    ]
    assert {each["would"] for each in data["shadow"]} == {"strip", "deployment"}


def test_one_decision_is_shown_as_an_explanation(desk):
    name = desk.record()

    text = desk.decisions("show", name).stdout
    data = desk.json(desk.decisions("show", name, "--json"))

    assert text.startswith(f"decision   {name}  2027-01-15T08:00:01Z\n")
    assert "FORWARD  x-api-key" in text
    assert text.endswith("answered   200\ngeneration sha256:1\n")
    VALIDATOR.validate(data)


def test_a_decision_that_is_not_there_is_told(desk):
    desk.record()

    result = desk.decisions("show", "req_none", code=1)

    assert "There is no decision req_none" in result.stderr


def test_nothing_found_is_said(desk):
    desk.record()

    result = desk.decisions("list", "--key", "bob")

    assert result.stdout == ""
    assert "No decision" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--since", "yesterday"], "--since"),
        (["list", "--limit", "0"], "--limit"),
        (["list", "--verdict", "maybe"], "--verdict"),
    ],
)
def test_what_cannot_be_meant_is_refused(desk, words, said):
    assert said in desk.decisions(*words, code=2).stderr


def test_where_nothing_was_recorded_yet_that_is_said(desk):
    assert "nothing was recorded yet" in desk.decisions("list", code=2).stderr

    make_engine(desk.directory / "byok.db", connections=1).dispose()

    result = desk.decisions("show", "req_1", code=2)
    assert "records decisions once it has started" in result.stderr


def test_where_nothing_is_recorded_that_is_said(tmp_path):
    desk = Desk(tmp_path, BEFORE + "  decision_log: false\n")

    assert "decision_log is false" in desk.decisions("list", code=2).stderr


def test_a_configuration_that_is_not_valid_is_told(tmp_path):
    desk = Desk(tmp_path, "model_list: 5\n")

    assert "byok validate" in desk.decisions("list", code=2).stderr
