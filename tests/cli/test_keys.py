"""`byok keys`, as somebody at a terminal meets it."""

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from byok.cli import main
from byok.core.keys import is_token_id, is_well_formed
from byok.core.secret import Secret
from byok.store.keystore import Selection
from byok.store.opening import open_keys
from tests.support.keys import (
    ANTHROPIC_API_KEY,
    KEY_PEPPER,
    MASTER_KEY,
    STORE_PASSWORD,
    VIRTUAL_KEY,
)
from tests.support.sweep import allow, exempt

CONFIG = """\
model_list:
  - model_name: claude-sonnet-4-5
    litellm_params:
      model: anthropic/claude-sonnet-4-5
litellm_settings:
  forward_llm_provider_auth_headers: true
general_settings:
  master_key: os.environ/BYOK_TEST_MASTER_KEY
  key_pepper: os.environ/BYOK_TEST_PEPPER
"""
# Commands, in which the name of a key stands where NAME does.
NAMING = (
    ["show", "NAME"],
    ["update", "NAME", "--user", "bob"],
    ["block", "NAME"],
    ["unblock", "NAME"],
    ["rotate", "NAME"],
    ["delete", "NAME", "--yes"],
)


class Terminal:
    """Runs commands in the directory of one config."""

    def __init__(self, directory: Path):
        self.config = directory / "config.yaml"
        self.config.write_text(CONFIG)
        self.db = directory / "byok.db"

    def run(self, *words: str, code: int = 0, stdin: str = ""):
        """Run `byok keys` and expect the exit code."""
        command, *rest = words
        result = CliRunner().invoke(
            main, ["keys", command, "-c", str(self.config), *rest], input=stdin
        )
        assert result.exit_code == code, result.output
        return result

    def json(self, *words: str):
        """Run `byok keys` and read what it prints as JSON."""
        return json.loads(self.run(*words, "--json").stdout)

    def create(self, *words: str) -> str:
        """Make a key and return it."""
        return self.run("create", *words).stdout.strip()

    def has(self, key: str) -> bool:
        """Would the gateway know *key*, by what the store has?"""
        now = datetime.now(UTC).timestamp()
        with open_keys(self.db, (Secret(KEY_PEPPER),)) as store:
            digests = store.peppers.digests(key.encode())
            return store.keys.maybe_by_digest(digests, now=now) is not None


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    """Return a terminal beside a config whose secrets are set."""
    monkeypatch.setenv("BYOK_TEST_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("BYOK_TEST_PEPPER", KEY_PEPPER)
    return Terminal(tmp_path)


# Making


def test_a_new_key_is_all_that_standard_output_gets(terminal):
    result = terminal.run("create", "--alias", "anne")

    key = result.stdout.removesuffix("\n")
    assert is_well_formed(key.encode())
    assert key.startswith("sk-byok-")
    assert key not in result.stderr
    assert "shown this once" in result.stderr
    assert terminal.has(key)


@pytest.mark.parametrize("models", ["", ",", " , "])
def test_a_list_without_a_model_does_not_open_them_all(terminal, models):
    result = terminal.run("create", "--models", models, code=2)

    assert "--models" in result.stderr
    assert terminal.json("list")["total_count"] == 0


def test_only_nothing_at_all_opens_all_models_again(terminal):
    terminal.run("create", "--alias", "anne", "--models", "claude-*")

    terminal.run("update", "anne", "--models", ",", code=2)
    assert terminal.json("show", "anne")["models"] == ["claude-*"]
    assert terminal.json("update", "anne", "--models", "")["models"] == []


def test_a_key_file_that_is_no_text_is_refused(terminal, tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"sk-\xff\x00" * 10)

    result = terminal.run("create", "--key-file", str(path), code=1)

    assert "printable ASCII" in result.stderr


@pytest.mark.parametrize(
    "words", [["show", "NAME"], ["create", "--metadata", "NAME=x"], ["list", "--user"]]
)
def test_an_argument_that_is_no_text_is_refused(terminal, words):
    command = [word.replace("NAME", os.fsdecode(b"\xe9")) for word in words]

    result = terminal.run(*command, os.fsdecode(b"\xe9"), code=2)

    assert "not UTF-8" in result.stderr


def test_every_option_ends_in_the_record(terminal):
    made = terminal.json(
        "create",
        *("--alias", "anne's laptop", "--models", "claude-*, gpt-5", "--models", "o3"),
        *("--expires", "30d", "--user", "anne", "--team", "research"),
        *("--tag", "red", "--tag", "blue", "--metadata", "a=b=c", "--metadata", "d="),
        *("--max-budget", "12.5", "--budget-duration", "1mo", "--rpm-limit", "60"),
        *("--tpm-limit", "1000", "--max-parallel-requests", "0"),
    )

    expected = {
        "key_alias": "anne's laptop",
        "models": ["claude-*", "gpt-5", "o3"],
        "user_id": "anne",
        "team_id": "research",
        "tags": ["red", "blue"],
        "metadata": {"a": "b=c", "d": ""},
        "max_budget": 12.5,
        "budget_duration": "1mo",
        "rpm_limit": 60,
        "tpm_limit": 1000,
        "max_parallel_requests": 0,
    }
    assert {name: made[name] for name in expected} == expected
    expires = datetime.fromisoformat(made["expires"])
    assert timedelta(days=29) < expires - datetime.now(UTC) < timedelta(days=31)
    assert made["created_by"].startswith("cli")
    assert not [each for each in made["warnings"] if "enforced" in each]


@pytest.mark.parametrize(
    ("written", "expires"),
    [
        ("2099-01-31", "2099-01-31T00:00:00Z"),
        ("2099-01-31T12:00:00+01:00", "2099-01-31T11:00:00Z"),
        ("never", None),
        ("", None),
    ],
)
def test_an_expiry_can_be_a_moment_or_never(terminal, written, expires):
    assert terminal.json("create", "--expires", written)["expires"] == expires


def test_a_key_can_be_brought_along_from_a_file_or_standard_input(terminal, tmp_path):
    allow(VIRTUAL_KEY)
    file = exempt(tmp_path / "key.txt")
    file.write_text(VIRTUAL_KEY + "\n")

    assert terminal.create("--key-file", str(file)) == VIRTUAL_KEY
    weak = terminal.run("create", "--key-file", "-", stdin="sk-1234\n")

    assert weak.stdout == "sk-1234\n"
    assert "shorter than 24" in weak.stderr
    assert terminal.has(VIRTUAL_KEY)


@pytest.mark.parametrize("key", [ANTHROPIC_API_KEY, "hunter2", "", MASTER_KEY])
def test_a_key_that_cannot_be_one_of_ours_is_refused(terminal, key):
    result = terminal.run("create", "--key-file", "-", stdin=key, code=1)

    assert not key or key not in result.output


def test_a_key_that_is_there_already_is_refused(terminal):
    allow(VIRTUAL_KEY)
    terminal.run("create", "--key-file", "-", stdin=VIRTUAL_KEY)

    result = terminal.run("create", "--key-file", "-", stdin=VIRTUAL_KEY, code=1)

    assert result.stderr == "This key is in use already.\n"


def test_an_alias_that_is_taken_is_refused_by_its_option(terminal):
    terminal.create("--alias", "anne")

    result = terminal.run("create", "--alias", "anne", code=1)

    assert result.stderr.startswith("--alias: another key has this alias")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--expires", "soon"], 1, "--expires: write a number"),
        (["--expires", "2001-01-01"], 1, "--expires: this moment has passed"),
        (["--budget-duration", "x"], 1, "--budget-duration: write a number"),
        (["--alias", "sk-abc"], 1, "--alias: looks like a key"),
        (["--tag", ANTHROPIC_API_KEY], 1, "--tag: holds a credential"),
        (["--user", " a"], 1, "--user: printable"),
        (["--rpm-limit", "-1"], 2, "--rpm-limit"),
        (["--rpm-limit", "many"], 2, "--rpm-limit"),
        (["--max-budget", "-0.5"], 2, "--max-budget"),
        (["--metadata", "novalue"], 2, "write NAME=TEXT"),
        (["--metadata", "=x"], 2, "write NAME=TEXT"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_option(
    terminal, words, code, said
):
    result = terminal.run("create", *words, code=code)

    assert said in result.stderr
    assert ANTHROPIC_API_KEY not in result.output
    assert terminal.json("list") == {"keys": [], "total_count": 0}


# Showing


def test_a_list_is_a_table_with_the_state_of_each_key(terminal):
    terminal.create("--alias", "anne", "--models", "claude-*", "--user", "u1")
    terminal.create("--alias", "bob", "--expires", "1h", "--team", "t1")
    terminal.run("block", "anne")

    heads, *rows = terminal.run("list").stdout.splitlines()

    assert heads.split()[:5] == ["ALIAS", "ID", "KEY", "STATE", "EXPIRES"]
    assert heads.split()[5:] == ["MODELS", "USER", "TEAM"]
    cells = sorted(row.split() for row in rows)
    assert [(row[0], row[3], row[5], row[6], row[7]) for row in cells] == [
        ("anne", "blocked", "claude-*", "u1", "-"),
        ("bob", "active", "all", "-", "t1"),
    ]
    assert all(is_token_id(row[1]) for row in cells)


def test_a_key_that_has_ended_is_listed_as_expired(terminal):
    terminal.create("--alias", "anne")
    with open_keys(terminal.db, (Secret(KEY_PEPPER),)) as store:
        (key,) = store.keys.page(Selection()).keys
        store.keys.update(key.token_id, expired)

    assert "expired" in terminal.run("list").stdout
    assert "expired" in terminal.run("show", "anne").stdout


def expired(key):
    """Return *key* with an end that has passed."""
    return replace(key, expires_at=1.0)


def test_an_empty_list_says_how_to_make_a_key(terminal):
    result = terminal.run("list")

    assert result.stdout == ""
    assert "byok keys create" in result.stderr


def test_a_list_can_be_of_one_user_or_team_and_has_every_page(terminal, monkeypatch):
    monkeypatch.setattr("byok.cli.keys._PAGE", 2)
    for number in range(5):
        terminal.create("--user", f"u{number % 2}", "--team", "t")

    assert terminal.json("list")["total_count"] == 5
    assert terminal.json("list", "--user", "u1")["total_count"] == 2
    assert terminal.json("list", "--user", "u0", "--team", "t")["total_count"] == 3
    assert terminal.json("list", "--team", "x")["total_count"] == 0


def test_one_key_is_shown_by_alias_and_by_id_without_the_key(terminal):
    key = terminal.create("--alias", "anne", "--metadata", "a=☂", "--tag", "red")

    by_alias = terminal.run("show", "anne").stdout
    token_id = terminal.json("show", "anne")["token_id"]

    assert terminal.run("show", token_id).stdout == by_alias
    assert re.search(r"^state +active$", by_alias, re.MULTILINE)
    assert re.search(r'^metadata +\{"a": "☂"\}$', by_alias, re.MULTILINE)
    assert f"sk-...{key[-4:]}" in by_alias
    assert key not in by_alias


def test_what_a_stranger_wrote_cannot_move_the_cursor(terminal):
    terminal.create("--alias", "anne", "--metadata", "a=\x1b[2Jgone")

    assert "\x1b" not in terminal.run("show", "anne").stdout
    assert "\x1b" not in terminal.run("show", "anne", "--json").stdout


# Changing


def test_a_change_keeps_the_rest(terminal):
    terminal.create("--alias", "anne", "--rpm-limit", "5", "--models", "a")

    after = terminal.json("update", "anne", "--models", "b,c", "--user", "anne")

    assert after["models"] == ["b", "c"]
    assert after["user_id"] == "anne"
    assert after["rpm_limit"] == 5


def test_an_empty_value_takes_a_setting_away(terminal):
    terminal.create(
        *("--alias", "anne", "--rpm-limit", "5", "--models", "a", "--tag", "t"),
        *("--expires", "1h", "--user", "u", "--max-budget", "1"),
    )

    after = terminal.json(
        *("update", "anne", "--rpm-limit", "", "--models", "", "--tag", ""),
        *("--expires", "never", "--user", "", "--max-budget", ""),
    )

    for name in ("rpm_limit", "expires", "user_id", "max_budget"):
        assert after[name] is None
    assert after["models"] == after["tags"] == []


def test_a_change_warns_of_what_limits_nothing(terminal):
    terminal.create("--alias", "anne")

    result = terminal.run("update", "anne", "--rpm-limit", "5", "--team", "red")

    assert "--team: there is no such team" in result.stderr
    assert "--rpm-limit" not in result.stderr
    assert re.search(r"^rpm_limit +5$", result.stdout, re.MULTILINE)


def test_an_alias_can_be_changed_but_not_into_another_keys(terminal):
    terminal.create("--alias", "anne")
    terminal.create("--alias", "bob")

    terminal.run("update", "anne", "--alias", "bob", code=1)
    terminal.run("update", "anne", "--alias", "carol")

    assert terminal.json("show", "carol")["key_alias"] == "carol"


def test_a_key_is_blocked_and_unblocked(terminal):
    terminal.create("--alias", "anne")

    assert terminal.json("block", "anne")["blocked"] is True
    assert terminal.json("unblock", "anne")["blocked"] is False


def test_a_rotated_key_ends_at_once_or_after_the_grace(terminal):
    first = terminal.create("--alias", "anne")
    second = terminal.run("rotate", "anne", "--grace", "24h").stdout.strip()
    assert terminal.has(first)
    assert terminal.has(second)

    third = terminal.json("rotate", "anne")

    assert not terminal.has(first)
    assert not terminal.has(second)
    assert terminal.has(third["key"])
    assert third["key_alias"] == "anne"


def test_another_grace_is_refused_by_the_name_of_its_option(terminal):
    terminal.create("--alias", "anne")

    assert (
        "--grace: write"
        in terminal.run("rotate", "anne", "--grace", "long", code=1).stderr
    )


def test_keys_are_deleted_all_or_none(terminal):
    one, two = terminal.create("--alias", "one"), terminal.create("--alias", "two")

    terminal.run("delete", "one", "three", "--yes", code=1)
    assert terminal.has(one)
    terminal.run("delete", "one", "two", "--yes")
    assert not terminal.has(one)
    assert not terminal.has(two)


def test_deleting_asks_first(terminal):
    key = terminal.create("--alias", "anne")

    terminal.run("delete", "anne", code=1)
    terminal.run("delete", "anne", stdin="n\n", code=1)
    assert terminal.has(key)
    terminal.run("delete", "anne", stdin="y\n")
    assert not terminal.has(key)


def test_what_was_deleted_is_printed_as_json(terminal):
    token_id = terminal.json("create", "--alias", "anne")["token_id"]

    assert terminal.json("delete", "anne", "--yes") == {"deleted_keys": [token_id]}


def test_a_key_that_is_named_twice_is_deleted_once(terminal):
    apart, together = "Zoe\u0308", "Zo\u00eb"
    token_id = terminal.json("create", "--alias", apart)["token_id"]

    deleted = terminal.json("delete", apart, together, token_id, "--yes")

    assert deleted == {"deleted_keys": [token_id]}


# Naming


@pytest.mark.parametrize("words", NAMING, ids=lambda words: words[0])
def test_a_key_on_the_command_line_is_refused_without_being_repeated(terminal, words):
    key = terminal.create("--alias", "anne")

    named = [key if word == "NAME" else word for word in words]
    result = terminal.run(*named, code=1)

    assert "others can read command lines" in result.stderr
    assert key not in result.output
    assert terminal.has(key)


@pytest.mark.parametrize("words", NAMING, ids=lambda words: words[0])
def test_a_name_that_nobody_has_is_refused(terminal, words):
    named = ["bob" if word == "NAME" else word for word in words]

    assert "There is no key 'bob'" in terminal.run(*named, code=1).stderr


# What has to be there


def test_a_config_that_cannot_be_used_is_exit_code_2(terminal):
    terminal.config.write_text(CONFIG + "  forward_llm_provider_auth_headers: 'no'\n")

    result = terminal.run("list", code=2)

    assert "byok validate" in result.stderr


def test_other_secrets_of_the_config_need_not_be_at_hand(terminal, monkeypatch):
    monkeypatch.delenv("BYOK_TEST_MASTER_KEY")

    assert terminal.has(terminal.create())


def test_the_pepper_has_to_be_at_hand(terminal, monkeypatch):
    monkeypatch.delenv("BYOK_TEST_PEPPER")

    result = terminal.run("list", code=2)

    assert "BYOK_TEST_PEPPER is not set" in result.stderr


def test_a_config_that_is_not_there_is_exit_code_2(terminal):
    terminal.config.unlink()

    assert str(terminal.config) in terminal.run("list", code=2).stderr


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (f"postgresql://byok:{STORE_PASSWORD}@127.0.0.1:1/byok", "connection"),
        ("sqlite:///missing/byok.db", "Make the directory"),
    ],
    ids=["PostgreSQL", "no directory"],
)
def test_a_store_that_cannot_be_used_is_exit_code_2(terminal, store, said):
    exempt(terminal.config).write_text(f"{CONFIG}store: {store}\n")

    result = terminal.run("list", code=2)

    assert said in result.stderr
    assert STORE_PASSWORD not in result.output


def test_the_store_lies_beside_the_config_wherever_the_command_is_run(
    terminal, tmp_path, monkeypatch
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    terminal.config.write_text(f"{CONFIG}store: sqlite:///keys.db\n")

    terminal.create()

    assert (tmp_path / "keys.db").exists()
    assert list(elsewhere.iterdir()) == []


def test_a_store_that_others_can_read_warns_and_goes_on(terminal):
    terminal.create()
    terminal.db.chmod(0o644)

    assert "chmod 600" in terminal.run("list").stderr


def test_a_gateway_of_one_user_says_that_keys_are_of_no_use(terminal):
    terminal.config.write_text(
        CONFIG.replace(
            "master_key: os.environ/BYOK_TEST_MASTER_KEY",
            "dangerously_permit_weak_or_unset_master_key: true",
        )
    )

    assert "nobody is asked for a key" in terminal.run("list").stderr


def test_a_user_without_a_name_makes_keys_all_the_same(terminal, monkeypatch):
    def nobody():
        raise KeyError("uid")

    monkeypatch.setattr("getpass.getuser", nobody)

    assert terminal.json("create")["created_by"] == "cli"


@pytest.mark.parametrize(
    "command",
    ["create", "list", "show", "update", "block", "unblock", "rotate", "delete"],
)
def test_each_command_explains_itself(command):
    result = CliRunner().invoke(main, ["keys", command, "--help"])

    assert result.exit_code == 0
    assert "--config" in result.stdout
    assert "--json" in result.stdout
