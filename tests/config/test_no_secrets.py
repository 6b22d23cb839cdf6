"""
Whatever stands in a configuration, nothing said about it quotes a value.

Secrets are planted as values under any key, as keys, in wrong types, in files that
are no YAML, and in files that lost their indentation.
"""

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from byok.cli import main
from byok.config import ConfigError, examine
from byok.config.litellm import LITELLM_KEYS, Section
from byok.config.schema import known_names
from tests.config.files import ENVIRON
from tests.support.keys import ALL_CANARIES, MARKERS

FEW = settings(deadline=None, max_examples=50)
FORMS = tuple(MARKERS.values())

BASE: dict[str, Any] = {
    "include": ["more.yaml"],
    "listen": ["tcp:0:interface=127.0.0.1"],
    "store": "sqlite:///byok.db",
    "environment_variables": {"TEAM": "growth"},
    "providers": {"anthropic": {"api_base": "https://relay.example"}},
    "policy_files": ["ours.yaml"],
    "model_list": [
        {
            "model_name": "claude-*",
            "litellm_params": {
                "model": "anthropic/claude-*",
                "api_key": "os.environ/DEPLOYMENT_KEY",
                "api_base": "https://relay.example/v1",
                "extra_headers": {"x-team": "growth"},
                "trust_client_credentials": ["anthropic.api_key"],
                "policies": [
                    {
                        "id": "one",
                        "match": {"header": {"name": ["x-foo"], "class": ["tracing"]}},
                        "action": {"inject": {"name": "x-foo", "value": "bar"}},
                    }
                ],
                "connect_timeout": 3,
                "rpm": 3,
            },
            "model_info": {"id": "main", "display_name": "Claude"},
        },
        {"model_name": "*", "litellm_params": {"model": "anthropic/*"}},
    ],
    "litellm_settings": {
        "forward_llm_provider_auth_headers": True,
        "model_group_settings": {"forward_client_headers_to_llm_api": ["claude-*"]},
        "cache_params": {"type": "redis", "password": "x"},
    },
    "general_settings": {
        "master_key": "os.environ/MASTER_KEY",
        "key_pepper": ["os.environ/PEPPER"],
        "litellm_key_header_name": "x-company-key",
        "user_header_name": "x-litellm-user-id",
        "policy_packs": ["claude-code"],
        "policy_compat": {"conflicting_switches": "either"},
        "credential": {"order": ["deployment"], "on_missing": "deny"},
        "policies": [{"id": "two", "action": "strip"}],
        "database_url": "os.environ/DATABASE_URL",
    },
    "router_settings": {"num_retries": 3},
}


def places(value, path=()):
    """Yield the path of everything in *value*."""
    yield path
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, each in items:
        yield from places(each, (*path, key))


PLACES = [path for path in places(BASE) if path]
canaries = st.sampled_from(ALL_CANARIES)
planted = canaries.flatmap(
    lambda secret: st.sampled_from(
        [
            secret,
            [secret],
            {secret: secret},
            {"api_key": secret},
            f"Bearer {secret}",
            f"https://me:{secret}@relay.example/v1",
            f"https://relay.example/?key={secret}",
            f"sqlite:///{secret}",
            f"postgresql://me:{secret}@db/byok",
            f"file:{secret}",
            f"tcp:4000:interface={secret}",
            f"anthropic/{secret}",
            f"{secret}/claude",
            f"${{{secret}}}",
        ]
    )
)
names = st.sampled_from(sorted(known_names())) | st.sampled_from(
    [name for keys in LITELLM_KEYS.values() for name in keys]
)


def put(config, path, value):
    *above, last = path
    node = config
    for step in above:
        node = node[step]
    node[last] = value


@st.composite
def configurations(draw):
    """A configuration with secrets in several places, some of them wrong ones."""
    config = copy.deepcopy(BASE)
    for path in draw(st.lists(st.sampled_from(PLACES), max_size=3, unique=True)):
        try:
            put(config, path, draw(planted))
        except (KeyError, TypeError, IndexError):
            continue  # something above was replaced already
    for section in draw(
        st.lists(st.sampled_from(["general_settings", "litellm_settings"]), max_size=2)
    ):
        if isinstance(config[section], dict):
            config[section][draw(names | canaries)] = draw(planted)
    if draw(st.booleans()):
        config[draw(names | canaries)] = draw(planted)
    return config


def said(text, included=""):
    """Everything that examining *text* makes byok say."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = directory / "config.yaml"
        path.write_text(text, "utf-8")
        (directory / "more.yaml").write_text(included, "utf-8")
        (directory / "ours.yaml").write_text(included, "utf-8")
        report = examine(path, environ=ENVIRON)
        out = [repr(report), str(report.config), report.indented or ""]
        out += [f"{each} {each.remedy} {each.path}" for each in report.findings]
        out += [f"{each.path} {each.how}" for each in report.verdicts]
        error = ConfigError(report.findings, report.indented)
        out += [str(error), repr(error)]
    return "\n".join(out)


def assert_silent(text):
    assert [each for each in FORMS if each.lower() in text.lower()] == []


@FEW
@given(configurations())
def test_a_value_under_any_key_is_never_quoted(config):
    assert_silent(said(yaml.safe_dump(config, sort_keys=False)))


@FEW
@given(configurations(), st.data())
def test_a_file_that_is_no_yaml_is_never_quoted(config, data):
    text = yaml.safe_dump(config, sort_keys=False)
    at = data.draw(st.integers(0, len(text)))
    junk = data.draw(st.sampled_from([*"'\"[{*&!|%@`:#\t\x01", "\n---\n", "- "]))

    assert_silent(said(text[:at] + junk + text[at:]))
    assert_silent(said(text[:at]))


@FEW
@given(configurations())
def test_a_file_without_indentation_is_never_quoted(config):
    text = yaml.safe_dump(config, sort_keys=False)

    assert_silent(said("\n".join(line.strip() for line in text.splitlines())))


@FEW
@given(planted, st.sampled_from(["litellm_settings", "rules", "metadata", "x"]))
def test_an_included_file_is_never_quoted(value, key):
    config = yaml.safe_dump(BASE, sort_keys=False)

    assert_silent(said(config, yaml.safe_dump({key: value})))
    assert_silent(said(config, yaml.safe_dump({key: [value]}) + "'"))


@pytest.mark.parametrize("section", list(Section))
@pytest.mark.parametrize("secret", ALL_CANARIES[::4])
def test_no_setting_of_litellms_is_quoted(section, secret):
    config = copy.deepcopy(BASE)
    holder = {
        Section.TOP: config,
        Section.MODEL: config["model_list"][0],
        Section.PARAMS: config["model_list"][0]["litellm_params"],
        Section.INFO: config["model_list"][0]["model_info"],
    }.get(section)
    for name in LITELLM_KEYS[section]:
        (config[section] if holder is None else holder)[name] = secret

    assert_silent(said(yaml.safe_dump(config, sort_keys=False)))


@FEW
@given(configurations(), st.booleans())
def test_the_command_shows_nothing_either(config, as_json):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "config.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
        arguments = ["validate", str(path), "--verdicts"]

        result = CliRunner().invoke(main, [*arguments, *["--json"][: int(as_json)]])

    assert_silent(result.output)
    assert not as_json or json.loads(result.output)["version"] == 1
