"""Who may administer."""

import pytest

from byok.core.secret import Secret
from byok.web.admin_guard import ADMIN_CARRIERS, admin_carriers, check_admin
from tests.support.keys import ANTHROPIC_API_KEY, MASTER_KEY, VIRTUAL_KEY

MASTER = Secret(MASTER_KEY)
BEARER = (b"authorization", b"Bearer " + MASTER_KEY.encode())
HOST = (b"host", b"gateway.corp.example:4000")


def status(*headers, master_key=MASTER, order=ADMIN_CARRIERS):
    """Return the status that *headers* are refused with, 200 if they are not."""
    refusal = check_admin(headers, master_key=master_key, order=order)
    if refusal is None:
        return 200
    assert MASTER_KEY not in refusal.message
    return refusal.status


@pytest.mark.parametrize(
    "header",
    [
        BEARER,
        (b"authorization", b"bearer " + MASTER_KEY.encode()),
        (b"x-litellm-api-key", MASTER_KEY.encode()),
        (b"x-litellm-api-key", b"Bearer " + MASTER_KEY.encode()),
        (b"x-byok-api-key", MASTER_KEY.encode()),
    ],
)
def test_the_master_key_opens_in_each_of_its_carriers(header):
    assert status(header) == 200


def test_the_configured_carrier_comes_first():
    order = admin_carriers("X-Corp-Key")

    assert status((b"x-corp-key", MASTER_KEY.encode()), order=order) == 200
    assert status((b"x-corp-key", b"sk-wrong"), BEARER, order=order) == 401
    assert admin_carriers(None) == ADMIN_CARRIERS
    assert admin_carriers("Authorization")[0] == b"authorization"
    assert len(admin_carriers("Authorization")) == len(ADMIN_CARRIERS)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"authorization", b""),),
        ((b"authorization", MASTER_KEY.encode()),),
        ((b"authorization", b"Basic " + MASTER_KEY.encode()),),
        ((b"authorization", b"Bearer " + VIRTUAL_KEY.encode()),),
        ((b"authorization", b"Bearer " + MASTER_KEY.encode() + b"x"),),
        ((b"authorization", b"Bearer " + MASTER_KEY[:-1].encode()),),
        ((b"authorization", "Bearer schlüssel".encode()),),
        ((b"authorization", b"Bearer \xff\xfe"),),
        ((b"x-litellm-api-key", ANTHROPIC_API_KEY.encode()),),
        ((b"x-api-key", MASTER_KEY.encode()),),
        ((b"api-key", MASTER_KEY.encode()),),
        ((b"cookie", b"master=" + MASTER_KEY.encode()),),
        ((b"x-litellm-api-key", b"sk-wrong"), BEARER),
    ],
)
def test_anything_else_is_401(headers):
    assert status(*headers) == 401


def test_a_developers_own_key_beside_the_master_key_does_no_harm():
    own = (b"x-litellm-api-key", ANTHROPIC_API_KEY.encode())

    assert status(own, BEARER) == 200


def test_without_a_master_key_nobody_administers():
    assert status(BEARER, master_key=None) == 403
    assert status(master_key=None) == 403


@pytest.mark.parametrize(
    "header",
    [
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-site", b"same-site"),
        (b"sec-fetch-site", b"Cross-Site"),
        (b"origin", b"https://evil.example"),
        (b"origin", b"null"),
        (b"origin", b""),
        (b"origin", b"http://gateway.corp.example:4001"),
        (b"origin", b"http://gateway.corp.example"),
    ],
)
def test_a_page_of_another_site_is_refused_even_with_the_master_key(header):
    assert status(HOST, BEARER, header) == 403


@pytest.mark.parametrize(
    "header",
    [
        (b"sec-fetch-site", b"same-origin"),
        (b"sec-fetch-site", b"none"),
        (b"origin", b"http://gateway.corp.example:4000"),
        (b"origin", b"http://Gateway.Corp.example:4000"),
    ],
)
def test_a_page_of_the_gateway_itself_is_not(header):
    assert status(HOST, BEARER, header) == 200
