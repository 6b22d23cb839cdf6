"""S-19: which response headers a client gets to see."""

import pytest

from byok.core.answer_headers import relayed_headers
from byok.core.facts import Headers
from byok.core.secret import Secret
from tests.support import keys


def kept(fields: Headers, *, org_pays: bool = False, nominated=()) -> Headers:
    return relayed_headers(
        fields,
        nominated=nominated,
        org_pays=org_pays,
        secrets=(Secret(keys.DEPLOYMENT_KEY),),
    )


@pytest.mark.parametrize("org_pays", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        b"content-type",
        b"content-encoding",
        b"request-id",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
        b"date",
        b"cache-control",
        b"anthropic-something-new",
        b"x-new-header",
        b"www-authenticate",
        b"openai-processing-ms",
        b"openai-version",
    ],
)
def test_the_list_is_open(name, org_pays):
    assert kept(((name, b"1"),), org_pays=org_pays) == ((name, b"1"),)


@pytest.mark.parametrize("org_pays", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"content-length",
        b"trailer",
        b"upgrade",
        b"te",
        b"proxy-authenticate",
        b"proxy-connection",
        b"set-cookie",
        b"set-cookie2",
        b"server",
        b"via",
        b"alt-svc",
        b"strict-transport-security",
        b"access-control-allow-origin",
        b"location",
        b"cf-ray",
        b"cf-cache-status",
        b"x-amzn-requestid",
        b"x-amz-cf-id",
        b"x-envoy-upstream-service-time",
        b"x-cache",
        b"x-served-by",
        b"x-byok-error",
        b"x-byok-payer",
        b"x-litellm-model-id",
    ],
)
def test_what_is_not_about_the_answer_stays_behind(name, org_pays):
    assert kept(((name, b"1"),), org_pays=org_pays) == ()


@pytest.mark.parametrize(
    "name",
    [
        b"anthropic-organization-id",
        b"anthropic-ratelimit-requests-remaining",
        b"anthropic-ratelimit-unified-5h-utilization",
        b"anthropic-priority-input-tokens-limit",
        b"openai-organization",
        b"openai-project",
        b"x-ratelimit-remaining-tokens",
        b"ratelimit-limit",
    ],
)
def test_the_payers_affairs_are_told_to_the_payer_alone(name):
    assert kept(((name, b"1"),), org_pays=False) == ((name, b"1"),)
    assert kept(((name, b"1"),), org_pays=True) == ()


def test_names_that_connection_nominated_stay_behind():
    fields = ((b"x-hop", b"1"), (b"x-other", b"2"))

    assert kept(fields, nominated={b"x-hop"}) == ((b"x-other", b"2"),)


def test_order_and_repeats_are_kept():
    fields = ((b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3"))

    assert kept(fields) == fields


def test_a_field_that_repeats_the_deployments_key_stays_behind():
    value = b"bad key " + keys.DEPLOYMENT_KEY.encode()

    assert kept(((b"x-detail", value), (b"x-ok", b"1"))) == ((b"x-ok", b"1"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"x-a", b"1\r\nx-b: 2"), (b"x-a", b"\x00"), (b"x-a", b"\x1b[2J"), (b"x a", b"1")],
)
def test_a_field_that_is_not_plain_http_stays_behind(name, value):
    assert kept(((name, value),)) == ()
