"""What is said at the start."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from byok.web.banner import Listening, banner, listening_at


@pytest.mark.parametrize(
    ("host", "port", "secure", "url"),
    [
        ("127.0.0.1", 4000, False, "http://127.0.0.1:4000"),
        ("0.0.0.0", 4000, False, "http://127.0.0.1:4000"),
        ("10.1.2.3", 443, True, "https://10.1.2.3:443"),
        ("::1", 4000, False, "http://[::1]:4000"),
        ("/run/byok.sock", None, False, None),
    ],
)
def test_the_address_is_one_that_a_client_here_can_use(host, port, secure, url):
    assert Listening(address=host, port=port, secure=secure).url == url


@pytest.mark.parametrize(
    ("host", "port", "exposure"),
    [
        ("127.0.0.1", 4000, "this machine only"),
        ("127.8.8.8", 4000, "this machine only"),
        ("::1", 4000, "this machine only"),
        ("/run/byok.sock", None, "this machine only"),
        ("0.0.0.0", 4000, "every network this machine is in"),
        ("::", 4000, "every network this machine is in"),
        ("10.1.2.3", 4000, "the network of 10.1.2.3"),
    ],
)
def test_it_says_from_where_it_can_be_reached(host, port, exposure):
    assert Listening(address=host, port=port, secure=False).exposure == exposure


def test_sockets_of_every_kind_are_described():
    tcp = listening_at(IPv4Address("TCP", "127.0.0.1", 1), secure=False)
    tcp6 = listening_at(IPv6Address("TCP", "::1", 2), secure=True)
    unix = listening_at(UNIXAddress("/run/byok.sock"), secure=False)

    assert (tcp.address, tcp.port) == ("127.0.0.1", 1)
    assert (tcp6.address, tcp6.port, tcp6.secure) == ("::1", 2, True)
    assert (unix.address, unix.port) == ("/run/byok.sock", None)


HERE = Listening(address="127.0.0.1", port=4000, secure=False)


def test_the_lines_to_paste_are_a_shells():
    lines = banner(
        [HERE],
        key_header="x-litellm-api-key",
        single_user=False,
        make_key="byok keys create",
    )

    exports = [line.strip() for line in lines if line.startswith("  export ")]
    assert exports == [
        "export ANTHROPIC_BASE_URL=http://127.0.0.1:4000",
        'export ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: $(byok keys create)"',
        "export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
    ]


def test_a_single_user_needs_no_key():
    lines = banner([HERE], key_header="x-litellm-api-key", single_user=True)

    assert not [line for line in lines if "CUSTOM_HEADERS" in line]


def test_without_a_tcp_listener_there_is_no_address_to_paste():
    unix = Listening(address="/run/byok.sock", port=None, secure=False)

    (line,) = banner([unix], key_header="x-litellm-api-key", single_user=False)

    assert "no TCP listener" in line
