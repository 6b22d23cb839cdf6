"""`general_settings.egress_proxy`: which proxy, with what shown, and past it what."""

import pytest

from byok.core.egress import EgressProxy
from byok.core.secret import Secret
from tests.config.files import MASTER, MODELS, config_of, found, report_on
from tests.support import keys

WITH_PASSWORD = (
    "{url: 'http://proxy.corp:3128', username: corp1, password: os.environ/PROXY}"
)


def with_proxy(value: str, models: str = MODELS) -> str:
    return f"{models}{MASTER}  egress_proxy: {value}\n"


def proxy_of(tmp_path, value: str, **environ: str) -> EgressProxy:
    proxy = config_of(tmp_path, with_proxy(value), **environ).general.egress_proxy
    assert proxy is not None
    return proxy


@pytest.mark.parametrize(
    "value",
    [
        "http://proxy.corp:3128",
        "HTTP://Proxy.Corp.:3128/",
        "{url: 'http://proxy.corp:3128'}",
        "os.environ/WHERE",
        "{url: os.environ/WHERE}",
    ],
)
def test_a_proxy_is_a_host_and_a_port(tmp_path, value):
    proxy = proxy_of(tmp_path, value, WHERE="http://proxy.corp:3128")

    assert (proxy.host, proxy.port) == ("proxy.corp", 3128)
    assert proxy.shown() is None


@pytest.mark.parametrize("host", ["10.0.0.7", "[fd00::7]", "127.0.0.1", "localhost"])
def test_a_proxy_may_be_anywhere(tmp_path, host):
    proxy = proxy_of(tmp_path, f"'http://{host}:8080'")

    assert str(proxy) == f"http://{host}:8080"


def test_without_the_setting_nothing_is_in_between(tmp_path):
    for value in ("null", "~"):
        config = config_of(tmp_path, with_proxy(value))

        assert config.general.egress_proxy is None
        assert [each.via for each in config.deployments] == [None]


@pytest.mark.parametrize(
    "value",
    [
        "proxy.corp:3128",
        "https://proxy.corp:3128",
        "socks5://proxy.corp:1080",
        "http://proxy.corp",
        "http://proxy.corp:0",
        "http://proxy.corp:70000",
        "http://proxy.corp:3128/path",
        "http://proxy_corp:3128",
        "http://0x7f.1:3128",
        "'http://proxy.corp:3128?x'",
        "'http://[::ffff:127.0.0.1]:3128'",
    ],
)
def test_what_is_not_the_address_of_a_proxy_is_an_error(tmp_path, value):
    for text in (value, f"{{url: {value}}}"):
        assert found(tmp_path, with_proxy(text)) == ["E153:7"]


def test_credentials_in_the_address_are_an_error_that_quotes_none(tmp_path):
    url = f"http://corp1:{keys.PROXY_PASSWORD}@proxy.corp:3128"

    (finding,) = report_on(tmp_path, with_proxy(url)).findings

    assert finding.code == "E153"
    assert "password below egress_proxy" in finding.remedy
    assert keys.PROXY_PASSWORD not in f"{finding}{finding.remedy}"


def test_credentials_are_basic_and_among_the_secrets(tmp_path):
    config = config_of(tmp_path, with_proxy(WITH_PASSWORD), PROXY=keys.PROXY_PASSWORD)

    proxy = config.general.egress_proxy
    assert proxy is not None
    assert proxy.password == Secret(keys.PROXY_PASSWORD)
    assert proxy.authorization is not None
    assert {proxy.password, proxy.authorization} <= set(config.secrets)
    assert keys.PROXY_PASSWORD not in repr(config)


def test_a_password_that_is_written_out_is_warned_of(tmp_path):
    value = WITH_PASSWORD.replace("os.environ/PROXY", "plain")

    assert found(tmp_path, with_proxy(value)) == ["W302:7"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("{username: a, password: os.environ/PROXY}", "E114"),
        ("{url: 'http://p.corp:1', username: a}", "E114"),
        ("{url: 'http://p.corp:1', password: os.environ/PROXY}", "E114"),
        (
            "{url: 'http://p.corp:1', username: 'a:b', password: os.environ/PROXY}",
            "E117",
        ),
        ("{url: 'http://p.corp:1', username: a, password: os.environ/NONE}", "E131"),
        ("{url: os.environ/NONE}", "E131"),
        ("{url: 'http://p.corp:1', proxy: x}", "E102"),
        ("{url: 'http://p.corp:1', no_proxy: corp}", "E101"),
        ("{url: 'http://p.corp:1', no_proxy: [os.environ/NONE]}", "E131"),
        ("[x]", "E101"),
        ("''", "E117"),
    ],
)
def test_what_is_half_said_is_an_error(tmp_path, value, code):
    report = report_on(tmp_path, with_proxy(value), PROXY=keys.PROXY_PASSWORD)

    assert code in {each.code for each in report.findings}
    assert report.config is None


@pytest.mark.parametrize(
    ("entry", "direct", "through"),
    [
        ("corp", "llm.corp", "corp.example"),
        (".corp", "llm.corp", "llm.corp.example"),
        ("'*.corp'", "llm.corp", "llmcorp.example"),
        ("LLM.Corp.", "llm.corp", "a.corp"),
        ("llm.corp:8443", "llm.corp:8443", "llm.corp"),
        ("10.0.0.0/8", "10.1.2.3", "11.1.2.3"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
        ("10.1.2.3:8443", "10.1.2.3:8443", "10.1.2.3"),
        ("fd00::/8", "[fd00::1]", "[fe00::1]"),
        ("'[fd00::1]:8443'", "[fd00::1]:8443", "[fd00::1]"),
        ("'[fd00::1]'", "[fd00::1]", "[fd00::2]"),
        ("'*:8443'", "relay.example:8443", "relay.example"),
    ],
)
def test_what_no_proxy_names_is_connected_to_directly(tmp_path, entry, direct, through):
    models = "model_list:\n" + "".join(
        f"  - {{model_name: {name}, litellm_params: {{model: anthropic/claude-x,"
        f" api_base: 'https://{host}', allow_private: true}}}}\n"
        for name, host in (("direct", direct), ("through", through))
    )
    value = f"{{url: 'http://proxy.corp:3128', no_proxy: [{entry}]}}"

    config = config_of(tmp_path, with_proxy(value, models))

    assert [each.name for each in config.deployments if each.via] == ["through"]


def test_a_star_is_everything(tmp_path):
    value = "{url: 'http://proxy.corp:3128', no_proxy: ['*']}"

    assert [
        each.via for each in config_of(tmp_path, with_proxy(value)).deployments
    ] == [None]


@pytest.mark.parametrize(
    "entry",
    [
        "a b",
        "'a,b'",
        "http://corp",
        "corp:0",
        "corp:70000",
        "1.2.3",
        "10.0.0.0/99",
        "a..b",
        "'*.*'",
        "'[corp]'",
        "'[::1'",
        "'a/b'",
    ],
)
def test_what_no_proxy_cannot_name_is_an_error(tmp_path, entry):
    value = f"{{url: 'http://proxy.corp:3128', no_proxy: [corp, {entry}]}}"

    assert found(tmp_path, with_proxy(value)) == ["E153:7"]


def test_a_relay_on_this_machine_is_connected_to_directly(tmp_path):
    models = (
        "model_list:\n  - {model_name: a, litellm_params:"
        " {model: anthropic/x, api_base: 'http://127.0.0.1:9000'}}\n"
    )
    text = with_proxy("http://proxy.corp:3128", models)

    config = config_of(tmp_path, text + "  allow_plaintext_loopback: true\n")

    assert [each.via for each in config.deployments] == [None]
