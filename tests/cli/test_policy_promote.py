"""`byok policy promote`: the difference first, and then one word of a file."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.cli.policy_files import NEXT, house, run

DOCUMENT = "policies/next.yaml"
LOGINS = """\
apiVersion: byok/v1
kind: PolicyTest
tests:
  - name: logins leave
    given: {deployment: main, headers: {authorization: <anthropic.oauth>}}
    expect: {header: {authorization: forward}}
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house(tmp_path))


def test_the_difference_is_shown_and_nothing_written():
    result = run("policy", "promote", DOCUMENT)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        f"{DOCUMENT}: in shadow",
        f"  next.no-login  strip  {DOCUMENT}:6",
    ]
    at = lines.index("at main, for anyone")
    assert lines[at + 1].split() == [
        "authorization",
        "credential.provider.anthropic.oauth",
        *("forward", "->", "strip", "next.no-login", f"{DOCUMENT}:6"),
    ]
    assert "client.oauth -> deployment" in lines[at + 2]
    assert not any("relay" in line for line in lines)
    assert lines[-1] == "Nothing was written; --yes puts it in force."
    assert Path(DOCUMENT).read_text() == NEXT


def test_yes_changes_one_word_of_the_file():
    os.chmod(DOCUMENT, 0o640)  # noqa: PTH101 - and keeps its mode

    result = run("policy", "promote", DOCUMENT, "--yes")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"{DOCUMENT}: in force now."
    text = NEXT.replace("mode:   shadow   # as of now", "mode:   enforce   # as of now")
    assert Path(DOCUMENT).read_text() == text
    assert stat.S_IMODE(Path(DOCUMENT).stat().st_mode) == 0o640
    assert sorted(each.name for each in Path("policies").iterdir()) == [
        "contractors.yaml",
        "next.yaml",
    ]
    again = run("policy", "promote", DOCUMENT)
    assert again.exit_code == 2
    assert "no rule is in shadow" in again.stderr


def test_a_test_that_would_fail_keeps_the_file_as_it_is():
    Path("logins_test.yaml").write_text(LOGINS)
    config = Path("config.yaml")
    config.write_text(f"{config.read_text()}policy_tests: [logins_test.yaml]\n")

    result = run("policy", "promote", DOCUMENT, "--yes")

    assert result.exit_code == 1
    assert (
        "logins_test.yaml:4:1 E230 the policy test “logins leave” fails"
        in result.stderr
    )
    assert f"{DOCUMENT} stays as it is" in result.stderr
    assert Path(DOCUMENT).read_text() == NEXT


def test_json_has_the_difference():
    result = run("policy", "promote", DOCUMENT, "--json", "--yes")

    data = json.loads(result.stdout)
    assert data["document"] == DOCUMENT
    assert [each["rule"] for each in data["rules"]] == ["next.no-login"]
    assert {each["deployment"] for each in data["differences"]} == {"main"}
    assert data["differences"][0]["changes"][0]["after"] == "strip"
    assert data["failing_tests"] == []
    assert "mode:   enforce" in Path(DOCUMENT).read_text()


def test_what_changes_for_somebody_named_is_told_of_them_alone():
    team = NEXT.replace("match: {", "match: {team: [growth], key: [ci], ")
    Path(DOCUMENT).write_text(team)

    lines = run("policy", "promote", DOCUMENT).stdout.splitlines()

    told = [line for line in lines if line.startswith("at ")]
    assert told == ["at main, for key=ci team=growth"]


def test_rules_that_would_change_nothing_say_so():
    Path(DOCUMENT).write_text(NEXT.replace("anthropic.oauth", "openrouter.*"))

    result = run("policy", "promote", DOCUMENT)

    assert "In force they would change nothing." in result.stdout


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("policies/nxt.yaml", "did you mean policies/next.yaml?"),
        ("zzz", "in shadow are: policies/next.yaml"),
        ("config.yaml", "config.yaml: no rule is in shadow."),
    ],
)
def test_a_document_that_is_none_has_a_near_one(document, says):
    result = run("policy", "promote", document)

    assert result.exit_code == 2
    assert says in result.stderr


def test_where_nothing_is_in_shadow_that_is_said():
    Path(DOCUMENT).write_text(NEXT.replace("shadow", "enforce"))

    result = run("policy", "promote", "zzz")

    assert "none of them has a rule in shadow" in result.stderr


def test_a_mode_by_an_anchor_is_left_to_people():
    text = NEXT.replace("mode:   shadow", "mode:   &m shadow")
    Path(DOCUMENT).write_text(text)

    result = run("policy", "promote", DOCUMENT, "--yes")

    assert result.exit_code == 2
    assert "edit it by hand" in result.stderr
    assert Path(DOCUMENT).read_text() == text


def test_a_deployment_of_a_provider_that_is_not_served_is_passed_over():
    config = Path("config.yaml")
    other = (
        "- model_name: other\n  litellm_params: {model: cohere/x}\ngeneral_settings:\n"
    )
    config.write_text(config.read_text().replace("general_settings:\n", other))

    assert run("policy", "promote", DOCUMENT).exit_code == 0
