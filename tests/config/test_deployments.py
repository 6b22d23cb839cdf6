"""`model_list` and `providers`: where requests go, and with whose key."""

import pytest

from byok.core.providers import PROVIDERS, Origin
from byok.core.secret import Secret
from byok.policy import classes
from tests.config.files import MASTER, config_of, found, report_on
from tests.support import keys

ANTHROPIC = PROVIDERS["anthropic"].origin
LOOPBACK = MASTER + "  allow_plaintext_loopback: true\n"


def entry(params, name="claude-*", info=""):
    text = f"  - model_name: '{name}'\n    litellm_params: {{{params}}}\n"
    return text + (f"    model_info: {{{info}}}\n" if info else "")


def one(directory, params, *, name="claude-*", rest=MASTER):
    text = f"model_list:\n{entry(params, name)}{rest}"
    config = config_of(directory, text)
    (deployment,) = (*config.deployments, *config.unsupported)
    return deployment


def codes(directory, params, *, name="claude-*", rest=MASTER):
    text = f"model_list:\n{entry(params, name)}{rest}"
    return [each for each in found(directory, text) if each[:4] != "W111"]


def test_a_deployment_is_the_providers_own_and_has_no_key(tmp_path):
    deployment = one(tmp_path, "model: anthropic/claude-*")

    assert deployment.name == "claude-*"
    assert deployment.model_group == "claude-*"
    assert deployment.upstream_model == "claude-*"
    assert deployment.origin == ANTHROPIC
    assert deployment.base_path == ""
    assert deployment.api_key is None
    assert deployment.trusted == PROVIDERS["anthropic"].credentials
    assert deployment.trust_note == ""
    assert not deployment.plaintext_ok
    assert not deployment.allow_private
    assert deployment.where.line == 2


def test_a_deployment_says_all_it_was_told(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    text = f"""\
model_list:
  - model_name: claude-sonnet-5-5
    litellm_params:
      model: anthropic/claude-sonnet-5-5
      api_base: https://relay.example/anthropic/v1
      api_key: os.environ/DEPLOYMENT_KEY
      allow_private: true
      ca_file: ca.pem
      connect_timeout: 2
    model_info:
      id: relay
      display_name: Sonnet by the relay
  - model_name: claude-haiku-*
    litellm_params: {{model: anthropic/claude-haiku-*}}
{MASTER}"""

    config = config_of(tmp_path, text)
    relay = config.deployments[0]

    assert relay.name == "relay"
    assert relay.display_name == "Sonnet by the relay"
    assert relay.origin == Origin(scheme="https", host="relay.example", port=443)
    assert relay.base_path == "/anthropic"
    assert relay.api_key == Secret(keys.DEPLOYMENT_KEY)
    assert relay.trusted == frozenset()
    assert relay.allow_private
    assert relay.ca_file == str(tmp_path / "ca.pem")
    assert relay.connect_timeout_s == 2.0
    assert Secret(keys.DEPLOYMENT_KEY) in config.secrets
    assert config.gateway.table.named("relay") is relay


@pytest.mark.parametrize(
    ("params", "provider", "upstream"),
    [
        ("model: anthropic/claude-x", "anthropic", "claude-x"),
        ("model: claude-x", "anthropic", "claude-x"),
        ("model: openai/gpt-x", "openai", "gpt-x"),
        ("model: gpt-x", "openai", "gpt-x"),
        ("model: o3-x", "openai", "o3-x"),
        ("model: claude-x, custom_llm_provider: openai", "openai", "claude-x"),
        ("model: openai/x, custom_llm_provider: openai", "openai", "x"),
        ("model: meta/x, custom_llm_provider: openai", "openai", "meta/x"),
        ("model: openai/meta/x", "openai", "meta/x"),
        ("model: bedrock/anthropic.claude-x", "bedrock", "anthropic.claude-x"),
        ("model: vertex_ai/claude-x", "vertex_ai", "claude-x"),
    ],
)
def test_the_provider_stands_before_the_model(tmp_path, params, provider, upstream):
    deployment = one(tmp_path, params, name="claude-haiku-x")

    assert (deployment.provider, deployment.upstream_model) == (provider, upstream)


@pytest.mark.parametrize(
    ("params", "remedy"),
    [
        ("model: anthropc/claude-x", "Did you mean anthropic/...?"),
        ("model: llama-x", "Write provider/model: anthropic/claude-sonnet-5-5."),
        ("model: anthropic/", "Write provider/model: anthropic/claude-sonnet-5-5."),
        (
            "model: x, custom_llm_provider: nobody",
            "Write provider/model: anthropic/claude-sonnet-5-5.",
        ),
    ],
)
def test_a_model_without_a_known_provider_is_an_error(tmp_path, params, remedy):
    text = f"model_list:\n{entry(params)}{MASTER}"

    (finding,) = report_on(tmp_path, text).findings

    assert (finding.code, finding.remedy) == ("E163", remedy)


def test_an_unsupported_provider_keeps_its_name_and_gets_no_request(tmp_path):
    text = (
        "model_list:\n"
        + entry("model: bedrock/claude-x, api_key: os.environ/NOT_SET", "claude-x")
        + entry("model: anthropic/*", "*")
        + MASTER
    )

    config = config_of(tmp_path, text)

    assert [each.code for each in config.findings] == ["W113"]
    assert [each.name for each in config.deployments] == ["*"]
    (kept,) = config.unsupported
    assert kept.origin.host.endswith(".invalid")
    assert kept.api_key is None
    assert config.gateway.table.find("claude-x") is kept


def test_a_star_alone_is_anthropics_with_a_warning(tmp_path):
    assert codes(tmp_path, "model: '*'", name="*") == ["W118:3"]
    assert one(tmp_path, "model: '*'", name="*").provider == "anthropic"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("claude-*-*", "anthropic/*"),
        ("claude-*", "anthropic/*-*"),
        ("claude-x", "anthropic/*"),
    ],
)
def test_stars_stand_for_each_other(tmp_path, name, model):
    assert [each[:4] for each in codes(tmp_path, f"model: '{model}'", name=name)] == [
        "E103"
    ]


def test_deployments_of_one_group_get_names_of_their_own(tmp_path):
    text = "model_list:\n" + entry("model: anthropic/*", "*") * 3 + MASTER

    config = config_of(tmp_path, text)

    assert [each.name for each in config.deployments] == ["*", "*#2", "*#3"]
    assert [each.code for each in config.findings] == ["W110", "W110"]
    assert "line 2 has this model_name too" in config.findings[0].message


def test_an_id_is_used_once(tmp_path):
    same = entry("model: anthropic/*", "a-*", "id: x")
    text = "model_list:\n" + same + entry("model: anthropic/*", "*", "id: x") + MASTER

    assert found(tmp_path, text) == ["E162:7"]


def test_a_provider_elsewhere_is_trusted_by_the_operators_word(tmp_path):
    rest = MASTER + "providers: {anthropic: {api_base: https://relay.example/a/v1}}\n"

    deployment = one(tmp_path, "model: anthropic/claude-*", rest=rest)

    assert deployment.origin.host == "relay.example"
    assert deployment.base_path == "/a"
    assert deployment.trusted == PROVIDERS["anthropic"].credentials
    assert deployment.trust_note == (
        f"providers.anthropic.api_base {tmp_path / 'config.yaml'}:6"
    )


@pytest.mark.parametrize(
    ("model", "line"), [("anthropic/claude-*", 7), ("openai/gpt-5", 8)]
)
def test_of_two_providers_at_one_address_the_deployments_own_is_named(
    tmp_path, model, line
):
    relay = "{api_base: https://relay.example/v1}"
    rest = f"{MASTER}providers:\n  anthropic: {relay}\n  openai: {relay}\n"

    deployment = one(tmp_path, f"model: {model}", rest=rest)

    provider = model.partition("/")[0]
    assert deployment.trust_note == (
        f"providers.{provider}.api_base {tmp_path / 'config.yaml'}:{line}"
    )


def test_at_another_providers_address_the_lines_that_vouch_for_it_are_named(tmp_path):
    rest = MASTER + "providers: {openai: {api_base: https://relay.example}}\n"

    deployment = one(
        tmp_path,
        "model: anthropic/claude-*, api_base: https://relay.example",
        rest=rest,
    )

    assert deployment.trusted == PROVIDERS["openai"].credentials
    assert deployment.trust_note == (
        f"providers.openai.api_base {tmp_path / 'config.yaml'}:6"
    )


def test_the_builtin_host_stays_trusted_beside_it(tmp_path):
    rest = MASTER + "providers: {anthropic: {api_base: https://relay.example}}\n"

    deployment = one(
        tmp_path,
        "model: anthropic/claude-*, api_base: https://api.anthropic.com",
        rest=rest,
    )

    assert deployment.trusted == PROVIDERS["anthropic"].credentials


def test_a_third_partys_address_is_trusted_class_by_class(tmp_path):
    relay = "model: anthropic/claude-*, api_base: https://relay.example"

    plain = one(tmp_path, relay)
    vouched = one(tmp_path, f"{relay}, trust_client_credentials: [anthropic.api_key]")
    opaque = one(tmp_path, f"{relay}, accepts_client_credential: opaque")

    assert plain.trusted == frozenset()
    assert vouched.trusted == {classes.ANTHROPIC_API_KEY}
    assert vouched.trust_note == (
        f"claude-*.trust_client_credentials {tmp_path / 'config.yaml'}:3"
    )
    assert opaque.trusted == {classes.UNKNOWN_CREDENTIAL}


@pytest.mark.parametrize("key", ["api_base", "base_url"])
def test_both_names_of_an_address_count(tmp_path, key):
    deployment = one(tmp_path, f"model: claude-*, {key}: https://relay.example")

    assert deployment.origin.host == "relay.example"


def test_both_names_at_once_are_an_error(tmp_path):
    params = "model: claude-*, api_base: https://a.example, base_url: https://b.example"

    assert codes(tmp_path, params) == ["E116:3"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://relay.example", "E151"),
        ("https://10.0.0.7", "E152"),
        ("https://relay.example/?key=x", "E150"),
        ("http://127.0.0.1:9000", "E151"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error(tmp_path, url, code):
    assert codes(tmp_path, f"model: claude-*, api_base: '{url}'") == [f"{code}:3"]
    rest = MASTER + f"providers: {{anthropic: {{api_base: '{url}'}}}}\n"
    assert codes(tmp_path, "model: claude-*", rest=rest) == [f"{code}:6"]


def test_this_machine_may_be_a_provider_where_that_is_allowed(tmp_path):
    deployment = one(
        tmp_path,
        "model: claude-*, api_base: 'http://127.0.0.1:9000'",
        rest=LOOPBACK,
    )

    assert deployment.plaintext_ok
    assert not one(tmp_path, "model: claude-*", rest=LOOPBACK).plaintext_ok


def test_a_providers_own_host_may_be_inside(tmp_path):
    """As where a company's DNS leads it to a relay of its own."""
    rest = MASTER + "providers: {anthropic: {allow_private: true}}\n"

    assert one(tmp_path, "model: claude-*", rest=rest).allow_private


def test_a_private_provider_passes_its_leave_on(tmp_path):
    rest = MASTER + (
        "providers: {anthropic: {api_base: 'https://10.0.0.7', allow_private: true}}\n"
    )

    assert one(tmp_path, "model: claude-*", rest=rest).allow_private
    assert not one(
        tmp_path, "model: claude-*, api_base: https://relay.example", rest=rest
    ).allow_private


def test_everything_wrong_with_a_deployment_is_told_at_once(tmp_path):
    params = (
        "model: claude-*, api_base: 'http://relay.example',"
        " api_key: os.environ/NOT_SET, connect_timeout: 0"
    )

    assert sorted(each[:4] for each in codes(tmp_path, params)) == [
        "E117",
        "E131",
        "E151",
    ]


def test_a_certificate_file_has_to_be_there(tmp_path):
    assert codes(tmp_path, "model: claude-*, ca_file: none.pem") == ["E115:3"]


@pytest.mark.parametrize(
    ("names", "warned"),
    [
        (["claude-sonnet-5-5"], True),
        (["claude-sonnet-*"], True),
        (["anthropic/*"], True),
        (["claude-sonnet-5-5", "claude-haiku-5-5"], False),
        (["claude-sonnet-5-5", "claude-haiku-*"], False),
        (["claude-sonnet-5-5", "my-haiku"], False),
        (["claude-*"], False),
        (["*"], False),
        (["gpt-5"], False),
    ],
)
def test_claude_code_needs_its_small_model(tmp_path, names, warned):
    text = "model_list:\n" + "".join(
        entry(f"model: 'anthropic/{name}'", name) for name in names
    )

    findings = report_on(tmp_path, text + MASTER).findings

    codes = [each.code for each in findings if each.code != "W130"]
    assert codes == (["W111"] if warned else [])
    assert not warned or "model_name: claude-haiku-*" in findings[0].remedy


@pytest.mark.parametrize("models", ["", "model_list:\n", "model_list: []\n"])
def test_a_gateway_without_models_is_warned_of(tmp_path, models):
    assert [each[:4] for each in found(tmp_path, models + MASTER)] == ["W112"]
