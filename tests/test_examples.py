"""Every example is a configuration about which there is nothing to say."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from byok.cli import main
from byok.cli.environment import SupposedEnvironment
from byok.cli.policy_prove import subject_of
from byok.config import check, load
from byok.core.prove import PROPERTIES, Question, Status, prove
from byok.core.routing import DeploymentTable
from tests.support import keys

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.yaml"))
ENVIRON = {
    "BYOK_MASTER_KEY": keys.MASTER_KEY,
    "ANTHROPIC_API_KEY": keys.DEPLOYMENT_KEY,
}
MODEL = "claude-sonnet-5-5"
SCHEMA_LINE = "# yaml-language-server: $schema=../schemas/config.schema.json"

examples = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def explained(path, monkeypatch, *arguments):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(
        main,
        ["explain-request", "-c", str(path), "--key", "dev", *arguments, "--exit-code"],
    )
    return result.output, result.exit_code


def test_the_page_has_an_example_for_each_of_its_steps():
    assert {path.stem for path in EXAMPLES} >= {
        "byok",
        "byok-general-settings",
        "org-key-fallback",
        "quickstart",
        "relay-with-trust",
        "user-header",
        "wildcard",
    }


@examples
def test_an_example_is_valid_even_strictly(path):
    assert check(path, strict=True, environ=ENVIRON) == []


@examples
def test_an_example_helps_editors_and_holds_no_secret(path):
    text = path.read_text("utf-8")

    assert text.startswith(SCHEMA_LINE + "\n")
    assert "sk-ant-" not in text
    assert yaml.safe_load(text)["general_settings"]["master_key"].startswith(
        ("os.environ/", "file:")
    )


@examples
def test_an_example_serves_what_claude_code_asks_for(path):
    table: DeploymentTable = load(path, environ=ENVIRON).gateway.table

    assert table.find("claude-haiku-5-5") is not None
    assert table.find(MODEL) is not None


@examples
def test_an_example_forwards_the_developers_own_key(path, monkeypatch):
    output, code = explained(
        path,
        monkeypatch,
        *("--model", MODEL),
        *("-H", "x-litellm-api-key: <gateway>", "-H", "x-api-key: <anthropic.api_key>"),
    )

    assert code == 0
    assert "client x-api-key  (payer: user-key)" in output


@pytest.mark.parametrize(
    ("name", "header", "payer"),
    [
        ("byok", "authorization: Bearer <anthropic.oauth>", "subscription"),
        ("org-key-fallback", "authorization: Bearer <anthropic.oauth>", "subscription"),
        ("org-key-fallback", "accept: */*", "org"),
        ("relay-with-trust", "x-api-key: <anthropic.api_key>", "user-key"),
    ],
)
def test_an_example_says_who_pays(monkeypatch, name, header, payer):
    (path,) = [each for each in EXAMPLES if each.stem == name]

    output, code = explained(
        path,
        monkeypatch,
        *("--model", MODEL),
        *("-H", "x-litellm-api-key: <gateway>"),
        *("-H", header),
    )

    assert code == 0
    assert f"(payer: {payer})" in output


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("byok", "accept: */*"),
        ("relay-with-trust", "authorization: Bearer <anthropic.oauth>"),
    ],
)
def test_an_example_refuses_who_brings_nothing_that_may_be_used(
    monkeypatch, name, header
):
    (path,) = [each for each in EXAMPLES if each.stem == name]

    _, code = explained(
        path,
        monkeypatch,
        *("--model", MODEL),
        *("-H", "x-litellm-api-key: <gateway>"),
        *("-H", header),
    )

    assert code == 3


def test_the_developers_header_is_read():
    (path,) = [each for each in EXAMPLES if each.stem == "user-header"]

    assert load(path, environ=ENVIRON).user_header_name == "x-litellm-user-id"


def test_the_quickstart_needs_no_environment(tmp_path):
    (path,) = [each for each in EXAMPLES if each.stem == "quickstart"]
    copy = tmp_path / "quickstart.yaml"
    copy.write_text(path.read_text("utf-8"))

    config = load(copy, environ={})

    assert config.general.master_key_file == tmp_path / "master.key"
    assert [each.endpoint for each in config.listen] == ["tcp:4000:interface=127.0.0.1"]
    assert {"claude-*", "anthropic/*", "*"} == {
        each.model_group for each in config.deployments if each.is_wildcard
    }
    # What the list of models can show, in the order of the picker.
    assert config.gateway.table.groups == (
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
    )


@examples
@pytest.mark.parametrize("name", ["P1", "P2", "P3", "P4", "P5", "P6", "P7"])
def test_of_an_example_every_property_is_proved(path, name):
    subject = subject_of(load(path, environ=SupposedEnvironment()))
    (wanted,) = [each for each in PROPERTIES if each.id == name]

    proof = prove(wanted, Question(subject=subject, against=subject))

    assert (proof.status, proof.counterexamples) == (Status.PASS, ())


@examples
def test_about_the_rules_of_an_example_there_is_nothing_odd(path):
    result = CliRunner().invoke(
        main, ["policy", "lint", "-c", str(path), "--strict"], catch_exceptions=False
    )

    assert (result.exit_code, result.output) == (
        0,
        f"{path}: nothing odd about its rules.\n",
    )
