"""`byok policy prove`: read by people and by machines."""

import json
import shlex

import pytest
import yaml
from click.testing import CliRunner

from byok.cli import main

CONFIG = {
    "model_list": [
        {
            "model_name": "claude-*",
            "litellm_params": {
                "model": "anthropic/claude-*",
                "api_key": "os.environ/NOT_SET_ANYWHERE",
            },
        }
    ],
    "general_settings": {"master_key": "os.environ/NOT_SET_EITHER"},
    "litellm_settings": {"forward_llm_provider_auth_headers": True},
    "policy_files": ["traces.yaml"],
}
TRACES = {
    "apiVersion": "byok/v1",
    "kind": "Policy",
    "metadata": {"name": "traces"},
    "rules": [
        {
            "id": f"r{at}",
            "match": {"header": {"name": f"x-t{at}"}},
            "action": "forward",
        }
        for at in range(6)
    ],
    "assert": [{"id": "none", "never": {"send": "unclassified"}}],
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "traces.yaml").write_text(yaml.safe_dump(TRACES))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def prove(*arguments):
    return run("policy", "prove", *arguments)


def test_what_holds_is_told_line_by_line(here):
    result = prove("--property", "P1", "--property", "p7")

    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert [line[:12] for line in lines] == ["PASS      P1", "PASS      P7"]
    assert " cells, " in lines[0]
    assert lines[1].endswith("(every deployment is reached by https)")


def test_what_does_not_hold_is_shown_by_requests(here):
    result = prove("--property", "P8")

    assert result.exit_code == 1
    assert result.output.startswith("FAIL      P8  what policy files assert")
    assert "P8 #5" in result.output
    assert "P8: 1 more of other kinds (--json lists them)" in result.output
    assert "    by  traces.r0  traces.yaml:" in result.output


def test_a_counterexample_can_be_explained_as_it_is_printed(here):
    result = prove("--property", "P8")

    line = next(each for each in result.output.splitlines() if "    try " in each)
    explained = run(*shlex.split(line.removeprefix("    try byok ")))

    assert explained.exit_code == 0
    assert "FORWARD  x-t" in explained.output
    assert "by traces.r" in explained.output


def test_a_counterexample_can_be_explained_from_a_file(here):
    result = prove("--property", "P8", "--requests", "found")

    assert len(list((here / "found").iterdir())) == 5
    line = next(each for each in result.output.splitlines() if "    try " in each)
    explained = run(*shlex.split(line.removeprefix("    try byok ")))

    assert "--request found/P8-1.http" in line
    assert "FORWARD  x-t" in explained.output


def test_machines_get_all_of_it(here):
    result = prove("--json", "--property", "P1", "--property", "P8")

    data = json.loads(result.output)
    assert result.exit_code == 1
    assert (data["version"], data["ok"]) == (1, False)
    one, eight = data["properties"]
    assert (one["id"], one["status"], one["note"]) == ("P1", "pass", None)
    assert (eight["status"], len(eight["counterexamples"])) == ("fail", 6)
    first = eight["counterexamples"][0]
    assert first["rule"].startswith("traces.r")
    assert first["origin"].startswith("traces.yaml:")
    assert first["deployment"] == "claude-*"
    assert first["command"].startswith("byok explain-request -c config.yaml")
    assert first["request"].startswith("POST /v1/messages")


def test_a_counterexample_without_a_rule_says_none(here):
    old = {**CONFIG, "model_list": []}
    (here / "old.yaml").write_text(yaml.safe_dump(old))

    result = prove("--json", "--against", "old.yaml", "--property", "P6")
    text = prove("--against", "old.yaml", "--property", "P6")

    (found,) = json.loads(result.output)["properties"]
    assert found["counterexamples"][0]["rule"] is None
    assert "    by " not in text.output


def test_two_configurations_are_compared(here):
    same = prove("--against", "config.yaml", "--property", "P6")

    assert (same.exit_code, same.output[:12]) == (0, "PASS      P6")
    assert "P6" in prove("--against", "config.yaml").output
    assert "P6" not in prove().output


def test_nothing_can_be_compared_with_nothing(here):
    result = prove("--property", "P6")

    assert result.exit_code == 2
    assert "--against" in result.output


def test_what_is_not_settled_fails_where_that_is_asked_for(here):
    lax = prove("--property", "P1", "--cells", "5")
    strict = prove("--property", "P1", "--cells", "5", "--strict")

    assert lax.output.startswith("UNSETTLED P1")
    assert (lax.exit_code, strict.exit_code) == (0, 1)


def test_a_configuration_that_cannot_be_used_proves_nothing(here):
    (here / "config.yaml").write_text("general_settings: []\n")

    assert prove().exit_code == 2
