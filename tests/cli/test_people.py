"""`byok teams` and `byok users`, as somebody at a terminal meets them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from byok.cli import main
from byok.store.opening import open_audit
from byok.store.sqlaudit import AuditWanted
from tests.support.keys import KEY_PEPPER, MASTER_KEY, VIRTUAL_KEY

CONFIG = """\
model_list:
  - model_name: claude-*
    litellm_params:
      model: anthropic/claude-*
litellm_settings:
  forward_llm_provider_auth_headers: true
general_settings:
  master_key: os.environ/BYOK_TEST_MASTER_KEY
  key_pepper: os.environ/BYOK_TEST_PEPPER
"""


class Terminal:
    """Runs commands in the directory of one config."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "config.yaml"
        self.config.write_text(CONFIG)
        self.db = directory / "byok.db"

    def run(self, *words: str, code: int = 0, stdin: str = "") -> Result:
        """Run `byok` and expect the exit code."""
        given = [*words, "-c", str(self.config)]
        result = CliRunner().invoke(main, given, input=stdin)
        assert result.exit_code == code, result.output
        return result

    def json(self, *words: str) -> Any:
        """Run `byok` and read what it prints as JSON."""
        return json.loads(self.run(*words, "--json").stdout)

    def explain(self, *words: str) -> Any:
        """Explain a request of somebody with an own key."""
        own = "x-api-key: <anthropic.api_key>"
        return self.json("explain-request", "-H", own, *words)

    def changes(self) -> Sequence[str]:
        """Return what the audit has, the oldest first."""
        with open_audit(self.db) as log:
            found = log.newest(AuditWanted(limit=100))
        return [f"{each.action} {each.subject}" for each in reversed(found)]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("BYOK_TEST_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("BYOK_TEST_PEPPER", KEY_PEPPER)
    return Terminal(tmp_path)


def test_a_team_is_made_changed_shown_and_deleted(terminal):
    made = terminal.json(
        *("teams", "create", "red", "--alias", "Crimson"),
        *("--models", "claude-*,gpt-5", "--rpm-limit", "60", "--max-budget", "12.5"),
        *("--budget-duration", "1mo", "--metadata", "cost=centre"),
    )
    assert made["team_id"] == "red"
    assert made["models"] == ["claude-*", "gpt-5"]
    assert (made["rpm_limit"], made["max_budget"]) == (60, 12.5)
    assert made["metadata"] == {"cost": "centre"}
    assert made["created_by"].startswith("cli")

    changed = terminal.json("teams", "update", "Crimson", "--rpm-limit", "")
    assert (changed["rpm_limit"], changed["max_budget"]) == (None, 12.5)

    listed = terminal.run("teams", "list").stdout
    assert listed.split()[:6] == [
        "TEAM",
        "ALIAS",
        "STATE",
        "MEMBERS",
        "MODELS",
        "LIMITS",
    ]
    assert "$12.5" in listed
    shown = terminal.run("teams", "show", "red").stdout
    assert "Crimson" in shown
    assert terminal.json("teams", "show", "red")["keys"] == 0

    assert "gone" not in terminal.run("teams", "delete", "red", "--yes").output
    assert terminal.json("teams", "list") == {"teams": []}
    assert "byok teams create" in terminal.run("teams", "list").stderr
    assert terminal.changes() == [
        "team.create team:red",
        "team.update team:red",
        "team.delete team:red",
    ]


def test_a_user_is_made_changed_shown_and_deleted(terminal):
    made = terminal.json(
        *("users", "create", "anne", "--email", "a@b.example", "--role", "viewer"),
        *("--alias", "Anne", "--tpm-limit", "5"),
    )
    assert (made["user_email"], made["user_role"]) == (
        "a@b.example",
        "proxy_admin_viewer",
    )
    assert "a@b.example" in terminal.run("users", "list").stdout
    assert len(terminal.json("users", "list", "--role", "viewer")["users"]) == 1
    assert terminal.json("users", "list", "--role", "admin") == {"users": []}

    changed = terminal.json("users", "update", "anne", "--role", "member")
    assert (changed["user_role"], changed["tpm_limit"]) == ("internal_user", 5)
    assert terminal.json("users", "block", "anne")["blocked"] is True
    assert "blocked" in terminal.run("users", "show", "anne").stdout
    assert terminal.json("users", "unblock", "anne")["blocked"] is False

    gone = terminal.json("users", "delete", "anne", "--yes")
    assert gone == {"deleted_users": ["anne"]}
    terminal.run("users", "show", "anne", code=1)
    assert "byok users create" in terminal.run("users", "list").stderr


def test_members_come_and_go(terminal):
    terminal.run("teams", "create", "red")
    terminal.run("users", "create", "anne")

    added = terminal.json("teams", "members", "add", "red", "anne")
    assert added == {
        "members": [{"team_id": "red", "user_id": "anne", "role": "member"}]
    }
    terminal.run("teams", "members", "add", "red", "anne", "--role", "team_admin")
    assert "team_admin" in terminal.run("teams", "members", "list", "red").stdout
    assert "anne (admin)" in terminal.run("teams", "show", "red").stdout
    assert terminal.json("users", "show", "anne")["teams"] == ["red"]
    assert len(terminal.json("users", "list", "--team", "red")["users"]) == 1
    assert len(terminal.json("teams", "list", "--user", "anne")["teams"]) == 1

    left = terminal.run("teams", "members", "remove", "red", "anne")
    assert "Nobody is in it" in left.stderr
    said = terminal.run("teams", "members", "remove", "red", "anne", code=1).stderr
    assert "is not in 'red'" in said


def test_nobody_goes_whose_keys_would_lose_their_limits(terminal):
    terminal.run("teams", "create", "red")
    terminal.run("users", "create", "anne")
    terminal.run("keys", "create", "--alias", "k", "--team", "red", "--user", "anne")

    for what, name in (("teams", "red"), ("users", "anne")):
        refused = terminal.run(what, "delete", name, "--yes", code=1)
        assert "1 key belongs to it" in refused.stderr
    asked = terminal.run("teams", "delete", "red", "--with-keys", code=1, stdin="n\n")
    assert "red and all of its keys" in asked.stderr
    terminal.run("teams", "delete", "red", "--with-keys", "--yes")
    assert terminal.json("keys", "list")["total_count"] == 0
    terminal.run("users", "delete", "anne", stdin="y\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["teams", "create", "red"], 1, "Another has this id or alias"),
        (["users", "create", "anne"], 1, "Another has this id"),
        (["teams", "create", VIRTUAL_KEY], 1, "TEAM: looks like a key"),
        (["users", "create", " anne"], 1, "USER: printable"),
        (["teams", "create", "b", "--models", ""], 2, "--models is empty"),
        (["users", "create", "b", "--models", ""], 2, "--models is empty"),
        (["teams", "create", "b", "--alias", " x"], 1, "--alias: printable"),
        (["users", "create", "b", "--email", "x\ny"], 1, "--email: printable"),
        (["users", "create", "b", "--role", "king"], 2, "--role"),
        (["teams", "update", "red", "--budget-duration", "x"], 1, "--budget-duration:"),
        (["teams", "update", "red", "--rpm-limit", "-1"], 2, "--rpm-limit"),
        (["teams", "show", "nowhere"], 1, "There is no team 'nowhere'"),
        (["users", "show", "nobody"], 1, "There is no user 'nobody'"),
        (["teams", "members", "add", "red", "nobody"], 1, "There is no user"),
        (["teams", "members", "add", "nowhere", "anne"], 1, "There is no team"),
        (["teams", "delete", "nowhere"], 1, "There is no team"),
        (["teams", "blok", "red"], 2, "blok"),
        (["teams", "show", "\udcff"], 2, "not UTF-8"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_changed(terminal, words, code, said):
    terminal.run("teams", "create", "red")
    terminal.run("users", "create", "anne")
    before = terminal.changes()

    result = terminal.run(*words, code=code)

    assert said in result.stderr
    assert "CANARY" not in result.output
    assert terminal.changes() == before


def test_a_key_for_nobody_is_made_and_warned_about(terminal):
    terminal.run("teams", "create", "red", "--alias", "crimson")

    made = terminal.run("keys", "create", "--team", "red", "--user", "anne")
    assert "--user: there is no such user" in made.stderr
    assert "--team" not in made.stderr
    terminal.run("keys", "create", "--alias", "k")
    told = terminal.run("keys", "update", "k", "--team", "crimson").stderr
    assert "--team: there is no such team" in told


def test_explain_says_what_the_gateway_does_with_their_keys(terminal):
    terminal.run("teams", "create", "red", "--models", "claude-haiku-*")
    terminal.run("users", "create", "anne")
    terminal.run("keys", "create", "--alias", "k", "--team", "red", "--user", "anne")
    ask = ("--key", "k", "--model")

    assert terminal.explain(*ask, "claude-haiku-5-5")["verdict"] == "allow"
    closed = terminal.explain(*ask, "claude-opus-5-5")
    assert closed["refusal"]["code"] == "auth.model-not-allowed"
    other = terminal.explain(*ask, "claude-opus-5-5", "--team", "another")
    assert other["verdict"] == "allow"

    terminal.run("teams", "block", "red")
    blocked = terminal.explain(*ask, "claude-haiku-5-5")
    assert (blocked["refusal"]["status"], blocked["refusal"]["code"]) == (
        401,
        "auth.invalid-key",
    )
    assert "the team red is blocked" in blocked["warnings"]
    terminal.run("teams", "unblock", "red")
    terminal.run("users", "block", "anne")
    blocked = terminal.explain(*ask, "claude-haiku-5-5")
    assert "the user anne is blocked" in blocked["warnings"]
    assert (
        terminal.explain(*ask, "claude-haiku-5-5", "--user", "")["verdict"] == "allow"
    )


def test_a_configuration_that_cannot_be_used_is_said(terminal):
    terminal.config.write_text("model_list: 7\n")

    for what in ("teams", "users"):
        assert "byok validate" in terminal.run(what, "list", code=2).stderr


def test_a_store_that_cannot_be_used_is_said(terminal):
    terminal.db.write_text("no database at all\n" * 100)

    assert "byok.db" in terminal.run("teams", "list", code=2).stderr


def test_help_shows_examples_and_exit_codes():
    for what in ("teams", "users"):
        told = CliRunner().invoke(main, [what, "--help"]).output
        assert f"byok {what} create" in told
        assert "Exit codes: 0 done" in told
