"""`byok policy effective`: the plan of one caller at one deployment."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.policy_files import house, run


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house(tmp_path))


def effective(*arguments: str) -> dict[str, Any]:
    result = run("policy", "effective", *arguments, "--json")
    assert result.exit_code == 0, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def row(data: dict[str, Any], header: str, cls: str) -> dict[str, Any]:
    (found,) = (
        each
        for each in data["headers"]
        if header in each["headers"] and each["class"].endswith(cls)
    )
    return dict(found)


def test_a_table_says_what_becomes_of_every_kind_of_header():
    result = run("policy", "effective", "--deployment", "main", "--team", "contractors")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "POST /v1/messages  model=claude-haiku-5-5  deployment=main"
        " -> https://api.anthropic.com"
    )
    assert lines[1] == "caller     key=anyone team=contractors"
    assert lines[3].split() == ["verdict", "class", "by", "headers"]
    (own,) = (line for line in lines if "api_key" in line and "no-byok" in line)
    assert own.split() == [
        "STRIP",
        "credential.provider.anthropic.api_key",
        "contractors.no-byok",
        "policies/contractors.yaml:7",
        "(lock)",
        "authorization,",
        "x-api-key",
    ]
    over = lines[lines.index(own) + 1]
    assert over.split() == [
        "over",
        "litellm_settings.forward_llm_provider_auth_headers=forward",
        "config.yaml:17",
    ]
    assert any(line.startswith("a claude.ai login ") for line in lines)
    assert any(
        line.startswith("anthropic-version  where it is missing") for line in lines
    )


def test_a_shadow_stands_below_its_row():
    lines = run("policy", "effective", "--deployment", "main").stdout.splitlines()

    assert any(line.strip() == "shadow would strip by next.no-login" for line in lines)


def test_json_has_every_row_with_its_origin():
    data = effective("--deployment", "main", "--team", "contractors")

    found = row(data, "x-api-key", "anthropic.api_key")
    assert (found["verdict"], found["rule"], found["origin"]) == (
        "strip",
        "contractors.no-byok",
        "policies/contractors.yaml:7",
    )
    assert data["request"]["host"] == "api.anthropic.com"
    assert data["credential"]["offers"][1] == {
        "offered": "a claude.ai login",
        "source": "deployment",
        "payer": "org",
        "refusal": None,
    }


def test_callers_differ():
    def verdict(*who: str) -> str:
        data = effective("--deployment", "main", *who)
        return str(row(data, "x-api-key", "anthropic.api_key")["verdict"])

    assert verdict() == "forward"
    assert verdict("--team", "contractors") == "strip"
    assert verdict("--team", "contractors", "--tag", "approved") == "forward"


def test_a_deployment_is_asked_on_a_route_that_it_answers():
    data = effective("--deployment", "gpt")

    assert data["request"]["route"] == "/v1/chat/completions"
    assert data["credential"]["offers"][-1]["source"] == "client.api_key"
    other = effective("--deployment", "main", "--route", "/v1/messages/count_tokens")
    assert other["request"]["route"] == "/v1/messages/count_tokens"


def test_what_refuses_grants_and_comes_back_is_listed():
    rules = (
        "  policies:\n"
        "  - id: need\n"
        "    why: Sessions are counted.\n"
        "    action: {require: {header: x-foo}}\n"
        "  - {id: may, action: {allow_request: [tracing]}}\n"
        "  - id: back\n"
        "    direction: response\n"
        "    match: {header: {name: x-b}}\n"
        "    action: strip\n"
        "  - id: tag\n"
        "    match: {credential: [client.oauth]}\n"
        "    action: {inject: {name: x-tag, value: a}}\n"
    )
    config = Path("config.yaml")
    text = config.read_text()
    config.write_text(text.replace("policy_files", f"{rules}policy_files"))

    lines = run("policy", "effective", "--deployment", "main").stdout.splitlines()
    data = effective("--deployment", "main")

    need = "litellm_settings.need config.yaml:19"
    at = lines.index("refuses requests")
    assert lines[at + 1] == f"require x-foo  {need}  Sessions are counted."
    assert lines[lines.index("grants x-pass-") + 1].startswith("tracing  ")
    assert lines[lines.index("changes answers") + 1].startswith("strip  ")
    assert any(
        line.startswith("x-tag  (beside client.oauth)  always") for line in lines
    )
    assert [each["rule"] for each in data["requests"]] == ["litellm_settings.need"]
    assert data["grants"][0]["grant"] == ["tracing"]
    assert data["responses"][0]["rule"] == "litellm_settings.back"
    assert {"x-tag", "anthropic-version"} == {
        each["name"] for each in data["injections"]
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--deployment", "mian"], "there are: main, relay, gpt"),
        (["--deployment", "main", "--route", "/v2"], "There is nothing here."),
        (["--deployment", "gpt", "--route", "/v1/messages"], "does not serve that"),
        (["-c", "absent.yaml", "--deployment", "main"], "absent.yaml cannot be read"),
        ([], "Missing option '--deployment'"),
    ],
)
def test_what_cannot_be_shown_is_told(arguments, says):
    result = run("policy", "effective", *arguments)

    assert result.exit_code == 2
    assert says in result.stderr


def test_a_key_is_the_one_in_the_store():
    made = run(
        *("keys", "create", "-c", "config.yaml", "--alias", "alice"),
        *("--team", "contractors"),
    )
    data = effective("--deployment", "main", "--key", "alice")

    assert made.exit_code == 0, made.output
    assert data["caller"]["team"] == "contractors"
    assert row(data, "x-api-key", "anthropic.api_key")["verdict"] == "strip"


def test_a_key_that_could_not_be_looked_up_is_told():
    Path("byok.db").write_text("no database at all\n" * 100)

    result = run("policy", "effective", "--deployment", "main", "--key", "alice")

    assert result.exit_code == 0
    assert "the key alice could not be looked up" in result.stderr


def test_a_single_user_is_nobody_else():
    config = Path("config.yaml")
    text = config.read_text().replace(
        "master_key: os.environ/BYOK_MASTER_KEY",
        "dangerously_permit_weak_or_unset_master_key: true",
    )
    config.write_text(text)

    assert effective("--deployment", "main")["caller"]["key"] == "single-user"
