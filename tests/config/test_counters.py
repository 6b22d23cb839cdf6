"""The server in which several gateways count together."""

import pytest

from byok.config import examine
from byok.core.counters import CountersAddress
from byok.core.secret import Secret
from byok.reload.fixed import needs_restart
from tests.config.files import SMALLEST, config_of, found
from tests.support.keys import COUNTERS_PASSWORD

PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def shared(lines: str) -> str:
    """Return a configuration with these *lines* about its server."""
    return f"{SMALLEST}counters: {lines}\n"


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ("{url: 'redis://h'}", []),
        ("{url: 'rediss://me@h:7000/3', prefix: 'estate:two'}", []),
        ("", []),
        ("{}", ["E114:7"]),
        ("{url: 'http://h'}", ["E172:7"]),
        ("{url: os.environ/NO}", ["E131:7"]),
        ("{url: 'redis://:hunter2@h'}", ["W302:7"]),
        ("{url: 'redis://:hunter2@h', password: file:no}", ["E172:7"]),
        ("{url: 'redis://h', password: os.environ/NO}", ["E131:7"]),
        ("{url: 'redis://h', prefix: '{a}'}", ["E172:7"]),
        ("{url: 'redis://h', ca_file: ca.pem}", ["E172:7"]),
        ("{url: 'rediss://h', ca_file: no.pem}", ["E172:7"]),
        ("{url: 'rediss://h', ca_file: config.yaml}", ["E172:7"]),
        ("{url: 'redis://h', port: 6379}", ["E102:7"]),
        ("redis://h", ["E101:7"]),
    ],
)
def test_what_is_wrong_with_it_is_told(tmp_path, lines, codes):
    assert found(tmp_path, shared(lines)) == codes


def test_all_of_it_is_one_address(tmp_path, secret_file):
    name = secret_file(COUNTERS_PASSWORD).name
    (tmp_path / "ca.pem").write_text(PEM)
    config = config_of(
        tmp_path,
        shared(
            "{url: 'rediss://me@h:7000/3', prefix: two, ca_file: ca.pem,"
            f" password: file:{name}}}"
        ),
    )

    assert config.findings == ()
    assert config.counters == CountersAddress(
        host="h",
        port=7000,
        secure=True,
        user="me",
        password=Secret(COUNTERS_PASSWORD),
        database=3,
        ca_pem=PEM.encode(),
        prefix="two",
    )
    assert Secret(COUNTERS_PASSWORD) in config.secrets
    assert COUNTERS_PASSWORD not in repr(config)


def test_without_it_each_process_counts_by_itself(tmp_path):
    assert config_of(tmp_path, SMALLEST).counters is None


def test_another_server_takes_a_restart(tmp_path):
    one = config_of(tmp_path, shared("{url: 'redis://h'}"))
    other = config_of(tmp_path, shared("{url: 'redis://h/1'}"))

    assert needs_restart(one, other) == ("counters",)


def test_where_usage_is_kept_takes_a_restart(tmp_path):
    one = config_of(tmp_path, SMALLEST)
    other = config_of(tmp_path, f"{SMALLEST}usage: {{record: false, sync: true}}\n")

    assert needs_restart(one, other) == ("usage.record", "usage.sync")


def test_litellms_words_are_told_about(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"{SMALLEST}router_settings: {{redis_host: h, redis_port: 1}}\n")

    findings = examine(path, environ={}).findings

    told = [each for each in findings if each.code == "W121"]
    assert len(told) == 2
    assert all("named under counters" in each.message for each in told)
