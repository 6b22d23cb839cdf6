"""What is put on the wire is plain HTTP, and framed by the gateway alone."""

import pytest

from byok.core.errors import EgressViolation
from byok.core.facts import Headers
from byok.core.providers import Origin
from byok.policy import names
from byok.upstream.outgoing import Outgoing, host_of, prepare

ANTHROPIC = Origin(scheme="https", host="api.anthropic.com", port=443)


def prepared(headers: Headers = (), *, target: bytes = b"/v1/messages") -> Outgoing:
    return prepare(
        origin=ANTHROPIC, method=b"POST", target=target, headers=headers, body=b"{}"
    )


def test_host_and_one_identity_encoding_stand_before_the_approved_headers():
    sent = prepared(((b"anthropic-version", b"2023-06-01"),))

    assert sent.headers == (
        (b"host", b"api.anthropic.com"),
        (b"accept-encoding", b"identity"),
        (b"anthropic-version", b"2023-06-01"),
    )


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (("https", "api.anthropic.com", 443), b"api.anthropic.com"),
        (("http", "127.0.0.1", 80), b"127.0.0.1"),
        (("http", "127.0.0.1", 443), b"127.0.0.1:443"),
        (("https", "relay.example", 8443), b"relay.example:8443"),
        (("http", "::1", 8080), b"[::1]:8080"),
    ],
)
def test_host_is_the_deployments_with_the_port_where_it_is_not_the_schemes(
    origin, host
):
    scheme, name, port = origin

    assert host_of(Origin(scheme=scheme, host=name, port=port)) == host


@pytest.mark.parametrize("name", sorted(names.FRAMING | names.HOP_BY_HOP))
@pytest.mark.parametrize("spelling", [bytes.lower, bytes.upper])
def test_no_framing_line_leaves_beside_ours(name, spelling):
    with pytest.raises(EgressViolation, match="written by the gateway alone"):
        prepared(((spelling(name), b"1"),))


@pytest.mark.parametrize(
    "name", [b"", b"x y", b"x:", b"x\r\ny", b"x\x00", b"\xe4", b"x(", b"x\n"]
)
def test_a_name_that_is_no_token_does_not_leave(name):
    with pytest.raises(EgressViolation, match="no token"):
        prepared(((name, b"1"),))


@pytest.mark.parametrize(
    "value",
    [
        b"a\r\nx-evil: 1",
        b"a\nb",
        b"a\x00b",
        b"\x1b[2J",
        b"a\x7f",
        b" a",
        b"a\t",
        b"\xe4",
    ],
)
def test_a_value_with_bytes_that_have_no_place_there_does_not_leave(value):
    with pytest.raises(EgressViolation, match="x-note"):
        prepared(((b"x-note", value),))


@pytest.mark.parametrize("value", [b"", b"a", b"a b\tc", b"~!@#$%^&*()"])
def test_a_plain_value_leaves(value):
    assert prepared(((b"x-note", value),)).headers[-1] == (b"x-note", value)


@pytest.mark.parametrize(
    "target", [b"", b"v1", b"/v1 x", b"/v1\r\n", b"/\x00", b"/\xe4", b"http://x/"]
)
def test_a_target_that_is_no_path_does_not_leave(target):
    with pytest.raises(EgressViolation, match="target"):
        prepared(target=target)


def test_the_refusal_quotes_no_value():
    with pytest.raises(EgressViolation) as caught:
        prepared(((b"x-api-key", b"secret\x00value"),))

    assert "secret" not in str(caught.value)
