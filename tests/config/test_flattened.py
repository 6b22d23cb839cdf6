"""A file that lost its indentation is recognised, and put right."""

from textwrap import dedent

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from byok.config.flattened import indented
from tests.config.files import SMALLEST, report_on
from tests.support import keys
from tests.support.seed import FLATTENED

INDENTED = """\
model_list:
  - model_name: claude-sonnet-4-5
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      # No api_key needed — client's key will be used

litellm_settings:
  forward_llm_provider_auth_headers: true # Required for BYOK
"""

# Everything a configuration of this shape can hold, as it should be.
FULL = """\
# What this is.

model_list:
  - model_name: claude-sonnet-4-5
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: os.environ/ANTHROPIC_API_KEY
      temperature: 0.5
      extra_headers:
        x-team: growth
      policies:
        - id: one
          action: strip
    model_info:
      id: main
      mode: chat
  - model_name: "*"
    litellm_params:
      model: anthropic/*
      trust_client_credentials:
        - anthropic.api_key
        - anthropic.oauth

# The switches.
litellm_settings:
  forward_llm_provider_auth_headers: true
  model_group_settings:
    forward_client_headers_to_llm_api:
      - claude-sonnet-4-5
  callbacks: ["otel"]
  cache_params:
    type: redis
    host: localhost
general_settings:
  master_key: file:master.key
  policy_packs:
    - base
    - claude-code
  policy_compat:
    conflicting_switches: either
  credential:
    order:
      - deployment
router_settings:
  num_retries: 3
  fallbacks:
    - {a: [b]}
environment_variables:
  TEAM: replace-me
providers:
  anthropic:
    api_base: https://relay.example
policy_files:
  - ours.yaml
listen: tcp:4000
"""


def flat(text):
    return "\n".join(line.strip() for line in text.splitlines()) + "\n"


def restored(text):
    return indented(text.encode(), "config.yaml")


def test_the_page_as_it_is_copied_is_put_right():
    assert restored(FLATTENED) == INDENTED
    assert restored(FLATTENED.partition("\n")[2]) == INDENTED


def test_every_part_of_a_configuration_finds_its_place():
    assert restored(flat(FULL)) == FULL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        SMALLEST,
        FULL,
        INDENTED,
        "store: sqlite:///byok.db\nlisten: tcp:4000\n",
        "general_settings: {master_key: x}\nunknown_thing: 1\n",
        "model_list:\n- {model_name: x, litellm_params: {model: y}}\n",
        "model_list:\n- model_name: x\n  litellm_params:\n    model: y\nstray: 1\n",
        "model_list:\n- {model_name: x}\nstray: 1\n",
        "general_settings:\nthis line is prose\n",
        "general_settings:\nuser_header_name: 'x\n",
        "general_settings:\n- master_key: x\nmodel: y\n",
        "general_settings:\nmaster_key: a\nmaster_key: b\n",
    ],
)
def test_what_was_not_flattened_is_left_alone(text):
    assert restored(text) is None


def test_a_file_that_is_not_text_is_left_alone():
    assert indented(b"\xff\xfe", "config.yaml") is None


def test_a_flattened_file_has_that_one_finding(tmp_path):
    report = report_on(tmp_path, FLATTENED)

    (finding,) = report.findings
    assert finding.code == "E129"
    assert report.config is None
    assert report.indented == INDENTED


def test_an_indented_file_is_then_judged_like_any_other(tmp_path):
    findings = report_on(tmp_path, INDENTED).findings

    assert [each.code for each in findings] == ["E140", "W111"]


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        (f"api_key: {keys.DEPLOYMENT_KEY}", "api_key: os.environ/BYOK_API_KEY"),
        (f"api_key: '{keys.AZURE_KEY}'", "api_key: os.environ/BYOK_API_KEY"),
        (
            f"api_key: {keys.AZURE_KEY} # mine",
            "api_key: os.environ/BYOK_API_KEY # mine",
        ),
        (f"what: {keys.OPAQUE_TOKEN}", "what: os.environ/BYOK_WHAT"),
        (f"x-y: {keys.ANTHROPIC_API_KEY}", "x-y: os.environ/BYOK_X_Y"),
        (f"aws_secret_access_key: {keys.AZURE_KEY}", None),
        (f"vertex_credentials: {keys.AZURE_KEY}", None),
        (f"# api_key: {keys.AZURE_KEY}", None),
        (f"timeout: 7 # key={keys.AZURE_KEY}", None),
        (f"# my key is {keys.ANTHROPIC_API_KEY}", None),
        (f"api_base: https://me:{keys.STORE_PASSWORD}@relay.example", None),
        ("api_key: os.environ/MINE", "api_key: os.environ/MINE"),
        ("api_key: file:mine.key", "api_key: file:mine.key"),
        ("api_key: null", "api_key: null"),
        ("timeout: 600", "timeout: 600"),
        ("model_name_of_mine: x", "model_name_of_mine: x"),
    ],
)
def test_what_is_printed_holds_no_secret(line, printed):
    text = f"model_list:\n- model_name: x\nlitellm_params:\nmodel: y\n{line}\n"

    result = restored(text)

    assert result is not None
    assert "CANARY" not in result
    assert printed is None or f"      {printed}\n" in result


def test_a_variable_and_a_list_of_secrets_are_not_printed_either():
    text = (
        "general_settings:\nkey_pepper:\n"
        f"- {keys.KEY_PEPPER}\n- os.environ/OLD\n"
        f"environment_variables:\nMINE: {keys.AZURE_KEY}\n"
    )

    assert restored(text) == dedent("""\
        general_settings:
          key_pepper:
            - os.environ/BYOK_KEY_PEPPER
            - os.environ/OLD
        environment_variables:
          MINE: replace-me
        """)


words = st.text("abcxyz", min_size=1, max_size=6)
models = st.lists(
    st.fixed_dictionaries(
        {
            "model_name": words,
            "litellm_params": st.fixed_dictionaries(
                {"model": words.map("anthropic/{}".format)},
                optional={
                    "temperature": st.integers(0, 9),
                    "policies": st.lists(
                        st.fixed_dictionaries({"id": words, "action": words}),
                        min_size=1,
                        max_size=2,
                    ),
                },
            ),
        },
        optional={"model_info": st.fixed_dictionaries({"id": words})},
    ),
    min_size=1,
    max_size=3,
)
switches = st.fixed_dictionaries(
    {}, optional={"json_logs": st.booleans(), "num_retries": st.integers(0, 5)}
)


@settings(deadline=None)
@given(models, switches.filter(bool))
def test_flattening_can_be_undone(model_list, litellm_settings):
    config = {"model_list": model_list, "litellm_settings": litellm_settings}
    text = yaml.safe_dump(config, sort_keys=False)

    result = restored(flat(text))

    assert result is not None
    assert yaml.safe_load(result) == config


@settings(deadline=None)
@given(st.text(st.sampled_from("ab_:- #\n'\"{[|"), max_size=60))
def test_any_text_behind_a_section_is_put_right_or_left_alone(text):
    result = restored(f"general_settings:\nmaster_key: x\n{text}")

    assert result is None or isinstance(yaml.safe_load(result), dict)
