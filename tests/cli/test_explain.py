"""`byok explain-request`, as somebody at a terminal meets it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from byok.cli import main
from tests.support.keys import MASTER_KEY

CONFIG = """\
model_list:
  - model_name: claude-*
    litellm_params:
      model: anthropic/claude-*
litellm_settings:
  forward_llm_provider_auth_headers: true
general_settings:
"""
WITH_MASTER = "  master_key: os.environ/BYOK_TEST_MASTER_KEY\n"
API_KEY = "x-api-key: <anthropic.api_key>"


class Terminal:
    """Runs commands in the directory of one config."""

    def __init__(self, directory: Path, general: str = WITH_MASTER):
        self.config = directory / "config.yaml"
        self.config.write_text(CONFIG + general)

    def run(self, *words: str, code: int = 0):
        """Run `byok` and expect the exit code."""
        command = ["-c", str(self.config)]
        head = words[:2] if words[0] == "keys" else words[:1]
        result = CliRunner().invoke(main, [*head, *command, *words[len(head) :]])
        assert result.exit_code == code, result.output
        return result

    def explain(self, *words: str, headers: tuple[str, ...] = (API_KEY,)):
        """Return the explanation of a request with *headers*."""
        given = [word for header in headers for word in ("-H", header)]
        result = self.run("explain-request", "--json", *given, *words)
        return json.loads(result.stdout)


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("BYOK_TEST_MASTER_KEY", MASTER_KEY)
    return Terminal(tmp_path)


def test_a_key_that_is_blocked_is_refused_as_the_gateway_would(terminal):
    terminal.run("keys", "create", "--alias", "anna")
    assert terminal.explain("--key", "anna")["verdict"] == "allow"

    terminal.run("keys", "block", "anna")
    explanation = terminal.explain("--key", "anna")

    assert explanation["verdict"] == "deny"
    assert explanation["refusal"]["status"] == 401
    assert explanation["refusal"]["code"] == "auth.invalid-key"
    assert explanation["warnings"] == ["the key anna is blocked"]
    assert explanation["sends"] == []


def test_a_key_that_has_expired_is_refused_and_the_operator_told_why(
    terminal, monkeypatch
):
    terminal.run("keys", "create", "--alias", "anna", "--expires", "1h")
    monkeypatch.setattr("time.time", lambda: 4e9)

    explanation = terminal.explain("--key", "anna")

    assert explanation["refusal"]["code"] == "auth.invalid-key"
    assert explanation["warnings"] == ["the key anna is expired"]


def test_the_master_key_is_refused_where_it_is_for_administration_only(tmp_path):
    general = WITH_MASTER + "  master_key_on_data_routes: false\n"
    terminal = Terminal(tmp_path, general)
    headers = ("x-litellm-api-key: @env:BYOK_TEST_MASTER_KEY", API_KEY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYOK_TEST_MASTER_KEY", MASTER_KEY)
        explanation = terminal.explain(headers=headers)

    assert explanation["refusal"]["code"] == "auth.master-key"


def test_a_page_is_refused_by_a_gateway_with_a_single_user(tmp_path):
    permitted = "  dangerously_permit_weak_or_unset_master_key: true\n"
    terminal = Terminal(tmp_path, permitted)

    page = terminal.explain(headers=(API_KEY, "origin: http://example.com"))
    program = terminal.explain()

    assert page["refusal"]["code"] == "auth.from-a-page"
    assert program["verdict"] == "allow"


def test_a_header_that_is_no_text_is_explained_as_it_came(terminal, tmp_path):
    path = tmp_path / "request.http"
    path.write_bytes(
        b"POST /v1/messages HTTP/1.1\r\nx-litellm-api-key: <gateway>\r\n"
        b"x-api-key: <anthropic.api_key>\r\nx-name: caf\xe9\r\n\r\n"
        b'{"model": "claude-x"}'
    )

    from_file = terminal.explain("--request", str(path), headers=())
    typed = os.fsdecode(b"x-name: caf\xe9")
    from_words = terminal.explain(headers=("x-litellm-api-key: <gateway>", typed))

    for explanation in (from_file, from_words):
        slots = {each["slot"]: each for each in explanation["slots"]}
        assert slots["header:x-name"]["class"] == "ambiguous"
        assert slots["header:x-name"]["value"]["length"] == 4
    assert from_file["sends"] == ["anthropic-version", "x-api-key"]


def test_a_name_that_no_key_can_have_is_refused(terminal):
    result = terminal.run("explain-request", "--key", os.fsdecode(b"\xe9"), code=2)

    assert "--key" in result.stderr


def test_what_the_gateway_answers_itself_is_said_not_to_be_explained(terminal):
    own = terminal.explain("--route", "/key/generate")
    relayed = terminal.explain("--route", "/v1/messages")

    assert own["refusal"]["code"] == "route.unknown"
    assert "not explained" in own["warnings"][0]
    assert relayed["warnings"] == []
