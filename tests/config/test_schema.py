"""The shape of a configuration, and the schema that editors read."""

import json

import pytest
from jsonschema import Draft202012Validator

from byok.config.codes import CODES, Level
from byok.config.litellm import KNOWN_PROVIDERS, LITELLM_KEYS, OWN, Section
from byok.config.schema import config_schema, known_names, section_properties
from byok.core.providers import PROVIDERS, TRUST_WORDS
from byok.policy.slot import SOURCES, OnClientStripped, OnMissing
from byok.resources import schema_file
from tests.config.files import MASTER, MODELS, SMALLEST, found, report_on


def described(part, path=""):
    """Yield the path of each key and item of a schema that says nothing of itself."""
    if "$ref" not in part and "description" not in part:
        yield path
    for name, each in part.get("properties", {}).items():
        yield from described(each, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(part.get(word), dict):
            yield from described(part[word], f"{path}.{word}")
    for word in ("patternProperties", "$defs"):
        for name, each in part.get(word, {}).items():
            yield from described(each, f"{path}.{word}.{name}")


def test_the_schema_is_valid_itself():
    schema = json.loads(schema_file("config.schema.json").read_text("utf-8"))

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_is_described():
    assert list(described(config_schema())) == []


def test_the_schema_knows_the_words_of_the_policy_engine():
    credential = config_schema()["$defs"]["credential"]["properties"]
    trust = section_properties(Section.PARAMS)["trust_client_credentials"]

    assert credential["order"]["items"]["enum"] == list(SOURCES)
    assert credential["on_client_stripped"]["enum"] == [
        each.value for each in OnClientStripped
    ]
    assert credential["on_missing"]["enum"] == [each.value for each in OnMissing]
    assert sorted(trust["items"]["enum"]) == sorted(TRUST_WORDS)
    assert set(config_schema()["properties"]["providers"]["properties"]) == set(
        PROVIDERS
    )


@pytest.mark.parametrize("section", list(Section))
def test_own_words_are_in_the_schema_and_not_litellms(section):
    assert OWN[section] <= section_properties(section).keys()
    assert not OWN[section] & LITELLM_KEYS[section].keys() - {"policies"}


def test_a_setting_that_only_differs_is_honoured_or_said_to_have_no_effect():
    for section, keys in LITELLM_KEYS.items():
        for name, known in keys.items():
            assert known.how or not (known.protects or known.replaced), (section, name)


def test_the_well_known_settings_have_a_verdict():
    assert sum(len(keys) for keys in LITELLM_KEYS.values()) > 200
    assert not KNOWN_PROVIDERS & PROVIDERS.keys()
    assert "master_key" in known_names()


def test_the_level_of_a_code_is_its_letter():
    assert CODES["E101"].level is Level.ERROR
    assert CODES["W101"].level is Level.WARNING
    assert CODES["I102"].level is Level.INFO
    assert all(name == code.name for name, code in CODES.items())


def test_the_smallest_configuration_has_no_findings(tmp_path):
    assert found(tmp_path, SMALLEST) == []


@pytest.mark.parametrize(
    ("line", "findings"),
    [
        ("listen: 4000", ["E101:7"]),
        ("listen: []", ["E117:7"]),
        ("listen: {a: b}", ["E101:7"]),
        ("store: 7", ["E101:7"]),
        ("providers: {anthropic: {api_bse: x}}", ["E102:7"]),
        ("providers: {anthropc: {}}", ["E163:7"]),
        ("policy_files: policies.yaml", ["E101:7"]),
        ("model_lst: []", ["E102:7"]),
        ("router_settings: []", ["E101:7"]),
        ("litellm_settings: true", ["E101:7"]),
        ("x-anchors: {a: &a 1}", []),
        ("policy_files:", []),
        ("store:", []),
        ("listen:", []),
        ("providers:", []),
        ("providers: {openai: }", []),
    ],
)
def test_the_top_level_has_a_shape(tmp_path, line, findings):
    assert found(tmp_path, f"{SMALLEST}{line}\n") == findings


@pytest.mark.parametrize(
    ("line", "findings"),
    [
        ("json_logs: 'true'", ["E104:8"]),
        ("json_logs: 1", ["E104:8"]),
        ("json_logs: 'perhaps'", ["E104:8"]),
        ("forward_llm_provider_auth_headers: 'false'", ["E104:8"]),
        ("drop_params: 'false'", ["E104:8"]),
        ("set_verbose: off", []),
        ("json_logs: on", []),
        ("policies: {}", ["E101:8"]),
        ("policies: [x]", ["E101:8"]),
        ("model_group_settings: {forward_client_headers_to_llm_api: true}", ["E101:8"]),
    ],
)
def test_a_switch_is_a_switch(tmp_path, line, findings):
    assert found(tmp_path, f"{SMALLEST}litellm_settings:\n  {line}\n") == findings


@pytest.mark.parametrize(
    ("line", "findings"),
    [
        ("policy_compat: {conflicting_switches: both}", ["E105:7"]),
        ("policy_compat: {conflicting: either}", ["E102:7"]),
        ("credential: {order: []}", ["E117:7"]),
        ("credential: {order: [client]}", ["E105:7"]),
        ("credential: {order: [deployment, deployment]}", ["E117:7"]),
        ("credential: {on_missing: perhaps}", ["E105:7"]),
        ("user_header_name: 'x y'", ["E117:7"]),
        ("litellm_key_header_name: x_y", ["E117:7"]),
        ("policy_packs: [base, base]", ["E117:7"]),
    ],
)
def test_settings_of_ours_are_checked(tmp_path, line, findings):
    assert found(tmp_path, f"{SMALLEST}  {line}\n") == findings


@pytest.mark.parametrize(
    ("entry", "findings"),
    [
        ("{model_name: x}", ["E114:2"]),
        ("{litellm_params: {model: anthropic/x}}", ["E114:2"]),
        ("{model_name: x, litellm_params: {}}", ["E114:2"]),
        ("{model_name: '', litellm_params: {model: claude-opus-5-5}}", ["E117:2"]),
        ("{model_name: x, litellm_params: }", ["E101:2"]),
        ("x", ["E101:2"]),
    ],
)
def test_an_entry_needs_a_name_and_a_model(tmp_path, entry, findings):
    text = f"model_list:\n  - {entry}\n{MASTER}"

    assert [each for each in found(tmp_path, text) if each[:4] != "W111"] == findings


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ("connect_timeout: 0", "E117"),
        ("connect_timeout: 601", "E117"),
        ("connect_timeout: fast", "E101"),
        ("allow_private: 'yes'", "E104"),
        ("trust_client_credentials: [anthropic]", "E105"),
        ("accepts_client_credential: all", "E105"),
        ("extra_headers: {'x y': z}", "E117"),
        ("extra_headers: {x-y: [z]}", "E101"),
        ("api_key: {a: b}", "E101"),
    ],
)
def test_a_deployment_is_checked(tmp_path, params, code):
    text = f"{MODELS}      {params}\n{MASTER}"

    assert code in [each[:4] for each in found(tmp_path, text)]


@pytest.mark.parametrize(
    ("info", "code"),
    [("id: 'a b'", "E117"), ("display_name: " + "x" * 200, "E117")],
)
def test_what_is_said_of_a_deployment_is_checked(tmp_path, info, code):
    text = f"{MODELS}    model_info: {{{info}}}\n{MASTER}"

    assert code in [each[:4] for each in found(tmp_path, text)]


def test_an_unknown_key_of_ours_comes_with_the_nearest_word_or_all_of_them(tmp_path):
    remedies = [
        report_on(tmp_path, SMALLEST + line).findings[0].remedy
        for line in (
            "providers: {anthropic: {api_bse: x}}",
            "providers: {anthropic: {wholly_other: x}}",
            "providers: {anthropic: {allow_plaintext_loopback: true}}",
        )
    ]

    assert remedies == [
        "Did you mean api_base?",
        "Known here: allow_private, api_base.",
        "Move it to general_settings.",
    ]
