"""Endpoint strings: what they listen on, and who can reach that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byok.config.listeners import (
    DEFAULT,
    ListenerError,
    TLSFiles,
    of_host_and_port,
    parse,
)


@pytest.mark.parametrize(
    ("endpoint", "loopback"),
    [
        (DEFAULT, True),
        ("tcp:4000", False),
        ("tcp:port=4000:interface=127.0.0.1", True),
        ("tcp:4000:interface=0.0.0.0", False),
        ("tcp:4000:interface=localhost", True),
        ("tcp:4000:interface=10.0.0.7", False),
        ("tcp:4000:interface=gateway.corp.example", False),
        ("tcp6:4000", False),
        (r"tcp6:4000:interface=\:\:1", True),
        (r"tcp6:4000:interface=\:\:", False),
        ("ssl:443:privateKey=key.pem:interface=127.0.0.1", True),
        ("unix:/run/byok.sock", True),
        ("unix:address=/run/byok.sock", True),
        ("systemd:domain=INET:index=0", False),
        ("tcp:0:interface=127.0.0.1", True),
    ],
)
def test_a_listener_knows_whether_others_can_reach_it(endpoint, loopback):
    listener = parse(endpoint)

    assert listener.endpoint == endpoint
    assert listener.is_loopback is loopback


@pytest.mark.parametrize(
    ("endpoint", "opened_as"),
    [
        ("unix:/run/byok.sock", "unix:/run/byok.sock:mode=660"),
        ("unix:address=/run/byok.sock", "unix:address=/run/byok.sock:mode=660"),
        ("unix:/run/byok.sock:mode=600", "unix:/run/byok.sock:mode=600"),
        ("unix:/run/byok.sock:666", "unix:/run/byok.sock:666"),
        (DEFAULT, DEFAULT),
        ("systemd:domain=INET:index=0", "systemd:domain=INET:index=0"),
    ],
)
def test_a_unix_socket_lets_in_its_group_where_nothing_else_is_said(
    endpoint, opened_as
):
    assert parse(endpoint).opened_as == opened_as


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "4000",
        "127.0.0.1:4000",
        "http://localhost:4000",
        "tcp",
        "tcp:",
        "tcp:port",
        "tcp:65536",
        "tcp:-1",
        "tcp:99999999999999999999",
        "tcp:٤٠٠٠",
        "tcp:4000:interface=a=b",
        "tcp:4000:\\",
        "unix:",
        "fd:3",
    ],
)
def test_nonsense_is_refused(endpoint):
    with pytest.raises(ListenerError):
        parse(endpoint)


@pytest.mark.parametrize(
    ("host", "endpoint", "loopback"),
    [
        ("127.0.0.1", "tcp:4000:interface=127.0.0.1", True),
        ("0.0.0.0", "tcp:4000:interface=0.0.0.0", False),
        ("::1", r"tcp6:4000:interface=\:\:1", True),
    ],
)
def test_host_and_port_become_an_endpoint(host, endpoint, loopback):
    assert of_host_and_port(host, 4000) == endpoint
    assert parse(endpoint).is_loopback is loopback


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_listener_or_refused(text):
    try:
        listener = parse(text)
    except ListenerError as error:
        assert len(text) < 12 or text not in str(error)  # noqa: PT017
    else:
        assert listener.endpoint == text


@pytest.mark.parametrize(
    ("endpoint", "opened_as", "tls"),
    [
        ("ssl:443", "tcp:443", TLSFiles(key="server.pem", certificate="server.pem")),
        (
            "ssl:443:privateKey=a.key:certKey=a.crt:extraCertChain=c.pem",
            "tcp:443",
            TLSFiles(key="a.key", certificate="a.crt", chain="c.pem"),
        ),
        (
            r"ssl:443:a.key:a.crt:interface=\:\:1:backlog=9",
            r"tcp6:443:interface=\:\:1:backlog=9",
            TLSFiles(key="a.key", certificate="a.crt"),
        ),
        (
            "ssl:port=443:privateKey=a.pem:interface=127.0.0.1",
            "tcp:443:interface=127.0.0.1",
            TLSFiles(key="a.pem", certificate="a.pem"),
        ),
    ],
)
def test_tls_stands_on_a_plain_listener(endpoint, opened_as, tls):
    listener = parse(endpoint)

    assert (listener.opened_as, listener.tls) == (opened_as, tls)
    assert listener.endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "ssl:",
        "ssl:x",
        "ssl:443:sslmethod=TLSv1_METHOD",
        "ssl:443:dhParameters=dh.pem",
        "ssl:443:privatKey=a.pem",
        "ssl:443:a:b:c:d:e:f:g:h",
    ],
)
def test_what_tls_cannot_be_is_refused(endpoint):
    with pytest.raises(ListenerError):
        parse(endpoint)
