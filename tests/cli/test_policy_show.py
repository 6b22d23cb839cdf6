"""`byok policy show`: what is built in and shipped, and what switches mean."""

import json
from pathlib import Path

import pytest

from byok.policy import classes
from byok.policy.floor import FLOOR
from byok.resources import policy_files
from tests.cli.policy_files import CONFIG, run
from tests.config.files import SMALLEST, write

CLASSES = """\
apiVersion: byok/v1
kind: Classes
metadata: {name: corp}
shapes:
  - {prefix: corp_live_, class: credential.other, why: tickets}
names:
  - {class: tracing, names: [x-corp-trace]}
"""


def shown(*arguments: str):
    result = run("policy", "show", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_floor_is_shown_whole_with_its_reasons():
    data = shown("floor")["floor"]

    assert [each["rule"] for each in data][: len(FLOOR)] == [rule.id for rule in FLOOR]
    assert {each["rule"] for each in data} >= {
        "floor.single-credential",
        "floor.plaintext",
        "floor.log-cap",
        "floor.egress-guard",
    }
    assert all(each["why"] and each["what"] for each in data)
    text = run("policy", "show", "floor").stdout
    assert "a gateway credential never leaves" in text
    assert "class credential.provider.*, in another header" in text


def test_the_packs_are_listed_with_what_they_are_for():
    data = {each["name"]: each for each in shown("packs")["packs"]}

    assert set(data) >= {"base", "claude-code", "litellm-compat"}
    assert data["base"]["on"] == "always"
    assert data["claude-code"]["on"] == "by default"
    assert data["litellm-compat"]["on"] == "when named"
    assert all(each["about"] for each in data.values())
    assert "schema" not in data["base"]["about"]
    assert "What every request needs" in run("policy", "show", "packs").stdout


@pytest.mark.parametrize("path", policy_files(), ids=lambda path: path.stem)
def test_a_pack_is_shown_as_it_is(path: Path):
    result = run("policy", "show", "pack", path.stem)

    assert result.exit_code == 0
    assert result.stdout == path.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "says"), [("bse", "did you mean base?"), ("zzz", "there are: base")]
)
def test_a_pack_that_is_not_shipped_has_a_near_one(name, says):
    result = run("policy", "show", "pack", name)

    assert result.exit_code == 2
    assert says in result.stderr


def test_every_class_is_shown_with_what_it_is_known_by():
    data = {each["class"]: each for each in shown("classes")["classes"]}

    assert set(data) == set(classes.CLASSES)
    oauth = data[classes.ANTHROPIC_OAUTH]
    assert (oauth["values"], oauth["travels_in"]) == (
        ["sk-ant-oat..."],
        ["authorization"],
    )
    assert "x-stainless-*" in data[classes.SDK_TELEMETRY]["names"]
    lines = run("policy", "show", "classes").stdout.splitlines()
    assert any(line.split() == ["unclassified", "everything", "else"] for line in lines)


def test_switches_are_shown_as_the_rules_they_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    more = (
        "  forward_client_headers_to_llm_api: true\n"
        "  model_group_settings:\n"
        "    forward_client_headers_to_llm_api: [cheap]\n"
    )
    Path("config.yaml").write_text(CONFIG + more)

    data = shown("settings")["rules"]
    lines = run("policy", "show", "settings").stdout.splitlines()

    assert data[0] == {
        "rule": "litellm_settings.forward_llm_provider_auth_headers",
        "tier": "settings",
        "action": "forward",
        "what": "class credential.provider.*",
        "origin": "config.yaml:17",
        "why": "",
    }
    assert {each["tier"] for each in data} == {"settings", "model_group"}
    assert any("at a deployment without a key of its own" in line for line in lines)
    assert any("model group cheap" in line for line in lines)


def test_no_switch_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG.partition("litellm_settings")[0])

    assert "No switch is set" in run("policy", "show", "settings").stdout


def test_what_a_configuration_declares_is_shown_with_where_it_stands(tmp_path):
    write(tmp_path, CLASSES, "classes.yaml")
    config = write(tmp_path, f"{SMALLEST}policy_files: [classes.yaml]\n")

    shown_as_text = run("policy", "show", "classes", "-c", str(config)).stdout
    data = json.loads(
        run("policy", "show", "classes", "-c", str(config), "--json").stdout
    )

    place = tmp_path / "classes.yaml"
    assert data["declared"] == [
        {
            "class": "credential.other",
            "known_by": "corp_live_... (8 or more of A-Za-z0-9_-)",
            "origin": f"{place}:5",
            "why": "tickets",
        },
        {
            "class": "tracing",
            "known_by": "x-corp-trace",
            "origin": f"{place}:7",
            "why": "",
        },
    ]
    for row in data["declared"]:
        (line,) = (each for each in shown_as_text.splitlines() if row["origin"] in each)
        assert row["class"] in line
        assert row["known_by"] in line
    assert json.loads(run("policy", "show", "classes", "--json").stdout) == {
        **data,
        "declared": [],
    }


def test_a_pack_is_shown_as_json():
    (name, *_) = (path.stem for path in policy_files())

    data = shown("pack", name)

    assert data["name"] == name
    assert data["text"] == run("policy", "show", "pack", name).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("effective",),
        ("lint",),
        ("promote",),
        ("prove",),
        ("show",),
        ("test",),
    ],
)
def test_each_command_says_how_it_is_used_and_what_its_exit_codes_mean(words):
    said = run("policy", *words, "--help").stdout

    assert f"Examples:\n    byok policy {words[0]}" in said
    assert "Exit codes: 0 " in said
    if words != ("show",):
        assert "--json" in said
