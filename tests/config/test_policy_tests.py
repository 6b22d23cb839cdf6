"""Tests of policies that a configuration names: read with it, run when asked."""

import re

import pytest

from byok.config.policy_tests import (
    bench_of,
    policy_test_findings,
    run_policy_tests,
)
from tests.config.files import SMALLEST, config_of, found, report_on, write

NAMED = SMALLEST + "policy_tests: [tests/ours_test.yaml]\n"
FAILING = """\
apiVersion: byok/v1
kind: PolicyTest
tests:
  - name: a key stays here
    given: {headers: {x-api-key: <anthropic.api_key>}}
    expect: {header: {x-api-key: strip}}
  - name: a key goes
    given: {headers: {x-api-key: <anthropic.api_key>}}
    expect: {verdict: allow, header: {x-api-key: forward}}
"""


def put_tests(directory, text):
    write(directory, text, "tests/ours_test.yaml")


def test_named_tests_are_read_and_run(tmp_path):
    put_tests(tmp_path, FAILING)
    config = config_of(tmp_path, NAMED)

    report = run_policy_tests(config)

    assert [each.case.name for each in report.results] == [
        "a key stays here",
        "a key goes",
    ]
    assert [each.ok for each in report.results] == [True, False]
    shown = str(tmp_path / "tests/ours_test.yaml")
    assert shown in {each.shown for each in config.sources}


def test_reading_a_configuration_runs_no_test(tmp_path):
    put_tests(tmp_path, FAILING)

    assert report_on(tmp_path, NAMED).findings == ()


def test_a_failing_test_is_a_finding_with_its_line_and_a_command(tmp_path):
    put_tests(tmp_path, FAILING)
    config = config_of(tmp_path, NAMED)

    (finding,) = policy_test_findings(run_policy_tests(config))

    assert (finding.code, finding.level) == ("E230", "error")
    assert (finding.file, finding.line) == (str(tmp_path / "tests/ours_test.yaml"), 7)
    assert finding.message == (
        "the policy test “a key goes” fails: verdict: expected allow, got deny"
        " (401 credential.not-forwarded) (and 1 more)"
    )
    assert finding.remedy == (
        f"byok explain-request -c {config.path} --key anyone"
        " --model claude-haiku-5-5 -H 'x-api-key: <anthropic.api_key>'"
    )


def test_a_test_for_many_says_for_how_many_it_fails(tmp_path):
    put_tests(
        tmp_path,
        """\
        apiVersion: byok/v1
        kind: PolicyTest
        forall:
          - name: all
            headers: {x-api-key: <any anthropic credential>}
            expect: {verdict: allow}
        """,
    )

    (finding,) = policy_test_findings(run_policy_tests(config_of(tmp_path, NAMED)))

    # How many there are depends on whom the packs name.
    assert re.search(r"“all” fails for (\d+) of \1 requests: ", finding.message)


def test_a_test_that_cannot_be_run_is_a_finding_too(tmp_path):
    put_tests(
        tmp_path,
        """\
        apiVersion: byok/v1
        kind: PolicyTest
        tests:
          - name: one
            given:
              deployment: claud-star
            expect: {verdict: allow}
        """,
    )

    (finding,) = policy_test_findings(run_policy_tests(config_of(tmp_path, NAMED)))

    assert (finding.code, finding.line) == ("E233", 6)
    assert "cannot be run: no deployment has this name" in finding.message
    assert "claude-" in finding.remedy


def test_what_is_wrong_with_a_document_is_told_with_its_line(tmp_path):
    put_tests(
        tmp_path,
        """\
        apiVersion: byok/v1
        kind: PolicyTest
        tests:
          - name: one
            given: {headers: {x-api-key: <gateway>}}
            expect:
              header:
                x-api-ky: strip
              verdikt: allow
        """,
    )
    findings = report_on(tmp_path, NAMED).findings

    assert [(each.code, each.line, each.remedy) for each in findings] == [
        ("E231", 8, "did you mean x-api-key?"),
        ("E102", 9, "did you mean verdict?"),
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../ours.yaml", "E115"),
        ("absent.yaml", "E115"),
        (".", "E115"),
        ("[a]", "E101"),
    ],
)
def test_a_file_that_may_not_or_cannot_be_read_is_an_error(tmp_path, name, code):
    (told,) = found(tmp_path, f"{SMALLEST}policy_tests: [{name}]\n")

    assert told == f"{code}:7"


def test_a_document_that_is_no_mapping_is_an_error(tmp_path):
    put_tests(tmp_path, "- one\n")

    (finding,) = report_on(tmp_path, NAMED).findings

    assert (finding.code, finding.line) == ("E101", 1)


def test_coverage_is_of_the_rules_in_the_operators_own_files(tmp_path):
    write(
        tmp_path,
        """\
        apiVersion: byok/v1
        kind: Policy
        metadata: {name: ours}
        rules:
          - {id: a, match: {header: {name: x-foo}}, action: forward}
        """,
        "ours.yaml",
    )
    config = config_of(
        tmp_path,
        NAMED.replace("[tests/ours_test.yaml]", "[]")
        + "policy_files: [ours.yaml]\n"
        + "litellm_settings: {forward_llm_provider_auth_headers: true}\n",
    )

    bench = bench_of(config)

    assert [each.id for each in bench.rules] == [
        "ours.a",
        "litellm_settings.forward_llm_provider_auth_headers",
    ]
    assert bench.config == str(tmp_path / "config.yaml")
