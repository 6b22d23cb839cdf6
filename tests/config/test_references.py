"""`os.environ/NAME` and `file:path`: what they find, and what they refuse."""

import os
from typing import ClassVar

import pytest

from byok.config import ConfigError, load
from byok.core.secret import Secret
from tests.config.files import ENVIRON, MODELS, config_of, found, report_on, write
from tests.support import keys
from tests.support.sweep import exempt


def master(value):
    return MODELS + f"general_settings:\n  master_key: {value}\n"


def test_a_variable_is_found_in_the_environment(tmp_path):
    config = config_of(tmp_path, master("os.environ/MASTER_KEY"))

    assert config.master_key == Secret(keys.MASTER_KEY)


def test_the_table_in_the_file_is_asked_first_and_exported_to_nobody(tmp_path):
    text = master("os.environ/MASTER_KEY") + (
        f"environment_variables:\n  MASTER_KEY: {keys.VIRTUAL_KEY}\n"
    )

    config = config_of(tmp_path, text)

    assert config.master_key == Secret(keys.VIRTUAL_KEY)
    assert "MASTER_KEY" not in os.environ


def test_a_number_in_the_table_is_the_text_it_is_written_as(tmp_path):
    digits = "0123456789012345678901234567"
    text = master("os.environ/NUMBER") + f"environment_variables: {{NUMBER: {digits}}}"

    assert config_of(tmp_path, text).master_key == Secret(digits)


def test_nothing_is_read_that_is_not_named(tmp_path):
    class Watched(dict[str, str]):
        asked: ClassVar[list[str]] = []

        def get(self, key, default=None):
            self.asked.append(key)
            return super().get(key, default)

    environ = Watched(ENVIRON, ANTHROPIC_API_KEY="x", LITELLM_MASTER_KEY="x")
    path = write(tmp_path, master("os.environ/MASTER_KEY"))

    load(path, environ=environ)

    assert environ.asked == ["MASTER_KEY"]


def test_a_missing_variable_is_named(tmp_path):
    report = report_on(tmp_path, master("os.environ/NOT_SET"))

    (finding,) = report.findings
    assert finding.code == "E131"
    assert "NOT_SET is not set" in finding.message
    assert finding.remedy == "Set NOT_SET for the process that runs byok."


def test_an_empty_variable_is_an_error(tmp_path):
    path = write(tmp_path, master("os.environ/EMPTY"))

    with pytest.raises(ConfigError, match="EMPTY is empty"):
        load(path, environ={"EMPTY": ""})


@pytest.mark.parametrize(
    "value",
    [
        "os.environ/lower",
        "os.environ/9LEADS",
        "os.environ/A B",
        "os.environ/A/B",
        "os.environ/",
        "os.environ/" + "A" * 65,
        "os.environ/A:-default",
        "'os.environ/A '",
        "${MASTER_KEY}",
        "${MASTER_KEY:-x}",
        "$MASTER_KEY",
        '"{{ MASTER_KEY }}"',
        "${{ secrets.KEY }}",
        "env:MASTER_KEY",
        '"@env:MASTER_KEY"',
        "os.environ[MASTER_KEY]",
        "os.environ.MASTER_KEY",
        "os.getenv('MASTER_KEY')",
    ],
)
def test_what_only_looks_like_a_reference_is_refused(tmp_path, value):
    assert [each[:4] for each in found(tmp_path, master(value))] == ["E130"]


def test_a_literal_works_and_warns(tmp_path):
    report = report_on(tmp_path, master(keys.MASTER_KEY))

    assert [each.code for each in report.findings] == ["W302"]
    assert report.config is not None
    assert report.config.master_key == Secret(keys.MASTER_KEY)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_a_file_holds_the_secret_and_perhaps_a_line_end(tmp_path, secret_file, ending):
    secret_file(keys.MASTER_KEY + ending, "master.key")

    config = config_of(tmp_path, master("file:master.key"))

    assert config.master_key == Secret(keys.MASTER_KEY)
    assert config.findings == ()


def test_a_file_may_stand_elsewhere_and_be_a_link(tmp_path, secret_file):
    link = exempt(tmp_path / "link")
    link.symlink_to(secret_file(keys.MASTER_KEY, "real"))

    home = tmp_path / "home"
    text = master(f"file:{link}")

    assert config_of(home, text).master_key == Secret(keys.MASTER_KEY)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_warned_of(tmp_path, secret_file, mode):
    secret_file(keys.MASTER_KEY, "master.key").chmod(mode)

    assert found(tmp_path, master("file:master.key")) == ["W304:6"]


@pytest.mark.parametrize(
    "content", [None, b"", b"\n", b"\xff\xfe", b"x" * (64 * 1024 + 1)]
)
def test_a_file_without_a_secret_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "master.key").write_bytes(content)
        (tmp_path / "master.key").chmod(0o600)

    assert found(tmp_path, master("file:master.key")) == ["E132:6"]


def test_a_directory_or_a_pipe_is_no_secret(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for name in (".", "pipe", "", "a\\0b"):
        assert found(tmp_path, master(f'"file:{name}"')) == ["E132:6"]


@pytest.mark.parametrize("value", ["a b", "schlüssel-schlüssel-schlüssel", "a\\tb"])
def test_a_key_has_to_fit_into_a_header(tmp_path, value):
    codes = [each[:4] for each in found(tmp_path, master(f'"{value}"'))]

    assert "E133" in codes


@pytest.mark.parametrize(
    ("table", "findings"),
    [
        ("{lower: x}", ["E117:7"]),
        ("{A: os.environ/B}", ["E130:7"]),
        ("{A: [x]}", ["E101:7"]),
        ("{A: }", ["E101:7"]),
        ("{A: true, B: 1.5}", []),
        ("[A]", ["E101:7"]),
    ],
)
def test_the_table_of_variables_is_flat(tmp_path, table, findings):
    text = master("os.environ/MASTER_KEY") + f"environment_variables: {table}\n"

    assert found(tmp_path, text) == findings


def test_settings_that_are_no_secrets_take_references_too(tmp_path):
    text = """\
    listen: os.environ/LISTEN
    model_list:
      - model_name: os.environ/GROUP
        litellm_params: {model: os.environ/MODEL, api_base: os.environ/BASE}
    general_settings: {master_key: os.environ/MASTER_KEY}
    """
    environ = {
        **ENVIRON,
        "LISTEN": "tcp:1:interface=127.0.0.1",
        "GROUP": "claude-*",
        "MODEL": "anthropic/claude-*",
        "BASE": "https://relay.example/v1",
    }

    config = load(write(tmp_path, text), environ=environ)

    assert config.deployments[0].origin.host == "relay.example"
    assert config.listen[0].endpoint == "tcp:1:interface=127.0.0.1"
