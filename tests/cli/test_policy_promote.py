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


# One rule


INLINE = """\
  policies:
    - {id: no-foo, mode: shadow, match: {header: {name: x-foo}}, action: strip}
    # Not yet.
    - id: no-login
      mode: shadow
      match: {header: {class: [credential.provider.anthropic.oauth]}}
      action: strip
    - {id: no-bar, match: {header: {name: x-bar}}, action: strip}
"""
MASTER = "  master_key: os.environ/BYOK_MASTER_KEY\n"


@pytest.fixture
def inline() -> Path:
    """A configuration with rules of its own, two of which are in shadow."""
    config = Path("config.yaml")
    config.write_text(config.read_text().replace(MASTER, MASTER + INLINE))
    return config


def test_a_rule_that_stands_in_the_configuration_is_put_in_force_by_its_id(inline):
    before = inline.read_text()

    shown = run("policy", "promote", "general_settings.no-login")
    assert shown.exit_code == 0, shown.output
    assert "client.oauth -> deployment" in shown.stdout
    assert "no-foo" not in shown.stdout
    assert inline.read_text() == before

    written = run("policy", "promote", "general_settings.no-login", "--yes")
    assert written.stdout.splitlines()[-1] == "general_settings.no-login: in force now."
    assert inline.read_text() == before.replace(
        "no-login\n      mode: shadow", "no-login\n      mode: enforce"
    )
    again = run("policy", "promote", "general_settings.no-login", "--yes")
    assert again.exit_code == 2
    assert again.stderr == "config.yaml: general_settings.no-login is in force.\n"


def test_all_rules_that_stand_in_the_configuration_are_put_in_force_at_once(inline):
    before = inline.read_text()

    result = run("policy", "promote", "config.yaml", "--yes", "--json")

    assert json.loads(result.stdout)["written"] is True
    assert inline.read_text() == before.replace("mode: shadow", "mode: enforce")


def test_a_rule_of_a_document_with_a_mode_of_its_own_is_put_in_force_alone():
    text = NEXT.replace("mode:   shadow   # as of now\n", "").replace(
        "- id: no-login\n", "- id: no-login\n  mode: 'shadow'\n"
    )
    Path(DOCUMENT).write_text(text)

    result = run("policy", "promote", "next.no-login", "--yes")

    assert result.exit_code == 0, result.output
    assert Path(DOCUMENT).read_text() == text.replace("'shadow'", "'enforce'")


def test_a_rule_that_is_in_shadow_with_its_document_is_not_taken_out_of_it():
    result = run("policy", "promote", "next.no-login", "--yes")

    assert result.exit_code == 2
    assert "promote the document" in result.stderr
    assert Path(DOCUMENT).read_text() == NEXT


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("base.cookies", "base.cookies is built in, and in force"),
        ("contractors.no-byok", "contractors.no-byok is in force."),
        ("next.no-logins", "did you mean next.no-login?"),
    ],
)
def test_what_is_no_rule_in_shadow_is_refused(what, says):
    result = run("policy", "promote", what, "--yes")

    assert result.exit_code == 2
    assert says in result.stderr
