"""
The worked examples of the policy language, as transcripts of `explain-request`.

`BYOK_GOLDEN=write` writes the transcripts anew; the change is then read by a
person. Fingerprints differ in every process and are masked.
"""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from byok.cli import main
from byok.resources import schema_file

GOLDEN = Path(__file__).parent.parent / "golden"

API_KEY = "x-api-key: <anthropic.api_key>"
OAUTH = "authorization: <anthropic.oauth>"
GATEWAY = "x-litellm-api-key: <gateway>"
# One request, and the two attempts that are made of it.
CHAT = [GATEWAY, "authorization: <anthropic.api_key>", "anthropic-beta: a"]
ON_CHAT = ["--route", "/v1/chat/completions"]
FIRST = "anthropic-main"

Case = tuple[str, list[str]] | tuple[str, list[str], list[str]]

# A configuration, the headers, and what else is said of the request.
CASES: dict[str, Case] = {
    "e1-seed-page": (
        "seed",
        [
            GATEWAY,
            API_KEY,
            "anthropic-version: 2023-06-01",
            "x-stainless-lang: js",
            "connection: keep-alive",
        ],
    ),
    "e2-switch-absent": ("switch-absent", [GATEWAY, API_KEY]),
    "e3-sections-disagree": ("disagree", [GATEWAY, API_KEY]),
    "e4-third-party": ("relay", [GATEWAY, OAUTH]),
    "e4b-operator-vouches": ("relay-vouched", [GATEWAY, OAUTH]),
    "e5-lock-against-key": (
        "contractors",
        [GATEWAY, API_KEY],
        ["--key", "alice", "--team", "contractors"],
    ),
    "e5b-approved-contractor": (
        "contractors",
        [GATEWAY, API_KEY],
        ["--key", "alice", "--team", "contractors", "--tag", "byok-approved"],
    ),
    "e6-telemetry-identity-cookies": (
        "quiet",
        [
            GATEWAY,
            API_KEY,
            "x-stainless-os: Linux",
            "x-claude-code-session-id: 0d3e",
            "user-agent: claude-cli/2.1.330",
            "x-foo: 1",
            "cookie: a=b",
        ],
    ),
    "e7-shadow-roll-out": ("shadow", [GATEWAY, OAUTH]),
    "e8-wrong-places": (
        "org-key",
        [
            "authorization: <gateway>",
            "x-api-key: <gateway>",
            "x-custom: <anthropic.api_key>",
        ],
    ),
    "e8b-wrong-places-keyless": (
        "seed",
        [
            "authorization: <gateway>",
            "x-api-key: <gateway>",
            "x-custom: <anthropic.api_key>",
        ],
    ),
    "e9-connection-nomination": ("seed", [GATEWAY, API_KEY, "connection: x-api-key"]),
    "e10-underscore": ("seed", [GATEWAY, "X_Api_Key: <anthropic.api_key>"]),
    "e11-admin-key": ("seed", [GATEWAY, "x-api-key: <anthropic.admin>"]),
    "e12-both-credentials": ("seed", [GATEWAY, OAUTH, API_KEY]),
    "e13-first-attempt": ("fallback", CHAT, [*ON_CHAT, "--deployment", FIRST]),
    "e13-fallback": ("fallback", CHAT, [*ON_CHAT, "--deployment", "openrouter"]),
    "e14-x-pass": (
        "x-pass",
        [GATEWAY, "x-pass-x-team-tag: blue", "x-pass-authorization: Bearer z"],
    ),
}


@pytest.fixture
def _in_golden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    for name in ("BYOK_MASTER_KEY", "ORG_KEY", "RELAY_KEY"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def explain(case: str, *options: str) -> str:
    config, headers, *more = CASES[case]
    given = [word for header in headers for word in ("-H", header)]
    given += [word for words in more for word in words]
    return run(
        *("explain-request", "-c", f"{config}.yaml", "--key", "dev-laptop"),
        *("--model", "claude-sonnet-4-5", *given, *options),
    )


@pytest.mark.usefixtures("_in_golden")
@pytest.mark.parametrize("case", CASES)
def test_the_transcript_is_the_recorded_one(case: str) -> None:
    transcript = re.sub(r"fp=[0-9a-f]{8}", "fp=........", explain(case))
    recorded = GOLDEN / f"{case}.txt"

    if os.environ.get("BYOK_GOLDEN") == "write":
        recorded.write_text(transcript)

    assert transcript == recorded.read_text()


@pytest.mark.usefixtures("_in_golden")
@pytest.mark.parametrize("case", CASES)
def test_the_json_keeps_to_its_schema(case: str) -> None:
    schema = json.loads(schema_file("explain-v1.schema.json").read_bytes())

    explanation = json.loads(explain(case, "--json"))

    assert list(Draft202012Validator(schema).iter_errors(explanation)) == []
