"""S-04, S-22 to S-25, S-44, S-45, S-66: what a configuration may say, and shows."""

import json
import os

import pytest
import yaml
from click.testing import CliRunner

from byok.cli import main
from byok.config import examine
from byok.core.providers import PROVIDERS
from byok.core.secret import Secret
from tests.config.files import ENVIRON, MASTER, config_of, report_on, write
from tests.config.test_addresses import IMPOSTORS
from tests.support import keys
from tests.support.sweep import leaks_in

ANTHROPICS = PROVIDERS["anthropic"].credentials
OFFICIAL = [
    "https://api.anthropic.com",
    "https://API.ANTHROPIC.COM/",
    "https://api.anthropic.com./",
    "https://api.anthropic.com:443",
    "https://api.anthropic.com/v1",
]
SWITCHES = """\
litellm_settings:
  forward_llm_provider_auth_headers: true
  forward_client_headers_to_llm_api: true
"""


def with_base(url: str, *lines: str) -> str:
    """A configuration whose one deployment is at *url*."""
    params = {
        "model": "anthropic/claude-haiku-4-5",
        "api_base": url,
        **dict.fromkeys(lines, True),
    }
    entry = {"model_name": "claude-haiku", "litellm_params": params}
    return yaml.safe_dump({"model_list": [entry]}) + MASTER + SWITCHES


def said(directory, text: str) -> str:
    """All that is said of the configuration *text*, by the library and the command."""
    path = write(directory, text)
    report = examine(path, environ=ENVIRON)
    findings = "\n".join(f"{each} {each.remedy} {each!r}" for each in report.findings)
    result = CliRunner(env=ENVIRON).invoke(main, ["validate", str(path)])
    as_json = CliRunner(env=ENVIRON).invoke(main, ["validate", "--json", str(path)])
    assert json.loads(as_json.output)
    return "\n".join((findings, repr(report), result.output, as_json.output))


# S-04, S-45: addresses


@pytest.mark.parametrize("url", IMPOSTORS)
def test_an_impostor_of_anthropics_host_gets_nobodys_key(tmp_path, url):
    config = report_on(tmp_path, with_base(url, "allow_private")).config
    if config is None:
        return
    (deployment,) = config.deployments
    assert deployment.origin != PROVIDERS["anthropic"].origin
    assert deployment.trusted == frozenset()


def test_half_of_the_impostors_get_so_far_as_to_be_distrusted(tmp_path):
    """The test above is not passed by refusing everything."""
    accepted = [
        url
        for url in IMPOSTORS
        if report_on(tmp_path, with_base(url, "allow_private")).config is not None
    ]

    assert "https://api.anthropic.com.evil.example/" in accepted
    assert "https://evil.example/api.anthropic.com" in accepted
    assert "https://api.anthropic.com:8443/" in accepted


@pytest.mark.parametrize("url", OFFICIAL)
def test_every_spelling_of_anthropics_own_host_is_trusted(tmp_path, url):
    (deployment,) = config_of(tmp_path, with_base(url)).deployments

    assert deployment.trusted == ANTHROPICS


def test_the_name_of_a_provider_vouches_for_no_host(tmp_path):
    text = with_base("https://relay.example").replace("claude-haiku-4-5", "anthropic")

    (deployment,) = config_of(tmp_path, text).deployments

    assert deployment.provider == "anthropic"
    assert deployment.trusted == frozenset()


@pytest.mark.parametrize(
    ("url", "leave"),
    [
        ("http://api.anthropic.com", ""),
        ("http://relay.example", ""),
        ("http://relay.example", "allow_private"),
        ("http://10.0.0.7:8080", "allow_private"),
        ("http://127.0.0.1:8080", ""),
        ("http://127.0.0.1:8080", "allow_private"),
        ("http://localhost:8080", "allow_private"),
        ("http://[::1]:8080", "allow_private"),
    ],
)
def test_a_provider_in_the_clear_is_an_error(tmp_path, url, leave):
    """S-45"""
    text = with_base(url, *filter(None, [leave]))

    codes = [each.code for each in report_on(tmp_path, text).findings]

    assert "E151" in codes


def test_leave_for_loopback_is_leave_for_loopback_alone(tmp_path):
    leave = "  allow_plaintext_loopback: true\n"
    for url, is_fine in (
        ("http://127.0.0.1:8080", True),
        ("http://relay.example", False),
        ("http://10.0.0.7:8080", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
    ):
        text = with_base(url, "allow_private").replace(MASTER, MASTER + leave)

        assert (report_on(tmp_path, text).config is not None) == is_fine, url


@pytest.mark.parametrize(
    "line",
    [
        "litellm_settings: {ssl_verify: false}",
        "general_settings: {ssl_verify: false}",
        "litellm_settings: {ssl_security_level: DEFAULT@SECLEVEL=0}",
    ],
)
def test_no_setting_turns_the_check_of_certificates_off(tmp_path, line):
    """S-44: who writes one is told so, and nothing else changes."""
    base = with_base("https://api.anthropic.com").replace(SWITCHES, "")
    plain = config_of(tmp_path, base)
    tree = yaml.safe_load(base)
    for section, lines in yaml.safe_load(line).items():
        tree[section] = {**tree.get(section, {}), **lines}

    config = config_of(tmp_path, yaml.safe_dump(tree))

    assert config.findings != plain.findings
    assert [each.origin for each in config.deployments] == [
        each.origin for each in plain.deployments
    ]
    assert not any(
        "verify" in name or "ssl" in name or "insecure" in name
        for name in config.deployments[0].__slots__
    )


# S-22 to S-25: secrets


def test_secrets_come_by_reference_and_are_never_part_of_a_text(tmp_path):
    """S-22"""
    text = (
        with_base("https://api.anthropic.com")
        .replace("api_base", "api_key: os.environ/DEPLOYMENT_KEY\n    api_base")
        .replace("  master_key", "  key_pepper: os.environ/PEPPER\n  master_key")
    )

    config = config_of(tmp_path, text)

    assert set(config.secrets) == {
        Secret(keys.MASTER_KEY),
        Secret(keys.DEPLOYMENT_KEY),
        Secret(keys.KEY_PEPPER),
    }
    shown = f"{config} {config!r} {config.deployments} {config.gateway}"
    assert leaks_in(shown.encode(), "a configuration") == []


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("forward_llm_provider_auth_headers", "litellm_settings"),
        ("master_keys", "general_settings"),
        ("allow_plaintext_loopback", "general_settings"),
        ("credential", "general_settings"),
        ("master_key", "general_settings"),
        ("key_pepper", "general_settings"),
    ],
)
def test_a_secret_under_a_property_that_fails_is_not_quoted(tmp_path, line, path):
    """S-23: the finding names the place and the rule, and no value."""
    for value in (keys.DEPLOYMENT_KEY, {keys.GOOGLE: [keys.ANTHROPIC_OAUTH]}):
        tree = yaml.safe_load(with_base("https://api.anthropic.com"))
        tree[path][line] = {"x": value}

        told = said(tmp_path, yaml.safe_dump(tree))

        assert f"{path}.{line}" in told
        assert leaks_in(told.encode(), "findings") == []


@pytest.mark.parametrize(
    "line",
    [
        'master_key: "{}\n',
        "master_key: '{}\n  x: 1\n",
        "master_key: [{}\n",
        "master_key: {{{}\n",
        "master_key: *{}\n",
        "master_key: !{} x\n",
        "\tmaster_key: {}\n",
        "master_key: {}: x\n",
        "{}\n  : :\n",
        "? {}\n",
        "master_key: >{}\n",
        "%{}\n",
    ],
)
def test_a_line_that_is_no_yaml_is_told_by_its_number_alone(tmp_path, line):
    """S-24"""
    text = f"general_settings:\n  {line.format(keys.MASTER_KEY)}"

    told = said(tmp_path, text)

    assert "config.yaml:" in told
    assert leaks_in(told.encode(), "findings") == []


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("a-value-of-twenty-four-characters", "a-value-of-twenty-four-characters"),
        ("os.environ/OTHER", "os.environ/OTHER"),
        ("OTHER", "OTHER"),
        ("${HOME}", "${HOME}"),
        ("$(cat /etc/passwd)", None),
    ],
)
def test_what_a_variable_holds_is_looked_at_no_further(tmp_path, value, secret):
    """S-25: it is no reference, and no shell has a part in it."""
    path = write(tmp_path, with_base("https://api.anthropic.com"))

    report = examine(path, environ={"MASTER_KEY": value, "OTHER": "never", "HOME": "/"})

    found = None if report.config is None else report.config.master_key
    assert found == (None if secret is None else Secret(secret))


@pytest.mark.parametrize("text", ["OTHER", "xos.environ/OTHER", "'os.environ'"])
def test_a_text_that_is_no_reference_is_no_variable(tmp_path, text):
    """S-25"""
    base = with_base("https://api.anthropic.com")
    path = write(tmp_path, base.replace("os.environ/MASTER_KEY", text))

    report = examine(path, environ={"OTHER": "never", "os.environ": "never"})

    assert report.config is not None
    assert report.config.master_key == Secret(text.strip("'"))


def test_a_missing_variable_is_named_and_nothing_else_is(tmp_path):
    """S-25"""
    path = write(tmp_path, with_base("https://api.anthropic.com"))

    report = examine(path, environ={"OTHER_KEY": keys.DEPLOYMENT_KEY})

    (finding,) = report.findings
    assert finding.level == "error"
    assert "MASTER_KEY is not set" in str(finding)


def test_nothing_of_the_configuration_is_exported(tmp_path):
    before = dict(os.environ)
    text = with_base("https://api.anthropic.com")
    text += "environment_variables: {BYOK_EXPORTED: secret-of-the-file}\n"

    config_of(tmp_path, text)

    assert dict(os.environ) == before


# S-66: YAML


TWICE = """\
  forward_llm_provider_auth_headers: {}
  forward_llm_provider_auth_headers: {}
"""


@pytest.mark.parametrize(
    "text",
    [
        "litellm_settings:\n" + TWICE.format("false", "true"),
        "litellm_settings:\n" + TWICE.format("true", "true"),
        SWITCHES + SWITCHES,
        "general_settings: {master_key: os.environ/OTHER}\n",
    ],
)
def test_what_is_written_twice_is_an_error(tmp_path, text):
    """PyYAML alone would keep the last and say nothing."""
    base = with_base("https://api.anthropic.com").replace(SWITCHES, "")

    report = report_on(tmp_path, base + text)

    assert report.config is None
    assert [each.code for each in report.findings] == ["E122"]


def test_a_policy_file_is_read_as_strictly(tmp_path):
    rule = """\
    apiVersion: byok/v1
    kind: Policy
    metadata: {name: ours, owner: us, since: "2026-11"}
    tier: pack
    rules:
      - id: one
        match: {header: {name: [x-secret-thing]}}
        action: strip
        action: forward
    """
    write(tmp_path, rule, "ours.yaml")
    text = with_base("https://api.anthropic.com") + "policy_files: [ours.yaml]\n"

    report = report_on(tmp_path, text)

    assert report.config is None
    assert [(each.code, each.line) for each in report.findings] == [("E122", 9)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('a: !!python/object/apply:os.system ["touch ran"]\n', "E127"),
        ("a: !!python/name:os.system\n", "E127"),
        ("a: !!binary c2stYW50\n", "E127"),
        ("a: &a [*a]\n", "E123"),
        ("x: &x 1\ny: [" + "*x, " * 65 + "]\n", "E123"),
        ("a: " + "[" * 50 + "\n", "E125"),
        ("a: b\n" + "#" * 1024 * 1024, "E124"),
    ],
)
def test_yaml_that_does_more_than_say_is_refused(tmp_path, monkeypatch, text, code):
    monkeypatch.chdir(tmp_path)

    report = report_on(tmp_path, text)

    assert report.config is None
    assert code in [each.code for each in report.findings]
    assert not (tmp_path / "ran").exists()
