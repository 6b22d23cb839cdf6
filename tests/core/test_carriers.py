"""In which header the caller's key came, and the words for where it did not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.carriers import (
    CARRIERS,
    Presented,
    carriers,
    find_key,
    identity_status,
    refuse,
    refuse_key,
    seen,
)
from byok.core.errors import Refusal
from byok.policy.classes import (
    ANTHROPIC_API_KEY,
    ANTHROPIC_OAUTH,
    GATEWAY,
    OPENAI_API_KEY,
)
from byok.policy.declared import ClassTable, DeclaredName, DeclaredShape
from byok.policy.match import Glob
from byok.policy.outcome import Headers
from tests.policy import hostile
from tests.support import keys

KEY = keys.VIRTUAL_KEY.encode()
OTHER = keys.VIRTUAL_KEY_2.encode()
API_KEY = keys.ANTHROPIC_API_KEY.encode()
OAUTH = b"Bearer " + keys.ANTHROPIC_OAUTH.encode()


def presented(*headers: tuple[bytes, bytes], order=CARRIERS) -> Presented:
    found = find_key(headers, order)
    assert isinstance(found, Presented), found
    return found


def refused(*headers: tuple[bytes, bytes], order=CARRIERS) -> Refusal:
    found = find_key(headers, order)
    assert isinstance(found, Refusal)
    assert "CANARY" not in found.message
    return found


# Where it is looked for


def test_the_carriers_stand_in_this_order():
    assert [name.decode() for name in CARRIERS] == [
        "x-litellm-api-key",
        "x-byok-api-key",
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
    ]
    assert carriers(None) == CARRIERS
    assert carriers("X-Company-Key") == (b"x-company-key", *CARRIERS)
    # A configured one that stands in the list is moved, not doubled.
    assert carriers("Authorization")[0] == b"authorization"
    assert sorted(carriers("Authorization")) == sorted(CARRIERS)


@pytest.mark.parametrize("name", CARRIERS)
def test_a_key_is_found_in_every_carrier(name):
    found = presented((name, b"Bearer " + KEY))

    assert found.carrier == name.decode()
    assert found.key.reveal_bytes() == KEY


@pytest.mark.parametrize("name", [n for n in CARRIERS if n != b"authorization"])
def test_the_bearer_scheme_is_optional_but_in_authorization(name):
    assert presented((name, KEY)).key.reveal_bytes() == KEY


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER\t", b"bEARER  "])
def test_the_scheme_may_be_in_any_case(scheme):
    found = presented((b"authorization", scheme + KEY))

    assert found.key.reveal_bytes() == KEY


@pytest.mark.parametrize("first", range(len(CARRIERS)))
def test_the_earlier_carrier_decides_whatever_order_the_headers_came_in(first):
    headers = [(name, b"Bearer " + OTHER) for name in CARRIERS[first + 1 :]]

    found = presented(*headers, (CARRIERS[first], b"Bearer " + KEY))

    assert found.carrier == CARRIERS[first].decode()
    assert found.key.reveal_bytes() == KEY


def test_a_wrong_key_is_not_rescued_by_a_later_carrier():
    found = presented(
        (b"authorization", b"Bearer " + KEY), (b"x-litellm-api-key", b"garbage")
    )

    assert found.carrier == "x-litellm-api-key"
    assert found.key.reveal_bytes() == b"garbage"


@pytest.mark.parametrize("empty", [b"", b"Bearer", b"bearer"])
def test_an_empty_carrier_counts_as_absent(empty):
    found = presented((b"x-litellm-api-key", empty), (b"x-api-key", KEY))

    assert found.carrier == "x-api-key"
    assert refused((b"authorization", empty)).code == "auth.missing-key"


@pytest.mark.parametrize(
    "value",
    [
        keys.ANTHROPIC_API_KEY,
        keys.ANTHROPIC_OAUTH,
        keys.ANTHROPIC_ADMIN,
        keys.OPENAI_API_KEY,
        keys.OPENROUTER,
        keys.GOOGLE,
        "foo " + keys.ANTHROPIC_API_KEY,
    ],
)
@pytest.mark.parametrize("name", CARRIERS)
def test_a_value_of_a_providers_shape_is_no_candidate(name, value):
    dressed = b"Bearer " + value.encode()

    assert refused((name, dressed)).code == "auth.missing-key"
    later = (b"x-goog-api-key", KEY)
    if name != b"x-goog-api-key":
        assert presented((name, dressed), later).carrier == "x-goog-api-key"


def test_what_is_declared_to_be_a_providers_is_no_candidate_either():
    value = (b"x-api-key", b"corp_live_12345678")
    assert isinstance(find_key((value,), CARRIERS), Presented)

    for cls, kind in ((ANTHROPIC_API_KEY, Refusal), (GATEWAY, Presented)):
        table = ClassTable((), [DeclaredShape(prefix="corp_live_", cls=cls)])
        assert isinstance(find_key((value,), CARRIERS, table), kind)


def test_a_byok_shape_is_one():
    assert presented((b"x-api-key", b"sk-byok-x")).key.reveal_bytes() == b"sk-byok-x"


def test_the_configured_carrier_comes_first():
    headers = ((b"x-litellm-api-key", OTHER), (b"x-company-key", KEY))

    assert presented(*headers, order=carriers("X-Company-Key")).carrier == (
        "x-company-key"
    )


@pytest.mark.parametrize("value", [b"Basic dTpw", KEY, b"Token " + KEY, b"Bearerx"])
def test_authorization_without_the_bearer_scheme_is_refused_in_so_many_words(value):
    refusal = refused((b"authorization", value), (b"x-api-key", KEY))

    assert (refusal.status, refusal.code) == (401, "auth.scheme")
    assert "Bearer" in refusal.message


def test_an_earlier_carrier_saves_the_trouble():
    headers = ((b"authorization", b"Basic dTpw"), (b"x-byok-api-key", KEY))

    assert presented(*headers).carrier == "x-byok-api-key"


def test_a_key_that_is_not_utf8_is_presented_as_it_came():
    assert presented((b"x-api-key", b"\xff\xfe")).key.reveal_bytes() == b"\xff\xfe"


# Refusals


def test_a_missing_key_is_a_401_that_says_how_to_send_one():
    refusal = refused()

    assert (refusal.status, refusal.kind) == (401, "authentication_error")
    assert refusal.code == "auth.missing-key"
    assert "no credential at all came" in refusal.message
    assert 'ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: <your' in refusal.message


def test_the_configured_carrier_is_the_one_that_is_asked_for():
    refusal = refused(order=carriers("X-Company-Key"))

    assert '"x-company-key: <your byok key>"' in refusal.message


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        ("x-api-key", ("the API key header", "ANTHROPIC_API_KEY")),
        ("Authorization", ("authorization", "ANTHROPIC_AUTH_TOKEN")),
    ],
)
def test_a_configured_carrier_that_claude_code_fills_is_told_by_its_variable(
    configured, told
):
    header, variable = told
    message = refused(order=carriers(configured)).message

    assert f"Send it as {header}: in Claude Code, set {variable}=<your" in message


@pytest.mark.parametrize(
    "make", [find_key, lambda headers, _: refuse_key(headers, "x")]
)
def test_with_a_login_token_the_status_is_403(make):
    """A 401 would make the client spend its refresh token."""
    refusal = make(((b"authorization", OAUTH),), CARRIERS)

    assert (refusal.status, refusal.kind) == (403, "permission_error")
    elsewhere = make(((b"x-api-key", keys.ANTHROPIC_OAUTH.encode()),), CARRIERS)
    assert elsewhere.status == 401


def test_a_fabricated_login_token_opens_nothing():
    assert isinstance(
        find_key(((b"authorization", b"Bearer sk-ant-oat01-x"),), CARRIERS), Refusal
    )


def test_one_refusal_stands_for_every_key_that_opens_nothing():
    refusal = refuse_key(((b"x-api-key", KEY),), "x-api-key")

    assert refusal.code == "auth.invalid-key"
    assert "the API key header is not accepted" in refusal.message
    assert "unknown, expired or blocked" in refusal.message


def test_a_refusal_has_the_code_and_message_it_is_given():
    refusal = refuse((), code="auth.some", message="words")

    assert (refusal.code, refusal.message) == ("auth.some", "words")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ((), "no credential at all came"),
        (((b"user-agent", b"x"),), "no credential at all came"),
        (((b"x-api-key", b""),), "the API key header is empty"),
        (((b"x-api-key", API_KEY),), "the API key header holds an Anthropic API key"),
        (((b"authorization", OAUTH),), "authorization holds a claude.ai login token"),
        (
            ((b"x-api-key", keys.ANTHROPIC_ADMIN.encode()),),
            "the API key header holds an Anthropic admin key",
        ),
        (
            ((b"x-api-key", keys.OPENAI_API_KEY.encode()),),
            "the API key header holds an OpenAI API key",
        ),
        (((b"x-byok-key", b"sk-byok-1"),), "x-byok-key holds a byok key"),
        (((b"my-x-api-key", b"1"),), "my-(API key) holds a value of no known shape"),
        (((b"x-goog-api-key", b""), (b"api-key", b"")), "%s is empty; %s is empty"),
    ],
)
def test_what_came_is_told_by_header_and_class(headers, words):
    names = tuple(name.decode() for name, _ in headers)
    assert seen(headers) == (words % names if "%s" in words else words)


def test_what_is_declared_is_told_by_its_class():
    table = ClassTable(
        [DeclaredName(name=Glob("x-corp-badge"), cls=OPENAI_API_KEY)],
        [DeclaredShape(prefix="corp_live_", cls=GATEWAY)],
    )
    headers = ((b"x-corp-badge", b"Ann"), (b"x-api-key", b"corp_live_12345678"))

    assert seen(headers) == "the API key header holds a value of no known shape"
    assert seen(headers, class_table=table) == (
        "x-corp-badge holds an OpenAI API key; the API key header holds a byok key"
    )


def test_a_declared_login_is_refused_without_a_401():
    table = ClassTable((), [DeclaredShape(prefix="corp_live_", cls=ANTHROPIC_OAUTH)])
    login = (b"authorization", b"Bearer corp_live_12345678")
    bare = (b"authorization", b"corp_live_")

    assert identity_status((login,)) == (401, "authentication_error")
    assert identity_status((login,), table) == (403, "permission_error")
    for headers, expected in (((login,), 403), ((bare,), 401)):
        found = find_key(headers, CARRIERS, table)
        assert isinstance(found, Refusal)
        assert found.status == expected
    assert refuse_key((login,), "x-byok-key", table).status == 403


@given(hostile.headers(hostile.GATEWAY_KEY), st.sampled_from([None, "x-company-key"]))
def test_any_headers_hold_a_key_or_give_a_refusal_without_values(headers, configured):
    fields: Headers = headers
    found = find_key(fields, carriers(configured))

    if isinstance(found, Refusal):
        assert found.status in {401, 403}
        assert "CANARY" not in found.message
    else:
        assert len(found.key)
        values = [value for name, value in fields if name.decode() == found.carrier]
        assert any(found.key.reveal_bytes() in value for value in values)


@pytest.mark.parametrize(
    ("carrier", "variable"),
    [
        ("x-litellm-api-key", "ANTHROPIC_CUSTOM_HEADERS"),
        ("authorization", "ANTHROPIC_AUTH_TOKEN"),
        ("x-api-key", "ANTHROPIC_API_KEY"),
    ],
)
def test_a_wrong_key_is_looked_for_in_the_variable_it_came_from(carrier, variable):
    message = refuse_key((), carrier).message

    assert f"in Claude Code it stands in {variable})" in message
    assert message.count("ANTHROPIC_") == 1
