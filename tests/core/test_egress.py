"""Which requests go through the proxy on the way out."""

from ipaddress import ip_network

import pytest

from byok.core.egress import EgressProxy, Exemption, basic_authorization
from byok.core.providers import Origin
from byok.core.secret import Secret
from tests.support import keys


def origin(host: str, port: int = 443) -> Origin:
    return Origin(scheme="https", host=host, port=port)


def proxy(*exempt: Exemption) -> EgressProxy:
    return EgressProxy(host="proxy.corp", port=3128, exempt=exempt)


@pytest.mark.parametrize(
    ("exemption", "host", "port"),
    [
        (Exemption(domain="corp"), "corp", 443),
        (Exemption(domain="corp"), "llm.corp", 443),
        (Exemption(domain="llm.corp", port=8443), "a.llm.corp", 8443),
        (Exemption(domain="*"), "api.anthropic.com", 443),
        (Exemption(network=ip_network("10.0.0.0/8")), "10.1.2.3", 443),
        (Exemption(network=ip_network("fd00::/8"), port=443), "fd00::1", 443),
    ],
)
def test_an_exemption_covers_what_it_names_and_what_is_below(exemption, host, port):
    assert exemption.covers(origin(host, port))
    assert not proxy(exemption).takes(origin(host, port))


@pytest.mark.parametrize(
    ("exemption", "host", "port"),
    [
        (Exemption(domain="corp"), "notcorp", 443),
        (Exemption(domain="corp"), "corp.example", 443),
        (Exemption(domain="corp", port=8443), "llm.corp", 443),
        (Exemption(network=ip_network("10.0.0.0/8")), "11.1.2.3", 443),
        (Exemption(network=ip_network("10.0.0.0/8")), "10.example", 443),
        (Exemption(network=ip_network("10.0.0.0/8")), "fd00::1", 443),
        (Exemption(domain="*", port=8443), "api.anthropic.com", 443),
    ],
)
def test_an_exemption_covers_nothing_else(exemption, host, port):
    assert not exemption.covers(origin(host, port))
    assert proxy(exemption).takes(origin(host, port))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "a.localhost"])
def test_nothing_on_this_machine_is_connected_to_through_it(host):
    assert not proxy().takes(origin(host))


def test_it_is_named_by_its_address_alone():
    password = Secret(keys.PROXY_PASSWORD)
    shown = basic_authorization("corp1", password)
    with_credentials = EgressProxy(
        host="fd00::1", port=3128, password=password, authorization=shown
    )

    assert str(with_credentials) == "http://[fd00::1]:3128"
    assert keys.PROXY_PASSWORD not in repr(with_credentials)
    assert shown.reveal().removeprefix("Basic ") not in repr(with_credentials)


def test_what_it_is_shown_is_basic_and_a_secret():
    password = Secret("s3cret-\N{SNOWMAN}")
    shown = basic_authorization("corp1", password)
    with_credentials = EgressProxy(
        host="proxy.corp", port=80, password=password, authorization=shown
    )

    assert with_credentials.shown() == b"Basic Y29ycDE6czNjcmV0LeKYgw=="
    assert set(with_credentials.secrets) == {password, shown}
    assert str(with_credentials) == "http://proxy.corp"


def test_without_credentials_it_is_shown_nothing():
    assert proxy().shown() is None
    assert proxy().secrets == ()
