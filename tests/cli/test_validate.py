"""`byok validate`, as it is seen from a terminal and from a script."""

import json

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from byok.cli import main
from tests.config.files import MODELS, SMALLEST, write
from tests.config.test_flattened import INDENTED
from tests.support import keys
from tests.support.seed import FLATTENED


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("MASTER_KEY", keys.MASTER_KEY)


def validate(*arguments):
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


DISAGREEING = f"""\
{SMALLEST}  forward_llm_provider_auth_headers: false
litellm_settings:
  forward_llm_provider_auth_headers: true
"""


def test_a_good_file_gets_one_line_and_a_summary_of_litellms_settings(tmp_path):
    path = write(tmp_path, SMALLEST)

    result = validate(path)

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{path}: nothing to complain about.",
        "6 LiteLLM settings: 6 honoured (--verdicts lists them)",
    ]


def test_a_finding_is_a_line_with_its_place_and_a_line_with_the_remedy(tmp_path):
    path = write(tmp_path, DISAGREEING)

    result = validate(path)

    assert result.exit_code == 0
    finding, remedy, summary, _ = result.output.splitlines()
    assert finding == (
        f"{path}:7:3 W101 general_settings.forward_llm_provider_auth_headers=false"
        f" disagrees with {path}:9"
        " litellm_settings.forward_llm_provider_auth_headers=true;"
        " the stricter one applies (LiteLLM would forward)"
    )
    assert remedy == (
        "    Delete one line, or set"
        " general_settings.policy_compat.conflicting_switches: either."
    )
    assert summary == f"{path}: 1 warning."


def test_all_findings_come_at_once_in_the_order_of_lines(tmp_path):
    path = write(
        tmp_path,
        """\
        listn: x
        model_list: [{model_name: x}]
        litellm_settings: {json_logs: 'no'}
        """,
    )

    result = validate(path)

    assert result.exit_code == 1
    lines = [line.split(" ")[:2] for line in result.output.splitlines()]
    found = [
        (place.rsplit(":", 2)[1], code) for place, code in lines if code[1:].isdigit()
    ]
    assert found == [("1", "E102"), ("1", "E140"), ("2", "E114"), ("3", "E104")]
    assert f"{path}: 4 errors." in result.output


def test_strict_takes_a_warning_for_an_error(tmp_path):
    path = write(tmp_path, DISAGREEING)

    assert validate(path).exit_code == 0
    assert validate(path, "--strict").exit_code == 1
    assert f"{path}: 1 error." in validate(path, "--strict").output
    assert validate(write(tmp_path, SMALLEST), "--strict").exit_code == 0


def test_a_note_is_no_error_even_when_strict(tmp_path):
    path = write(tmp_path, f"{SMALLEST}  max_parallel_requests: 3\n")

    result = validate(path, "--strict")

    assert result.exit_code == 0
    assert " I120 " in result.output
    assert f"{path}: 1 note." in result.output


@pytest.mark.parametrize("name", ["nothing.yaml", ""])
def test_a_file_that_cannot_be_read_is_another_exit(tmp_path, name):
    result = validate(tmp_path / name)

    assert result.exit_code == 2
    assert " E100 " in result.output


def test_a_wrong_option_is_the_same_exit_as_everywhere(tmp_path):
    assert validate(write(tmp_path, SMALLEST), "--nonsense").exit_code == 2


def test_the_file_is_called_config_yaml_where_none_is_named(tmp_path, monkeypatch):
    write(tmp_path, SMALLEST)
    monkeypatch.chdir(tmp_path)

    assert "config.yaml: nothing to complain about." in validate().output


def test_verdicts_are_listed_when_asked_for(tmp_path):
    path = write(tmp_path, f"{SMALLEST}litellm_settings: {{num_retries: 3, foo: 1}}\n")

    result = validate(path, "--verdicts")

    rows = [line.split() for line in result.output.splitlines()]
    assert ["where", "LiteLLM", "setting", "verdict", "how"] in rows
    assert [f"{path}:6:3", "general_settings.master_key", "honoured"] in rows
    assert [
        f"{path}:7:20",
        *("litellm_settings.num_retries", "accepted", "without", "effect"),
    ] in rows
    assert [f"{path}:7:36", "litellm_settings.foo", "unknown"] in rows
    assert not any(line != line.rstrip() for line in result.output.splitlines())


def test_a_script_gets_everything_as_json(tmp_path):
    path = write(tmp_path, DISAGREEING)

    result = validate(path, "--json")
    data = json.loads(result.output)

    assert result.exit_code == 0
    assert data["ok"] is True
    assert data["counts"] == {"error": 0, "warning": 1, "info": 0}
    (finding,) = data["findings"]
    assert finding | {"message": "", "remedy": ""} == {
        "code": "W101",
        "level": "warning",
        "path": "general_settings.forward_llm_provider_auth_headers",
        "file": str(path),
        "line": 7,
        "col": 3,
        "message": "",
        "remedy": "",
    }
    assert {
        "path": "general_settings.master_key",
        "file": str(path),
        "line": 6,
        "col": 3,
        "verdict": "honoured",
        "how": "",
    } in data["verdicts"]


def test_a_script_sees_what_is_strict(tmp_path):
    result = validate(write(tmp_path, DISAGREEING), "--json", "--strict")

    assert result.exit_code == 1
    assert json.loads(result.output)["ok"] is False
    assert json.loads(result.output)["findings"][0]["level"] == "error"


def test_a_flattened_file_is_printed_ready_to_save(tmp_path):
    path = write(tmp_path, FLATTENED)

    result = validate(path)

    assert result.exit_code == 1
    assert result.stdout == INDENTED
    assert result.stderr.startswith(f"{path}:1:1 E129 ")


def test_what_is_printed_can_be_validated_once_it_has_a_master_key(tmp_path):
    printed = validate(write(tmp_path, FLATTENED)).stdout

    again = validate(write(tmp_path, printed + SMALLEST[len(MODELS) :], "new.yaml"))

    assert again.exit_code == 0
    assert [line for line in again.output.splitlines() if " W111 " in line]


def test_a_flattened_file_is_in_the_json_too(tmp_path):
    result = validate(write(tmp_path, FLATTENED), "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["indented"] == INDENTED


def test_no_control_character_reaches_the_terminal(tmp_path):
    result = validate(tmp_path / "a\x1b[31m\nb.yaml")

    assert "\x1b" not in result.output
    assert "a\\u001b[31m\\u000ab.yaml" in result.output


def test_the_output_is_json_of_one_shape(tmp_path):
    shape = {
        "type": "object",
        "required": [
            *("version", "ok", "counts", "findings", "verdicts", "limits", "indented")
        ],
        "additionalProperties": False,
        "properties": {
            "version": {"const": 1},
            "ok": {"type": "boolean"},
            "counts": {"type": "object"},
            "findings": {"type": "array"},
            "verdicts": {"type": "array"},
            "limits": {"type": "object"},
            "indented": {"type": ["string", "null"]},
        },
    }
    for text in (SMALLEST, FLATTENED, "a: 'b", ""):
        data = json.loads(validate(write(tmp_path, text), "--json").stdout)
        Draft202012Validator(shape).validate(data)


def test_limits_that_are_not_the_default_are_shown_with_it(tmp_path):
    path = write(tmp_path, f"{SMALLEST}limits: {{stall_s: 90, connections: 50}}\n")

    lines = validate(path).output.splitlines()
    data = json.loads(validate(path, "--json").output)

    assert lines[1] == (
        "limits, with the default in brackets: stall_s 90 (60), connections 50 (10000)"
    )
    assert data["limits"] == {
        "stall_s": {"value": 90, "default": 60},
        "connections": {"value": 50, "default": 10000},
    }
