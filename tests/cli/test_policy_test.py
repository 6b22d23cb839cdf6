"""`byok policy test`: results for people and for machines, and exit codes."""

import json
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.cli.policy_files import CONFIG, FAILING, TESTS, house, run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return house(tmp_path, good_test=TESTS, bad_test=FAILING)


GOOD, BAD = "policies/good_test.yaml", "policies/bad_test.yaml"


@pytest.mark.usefixtures("place")
def test_what_is_as_expected_is_listed_in_a_line_each():
    result = run("policy", "test", GOOD)

    assert result.exit_code == 0, result.output
    first, *lines, last = result.stdout.splitlines()
    assert first == GOOD
    assert [line.split()[0] for line in lines] == ["ok"] * 3
    assert lines[2].startswith("  ok    for all: authorization: <any credential>  (")
    assert last.startswith("3 passed (")


@pytest.mark.usefixtures("place")
def test_a_failure_says_what_was_expected_why_it_is_not_so_and_how_to_see_it():
    result = run("policy", "test", BAD)

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1] == "  ok    logins leave"
    at = lines.index("        policies/bad_test.yaml:8")
    assert lines[at + 1 : at + 3] == [
        "        header authorization verdict: expected strip, got forward",
        (
            "        header authorization by: expected contractors.no-byk,"
            " got litellm_settings.forward_llm_provider_auth_headers"
            " (no rule has this id; did you mean contractors.no-byok?)"
        ),
    ]
    assert lines[at + 3].startswith("            FORWARD  authorization ")
    assert "config.yaml:17" in lines[at + 4]
    assert "shadow next.no-login would STRIP" in lines[at + 5]
    command = lines[at + 6].strip().removeprefix("$ byok ")
    assert lines[-1] == "1 passed, 1 failed (2 requests)"

    reproduced = run(*shlex.split(command))
    assert reproduced.exit_code == 0, reproduced.output
    assert "FORWARD  authorization" in reproduced.stdout


@pytest.mark.usefixtures("place")
def test_of_many_failures_the_first_are_shown_and_a_refusal_is_named():
    Path("policies/wide_test.yaml").write_text(
        "apiVersion: byok/v1\nkind: PolicyTest\nconfig: ../config.yaml\nforall:\n"
        "  - headers: {x-api-key: <any credential>}\n"
        "    expect: {verdict: deny, code: never.this}\n"
    )

    lines = run("policy", "test", "policies/wide_test.yaml").stdout.splitlines()

    assert [line for line in lines if "$ byok explain-request" in line][3:] == []
    assert any(line.strip().startswith("and ") for line in lines)
    assert run("policy", "test", BAD, "policies/wide_test.yaml").exit_code == 1


@pytest.mark.usefixtures("place")
def test_coverage_names_the_rules_that_no_test_met():
    lines = run("policy", "test", GOOD, "--coverage").stdout.splitlines()

    assert "coverage 83.3% of 4 rules in the configuration's own files" in lines
    assert (
        "  policies/contractors.yaml:12  contractors.never-met"
        "  no test where it finds the header there"
    ) in lines


@pytest.mark.usefixtures("place")
def test_coverage_names_ends_and_rules_that_never_decide():
    Path("policies/part_test.yaml").write_text(
        "apiVersion: byok/v1\nkind: PolicyTest\nconfig: ../config.yaml\ntests:\n"
        "  - name: one\n"
        "    given: {team: contractors, headers: {x-api-key: <anthropic.api_key>}}\n"
        "    expect: {header: {x-api-key: strip}}\n"
    )
    lines = run(
        "policy", "test", "policies/part_test.yaml", "--coverage"
    ).stdout.splitlines()

    switch = "litellm_settings.forward_llm_provider_auth_headers"
    theirs = "policies/contractors.yaml"
    assert f"  config.yaml:17  {switch}  matches and never decides" in lines
    assert f"  {theirs}:12  contractors.never-met  never matches" in lines
    assert (
        f"  {theirs}:7  contractors.no-byok  no test where it is excused by unless"
    ) in lines


@pytest.mark.usefixtures("place")
def test_too_little_coverage_fails():
    enough = run("policy", "test", GOOD, "--coverage-min", "50")
    little = run("policy", "test", GOOD, "--coverage-min", "90")

    assert (enough.exit_code, little.exit_code) == (0, 1)
    assert "83.3% of the rules were met, and 90% are asked for." in little.stderr


@pytest.mark.usefixtures("place")
def test_json_has_it_all():
    result = run("policy", "test", GOOD, BAD, "--json", "--coverage")

    data = json.loads(result.stdout)
    assert (data["ok"], data["passed"], data["failed"]) == (False, 4, 1)
    failed = data["suites"][1]["tests"][1]
    assert (failed["file"], failed["line"]) == (BAD, 8)
    (failure,) = failed["failures"]
    assert failure["mismatches"][0] == {
        "what": "header authorization verdict",
        "expected": "strip",
        "got": "forward",
        "hint": None,
    }
    assert failure["explanation"]["verdict"] == "allow"
    assert data["coverage"]["rules"][0]["rule"] == "contractors.no-byok"
    without = json.loads(run("policy", "test", GOOD, "--format", "json").stdout)
    assert without["coverage"] is None


# TAP 14


def read_tap(text: str) -> list[tuple[bool, str, object]]:
    """
    Read TAP 14 of one level of subtests: ok, name and diagnostics of each test.

    A plan comes first at each level, numbers count up, and a diagnostic block is
    YAML between its marks.
    """
    lines = text.splitlines()
    assert lines.pop(0) == "TAP version 14"
    plan = int(lines.pop(0).removeprefix("1.."))
    found: list[tuple[bool, str, object]] = []
    for number in range(1, plan + 1):
        assert lines.pop(0).startswith("# Subtest: ")
        inner = int(lines.pop(0).removeprefix("    1.."))
        every = True
        for at in range(1, inner + 1):
            word, _, name = lines.pop(0).removeprefix("    ").partition(f" {at} - ")
            assert word in ("ok", "not ok")
            assert "#" not in name.replace("\\#", "")
            data = None
            if lines and lines[0] == "      ---":
                end = lines.index("      ...")
                data = yaml.safe_load("\n".join(line[6:] for line in lines[1:end]))
                del lines[: end + 1]
            every &= word == "ok"
            found.append((word == "ok", name, data))
        assert lines.pop(0).startswith(f"{'ok' if every else 'not ok'} {number} - ")
    assert all(line.startswith("#") for line in lines)
    return found


@pytest.mark.usefixtures("place")
def test_tap_can_be_read():
    result = run("policy", "test", GOOD, BAD, "--format", "tap", "--coverage")

    found = read_tap(result.stdout)

    assert result.exit_code == 1
    assert [each[0] for each in found] == [True, True, True, True, False]
    _, name, data = found[-1]
    assert name == "logins \\# never leave"
    assert isinstance(data, dict)
    assert data["at"] == {"file": BAD, "line": 8}
    assert data["severity"] == "fail"
    assert "got forward" in data["message"]


# JUnit


@pytest.mark.usefixtures("place")
def test_junit_can_be_read():
    Path("policies/control_test.yaml").write_text(
        'apiVersion: byok/v1\nkind: PolicyTest\ntests:\n  - name: "a\\x01<b>"\n'
        "    given: {deployment: nowhere}\n    expect: {verdict: allow}\n"
    )
    files = (GOOD, BAD, "policies/control_test.yaml")
    result = run("policy", "test", "-c", "config.yaml", *files, "--format", "junit")

    root = ET.fromstring(result.stdout)  # noqa: S314 - our own output
    assert result.exit_code == 2
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == (
        "6",
        "1",
        "1",
    )
    good, bad, control = root
    assert (good.tag, good.get("tests"), good.get("failures")) == (
        "testsuite",
        "3",
        "0",
    )
    failed = bad[1]
    assert (failed.tag, failed.get("file"), failed.get("line")) == (
        "testcase",
        BAD,
        "8",
    )
    assert failed[0].tag == "failure"
    assert "$ byok explain-request" in (failed[0].text or "")
    assert control[0].get("name") == "a?<b>"
    assert control[0][0].tag == "error"
    assert "there are: main, relay, gpt" in (control[0][0].text or "")


# Which tests, and of what


@pytest.mark.usefixtures("place")
def test_another_configuration_can_be_tested():
    other = CONFIG.replace("headers: true", "headers: false")
    Path("other.yaml").write_text(other)

    result = run("policy", "test", "-c", "other.yaml", GOOD)

    assert result.exit_code == 1
    assert "expected forward, got strip" in result.stdout


@pytest.mark.usefixtures("place")
def test_without_files_those_are_run_that_the_configuration_names():
    none = run("policy", "test")
    config = Path("config.yaml")
    config.write_text(f"{config.read_text()}policy_tests: [{GOOD}]\n")
    named = run("policy", "test")

    assert none.exit_code == 2
    assert "config.yaml names no policy_tests" in none.stderr
    assert named.exit_code == 0
    assert named.stdout.startswith(f"{GOOD}\n  ok ")


@pytest.mark.usefixtures("place")
def test_a_document_without_a_configuration_is_for_the_one_here():
    Path("plain_test.yaml").write_text(TESTS.replace("config: ../config.yaml\n", ""))

    assert run("policy", "test", "plain_test.yaml").exit_code == 0


@pytest.mark.usefixtures("place")
def test_what_is_wrong_with_a_document_is_told_and_nothing_is_run():
    Path("policies/wrong_test.yaml").write_text(
        "apiVersion: byok/v1\nkind: PolicyTest\ntests:\n"
        "  - name: a\n    given: {modl: m}\n    expect: {header: {x-foo: strip}}\n"
    )

    result = run("policy", "test", GOOD, "policies/wrong_test.yaml", "absent.yaml")

    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert lines[0].startswith("policies/wrong_test.yaml:5:13 E102 ")
    assert lines[1].strip() == "did you mean model?"
    assert lines[2].startswith("policies/wrong_test.yaml:6:23 E231 ")
    assert "absent.yaml E100 it cannot be read: No such file" in result.stderr
    assert lines[-1] == "Nothing was run."
    assert run("policy", "test", "policies").exit_code == 2


@pytest.mark.usefixtures("place")
def test_a_deployment_that_is_not_there_is_told_with_its_line():
    Path("policies/wrong_test.yaml").write_text(
        "apiVersion: byok/v1\nkind: PolicyTest\nconfig: ../config.yaml\n"
        "defaults: {deployment: mian}\ntests:\n"
        "  - {name: a, expect: {verdict: allow}}\n"
    )

    result = run("policy", "test", "policies/wrong_test.yaml")

    assert result.exit_code == 2
    assert "policies/wrong_test.yaml:4: no deployment has this name" in result.stdout
    assert "did you mean main?" in result.stdout


@pytest.mark.usefixtures("place")
def test_a_configuration_that_is_not_valid_is_told():
    Path("config.yaml").write_text("modellist: []\n")

    result = run("policy", "test", GOOD)

    assert result.exit_code == 2
    assert "Run: byok validate config.yaml" in result.stderr


def test_validate_runs_the_tests_that_a_configuration_names(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("BYOK_MASTER_KEY", "ORG_KEY", "RELAY_KEY", "OPENAI_KEY"):
        monkeypatch.setenv(name, f"value-of-{name.lower()}-{'0123456789abcdef' * 2}")
    config = place / "config.yaml"
    config.write_text(f"{config.read_text()}policy_tests: [{GOOD}, {BAD}]\n")

    result = run("validate", "config.yaml")

    assert result.exit_code == 1
    assert f"{BAD}:8:1 E230 the policy test “logins # never" in result.output
    assert "byok explain-request -c config.yaml" in result.output
