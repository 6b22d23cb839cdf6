"""`byok policy lint`: text, JSON, GitHub and SARIF."""

import json
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from byok.cli import main
from byok.cli.policy_lint import _annotation, _location
from byok.policy.lint import CODES, Level, Oddity
from byok.policy.rules import Where

CONFIG: dict[str, Any] = {
    "model_list": [
        {"model_name": "claude-*", "litellm_params": {"model": "anthropic/claude-*"}}
    ],
    "general_settings": {
        "master_key": "os.environ/NOT_SET",
        "policies": [
            {"id": "all", "match": {"header": {"name": "x-*"}}, "action": "forward"}
        ],
    },
    "litellm_settings": {"forward_llm_provider_auth_headers": True},
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    return tmp_path


def write(here, *items, **more):
    config = {**CONFIG, **more}
    if items:
        general = {**CONFIG["general_settings"], "policies": list(items)}
        config["general_settings"] = general
    (here / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def lint(*arguments):
    return CliRunner().invoke(
        main, ["policy", "lint", *arguments], catch_exceptions=False
    )


WRONG = {"id": "w", "match": {"provider": "opnai"}, "action": "strip"}


def test_a_warning_is_told_and_fails_only_strictly(here):
    lax, strict = lint(), lint("--strict")

    assert (lax.exit_code, strict.exit_code) == (0, 1)
    assert "config.yaml:8 L12 general_settings.all forwards headers" in lax.output
    assert lax.output.splitlines()[-1] == "config.yaml: 1 warning."


def test_an_error_fails(here):
    write(here, WRONG, {**WRONG, "id": "w2"})

    result = lint()

    assert result.exit_code == 1
    assert "asks for the provider opnai, which does not exist" in result.output
    assert result.output.splitlines()[-1] == "config.yaml: 2 errors."


def test_nothing_odd_is_said_so(here):
    write(here, {"id": "t", "match": {"header": {"name": "x-t"}}, "action": "forward"})

    result = lint("--strict")

    assert result.output == "config.yaml: nothing odd about its rules.\n"


def test_what_was_not_looked_at_is_said(here):
    lax, strict = lint("--cells", "5"), lint("--cells", "5", "--strict")

    assert "are not complete" in lax.output
    assert (lax.exit_code, strict.exit_code) == (0, 1)


def test_machines_get_json(here):
    data = json.loads(lint("--format", "json").output)

    assert (data["version"], data["ok"], data["complete"]) == (1, True, True)
    assert data["counts"] == {"error": 0, "warning": 1, "note": 0}
    (found,) = data["findings"]
    assert (found["code"], found["file"], found["line"]) == ("L12", "config.yaml", 8)
    assert found["rule"] == "general_settings.all"


def test_github_gets_annotations(here):
    output = lint("--format", "github").output

    assert output.startswith("::warning file=config.yaml,line=8,title=L12::")


def test_an_annotation_ends_where_its_line_does():
    found = Oddity(
        code="L11",
        level=Level.NOTE,
        rule="r",
        where=Where(file="a,b:c"),
        message="100 %\nsure",
        remedy="Stop.",
    )

    assert _annotation(found) == (
        "::notice file=a%2Cb%3Ac,title=L11::100 %25%0Asure. Stop."
    )


def test_scanners_get_sarif(here):
    write(here, WRONG)
    data = json.loads(lint("--format", "sarif").output)

    assert data["version"] == "2.1.0"
    assert data["$schema"].endswith("sarif-2.1.0.json")
    (run,) = data["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "byok policy lint"
    assert [each["id"] for each in driver["rules"]] == list(CODES)
    for each in driver["rules"]:
        assert each["shortDescription"]["text"]
        assert each["defaultConfiguration"]["level"] in {"error", "warning", "note"}
    (result,) = run["results"]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "L05"
    assert result["level"] == "error"
    assert result["message"]["text"]
    (location,) = result["locations"]
    place = location["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "config.yaml"}
    assert place["region"]["startLine"] >= 1


def test_a_place_without_a_line_has_no_region(here):
    place: Any = _location(Where(file="a b"))["physicalLocation"]

    assert "region" not in place
    assert place["artifactLocation"] == {"uri": "a%20b"}


def test_keys_and_teams_are_looked_up_in_the_store(here):
    runner = CliRunner()
    made = runner.invoke(
        main,
        [
            *("keys", "create", "-c", "config.yaml", "--alias", "dev"),
            *("--team", "red"),
        ],
        env={"NOT_SET": "sk-" + "m" * 40},
        catch_exceptions=False,
    )
    assert made.exit_code == 0, made.output
    rule: dict[str, Any] = {"match": {"header": {"name": "x-t"}}, "action": "forward"}
    write(
        here,
        {"id": "a", **rule, "match": {**rule["match"], "key": "dev", "team": "red"}},
        {"id": "b", **rule, "match": {**rule["match"], "key": "dve"}},
        {"id": "c", **rule, "match": {**rule["match"], "team": "blue"}},
        {"id": "d", **rule, "match": {**rule["match"], "team": "green"}},
        teams={"green": {}},
    )

    output = lint().output

    assert "general_settings.b asks for the key dve" in output
    assert "Did you mean dev?" in output
    assert "general_settings.c asks for the team blue" in output
    assert "general_settings.a asks" not in output
    assert "general_settings.d asks" not in output
