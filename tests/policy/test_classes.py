"""What a field is: credentials by value wherever they stand, the rest by name."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from byok.core.keys import new_key
from byok.policy import classes, names
from byok.policy.classes import (
    Classified,
    How,
    class_of_name,
    classify,
    find_credential,
    has_bearer_scheme,
    holds_gateway_credential,
    is_own_slot,
    without_scheme,
)
from tests.policy import hostile
from tests.support import keys

GATEWAY_KEY = hostile.GATEWAY_KEY
SHORT_KEY = hostile.SHORT_KEY

header_names = st.sampled_from(hostile.HEADER_NAMES)
before = st.one_of(
    st.just(b""), st.tuples(hostile.words, hostile.boundaries).map(b"".join)
)
after = st.one_of(
    st.just(b""), st.tuples(hostile.boundaries, hostile.words).map(b"".join)
)


# By value


@given(header_names, before, hostile.shaped(), after)
def test_a_key_at_any_token_boundary_of_any_header_is_a_credential(
    name, head, shaped, tail
):
    key, cls = shaped

    found = classify(name, head + key + tail)

    assert found.is_credential
    # What stands before it may by chance be a key too.
    if find_credential(head) is None:
        assert found.cls == cls
        assert found.how is How.SHAPE


@given(header_names, hostile.shaped(), st.data())
def test_bearer_and_basic_hide_no_key_in_any_case(name, shaped, data):
    key, cls = shaped
    dressed = st.one_of(hostile.bearer(st.just(key)), hostile.basic(st.just(key)))

    found = classify(name, data.draw(dressed))

    assert (found.cls, found.how) == (cls, How.SHAPE)


@pytest.mark.parametrize(
    ("value", "cls"),
    [
        (keys.ANTHROPIC_API_KEY, classes.ANTHROPIC_API_KEY),
        (keys.ANTHROPIC_OAUTH, classes.ANTHROPIC_OAUTH),
        (keys.ANTHROPIC_ADMIN, classes.ANTHROPIC_ADMIN),
        ("sk-ant-sid01-session", classes.ANTHROPIC_OTHER),
        ("sk-ant-ort01-refresh", classes.ANTHROPIC_OTHER),
        (keys.OPENAI_API_KEY, classes.OPENAI_API_KEY),
        ("sk-svcacct-1", classes.OPENAI_API_KEY),
        (keys.OPENROUTER, classes.OPENROUTER_API_KEY),
        (keys.GOOGLE, classes.GOOGLE_API_KEY),
        ("sk-byok-1", classes.GATEWAY),
    ],
)
def test_each_shape_has_its_class(value, cls):
    assert find_credential(value.encode()) == cls


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"sk-",
        b"sk-1234",
        b"sk-ant",
        b"AIza",
        b"task-ant-api03-1",
        b"mysk-or-1",
        b"sk-or- x",
        b"Basic",
        b"Basic !!!",
        b"Basic abc",
        b"basic c2stMTIzNA==",
    ],
)
def test_what_has_no_known_prefix_at_a_boundary_has_no_shape(value):
    assert find_credential(value) is None


@pytest.mark.parametrize(
    "before",
    [b"Bearer%20", b"key%3D", b"a%3d", b"%0A", b"%22", b"a\\n", b"\\r\\n", b"x\\t"],
)
def test_a_key_behind_an_escape_is_a_key(before):
    value = before + keys.ANTHROPIC_OAUTH.encode()

    assert find_credential(value) == classes.ANTHROPIC_OAUTH
    assert not classify(b"authorization", value).own_slot


@pytest.mark.parametrize("before", [b"%2", b"%2G", b"n", b"\\x", b"20", b"a-", b"_"])
def test_a_key_behind_letters_that_are_no_escape_is_a_part_of_their_word(before):
    assert find_credential(before + b"sk-ant-oat01-1") is None


@pytest.mark.parametrize("before", [b"x", b"_", b"20", b"a-", b"token=abc"])
def test_a_key_that_byok_made_is_one_behind_any_letters(before):
    value = before + new_key(bytes(32)).reveal_bytes()

    assert find_credential(value) == classes.GATEWAY
    assert find_credential(b"task-byok-gateway") is None


@pytest.mark.parametrize("before", [b"x", b"_", b"20", b"ANTHROPIC_API_KEY_"])
@pytest.mark.parametrize(
    ("key", "cls"),
    [
        (b"sk-ant-api03-" + b"a" * 90, classes.ANTHROPIC_API_KEY),
        (b"sk-ant-oat01-" + b"a" * 90, classes.ANTHROPIC_OAUTH),
        (b"sk-ant-admin01-" + b"a" * 90, classes.ANTHROPIC_ADMIN),
        (b"sk-proj-" + b"a" * 140, classes.OPENAI_API_KEY),
        (b"AIza" + b"a" * 35, classes.GOOGLE_API_KEY),
    ],
)
def test_a_key_as_long_as_keys_are_is_one_behind_any_letters(before, key, cls):
    assert find_credential(before + key) == cls


def test_a_word_and_a_key_are_classed_by_the_key_whatever_the_name_says():
    value = b"foo " + keys.ANTHROPIC_API_KEY.encode()

    for name in (b"te", b"cookie", b"x-litellm-api-key", b"anthropic-beta", b"host"):
        found = classify(name, value)
        assert found.cls == classes.ANTHROPIC_API_KEY
        assert not found.own_slot


# The gateway's own


@given(header_names, before, after, st.sampled_from([GATEWAY_KEY, SHORT_KEY]))
def test_the_gateways_key_is_the_gateways_in_every_header(name, head, tail, key):
    found = classify(name, head + key + tail, gateway_secrets=(key,))

    assert (found.cls, found.how) == (classes.GATEWAY, How.VALUE)


@given(header_names, st.sampled_from([GATEWAY_KEY, SHORT_KEY]), st.data())
def test_the_gateways_key_is_known_behind_any_scheme(name, key, data):
    dressed = st.one_of(hostile.bearer(st.just(key)), hostile.basic(st.just(key)))

    found = classify(name, data.draw(dressed), gateway_secrets=(b"", key))

    assert found.cls == classes.GATEWAY


@given(hostile.words, hostile.words)
def test_a_long_key_is_known_inside_of_any_word(head, tail):
    assert holds_gateway_credential(head + GATEWAY_KEY + tail, (GATEWAY_KEY,))


@pytest.mark.parametrize(
    "value", [b"task-1234", b"sk-12345", b"risk-1234x", b"sk-123", b"", b"sk-1234-5"]
)
def test_a_short_key_is_not_seen_in_longer_words(value):
    assert not holds_gateway_credential(value, (SHORT_KEY,))


@pytest.mark.parametrize(
    "value",
    [
        b"sk-1234",
        b"Bearer sk-1234",
        b"a/sk-1234",
        b"(sk-1234)",
        b"<sk-1234>",
        b"task-1234 sk-1234",
        b"key=sk-1234&x=1",
        b"sk-1234,sk-12345",
        b"sk-12345 sk-1234",
    ],
)
def test_a_short_key_is_seen_wherever_it_is_a_word(value):
    assert holds_gateway_credential(value, (SHORT_KEY,))


@pytest.mark.parametrize("key", [b"YWJjZGU=", b"a:b", b"pass,word", b"key;1", b"a=b"])
def test_a_short_key_may_hold_what_separates_words(key):
    assert holds_gateway_credential(key, (key,))
    assert holds_gateway_credential(b"Bearer " + key, (key,))
    assert holds_gateway_credential(b"x, " + key, (key,))


@given(st.binary(max_size=40))
def test_an_empty_secret_is_held_by_nothing(value):
    assert not holds_gateway_credential(value, (b"",))


def test_a_byok_shape_is_the_gateways_without_knowing_the_key():
    found = classify(b"x-custom", b"a, sk-byok-unknown")

    assert found == Classified(cls=classes.GATEWAY, how=How.SHAPE)


def test_a_configured_name_is_the_gateways_whatever_its_value():
    found = classify(b"x-company-key", b"anything", gateway_names={b"x-company-key"})

    assert found == Classified(cls=classes.GATEWAY, how=How.NAME)


# The own slot

SLOTS = {
    classes.ANTHROPIC_API_KEY: {b"x-api-key": False, b"authorization": True},
    classes.ANTHROPIC_OAUTH: {b"authorization": True},
    classes.OPENAI_API_KEY: {b"authorization": True},
    classes.OPENROUTER_API_KEY: {b"authorization": True},
    classes.GOOGLE_API_KEY: {b"x-goog-api-key": False},
}


@given(header_names, hostile.shaped(), st.booleans())
def test_a_key_alone_in_its_providers_header_and_scheme_is_in_its_slot(
    name, shaped, with_scheme
):
    key, cls = shaped
    value = b"Bearer " + key if with_scheme else key

    found = classify(name, value)

    assert found.own_slot == (SLOTS.get(cls, {}).get(name) is with_scheme)


@given(hostile.shaped(), before, after, st.sampled_from([b"", b"Bearer ", b"bearer\t"]))
@example((b"sk-ant-api03-1", classes.ANTHROPIC_API_KEY), b"", b"/sk-proj-1", b"")
@example((b"sk-ant-api03-1", classes.ANTHROPIC_API_KEY), b"a/", b"", b"Bearer ")
@example((b"sk-proj-1", classes.OPENAI_API_KEY), b"", b"/AIza1", b"Bearer ")
def test_a_key_with_other_words_is_in_no_slot(shaped, head, tail, scheme):
    key, cls = shaped
    value = scheme + head + key + tail

    for name in SLOTS.get(cls, {}):
        if head or find_credential(tail):
            assert not classify(name, value).own_slot


def test_other_credentials_than_those_with_a_slot_have_none():
    for cls in classes.CLASSES - classes.OWN_SLOTS.keys():
        for name in hostile.HEADER_NAMES:
            assert not is_own_slot(name, b"sk-ant-x", cls)
            assert not is_own_slot(name, b"Bearer sk-ant-x", cls)


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [
        (b"x-api-key", b"opaque", True),
        (b"x-api-key", b"Bearer opaque", False),
        (b"x-api-key", b"two words", False),
        (b"x-api-key", b"/sk-ant-api03-1", False),
        (b"x-api-key", b"sk-ant-api03-1/x", True),
        (b"x-api-key", b"", False),
        (b"x-api-key", "clé".encode(), False),
        (b"authorization", b"Bearer opaque", True),
        (b"authorization", b"BEARER opaque", True),
        (b"authorization", b"opaque", False),
        (b"authorization", b"Bearer", False),
        (b"authorization", b"Bearer a b", False),
        (b"authorization", b"Basic b3BhcXVl", False),
        (b"authorization", b"Bearer Bearer opaque", False),
        (b"proxy-authorization", b"Bearer opaque", False),
        (b"api-key", b"opaque", True),
        (b"ocp-apim-subscription-key", b"opaque", False),
    ],
)
def test_a_value_is_in_its_slot_as_one_token(name, value, own):
    found = classify(name, value)

    assert found.is_provider_credential
    assert found.own_slot is own


# Schemes


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        (b"Bearer x", b"x"),
        (b"bEaReR \t x ", b"x"),
        (b" Bearer x", b"x"),
        (b"Bearer", b""),
        (b"Bearer ", b""),
    ],
)
def test_a_bearer_scheme_is_taken_off_in_any_case(value, bare):
    assert has_bearer_scheme(value)
    assert without_scheme(value) == bare


@pytest.mark.parametrize("value", [b"x", b"Bearerx", b"Basic x", b"", b"x Bearer y"])
def test_what_has_no_bearer_scheme_stays_as_it_is(value):
    assert not has_bearer_scheme(value)
    assert without_scheme(value) == value


# By name

BY_NAME = {
    classes.HOP_BY_HOP: names.HOP_BY_HOP,
    classes.FRAMING: names.FRAMING,
    classes.COOKIE: names.COOKIES,
    classes.GATEWAY: names.GATEWAY_CREDENTIALS,
    classes.UNKNOWN_CREDENTIAL: names.AMBIGUOUS_CREDENTIALS,
    classes.OTHER_CREDENTIAL: names.OTHER_CREDENTIALS
    | {b"x-amz-date", b"x-session-token", b"client-secret", b"x-foo-api-key"},
    classes.CLIENT_NETWORK: names.CLIENT_NETWORK
    | {b"x-forwarded-for", b"x-envoy-peer", b"cf-ray"},
    classes.CLIENT_IDENTITY: names.CLIENT_IDENTITY | {b"x-claude-code-session-id"},
    classes.PROTOCOL: names.PROTOCOL | {b"anthropic-beta", b"anthropic-next"},
    classes.TRACING: names.TRACING | {b"x-b3-traceid"},
    classes.SDK_TELEMETRY: {b"x-stainless-lang"},
    classes.GATEWAY_CONTROL: {b"x-litellm-tags", b"x-byok-explain", b"x-pass-x"},
    classes.AZURE_API_KEY: {b"api-key", b"ocp-apim-subscription-key"},
    classes.GOOGLE_API_KEY: {b"x-goog-api-key"},
    classes.UNCLASSIFIED: {b"x-foo", b"accept-language", b"x-", b"sentry", b"token"},
    classes.AMBIGUOUS: {b"x_foo", b"x-claude-code_id", b"_", b"anthropic_beta"},
}


def test_every_class_is_one_that_rules_may_ask_for():
    shapes = {cls for _, cls in classes.CREDENTIAL_SHAPES}

    assert shapes | BY_NAME.keys() == classes.CLASSES


@pytest.mark.parametrize("cls", BY_NAME)
def test_a_name_alone_gives_the_class(cls):
    for name in BY_NAME[cls]:
        assert class_of_name(name) == cls
        assert classify(name, b"1").cls == cls


@pytest.mark.parametrize(
    "name",
    [
        b"x-claude-code-session-token",
        b"x-stainless-api-key",
        b"x-b3-secret",
        b"x-forwarded-access-token",
        b"cf-access-token",
        b"anthropic-session-token",
        b"anthropic-relay-secret",
        b"anthropic-api-key",
    ],
)
def test_a_name_that_ends_like_a_credential_is_one_whatever_it_begins_with(name):
    assert class_of_name(name) == classes.OTHER_CREDENTIAL


@pytest.mark.parametrize(
    "name",
    [
        b"anthropic-beta",
        b"anthropic-version",
        b"anthropic-dangerous-direct-browser-access",
    ],
)
def test_what_claude_code_says_of_its_protocol_is_none(name):
    assert class_of_name(name) == classes.PROTOCOL


@pytest.mark.parametrize("name", [b"user-agent", b"x-foo", b"anthropic-beta", b"te"])
def test_a_value_outside_ascii_is_read_in_different_ways(name):
    found = classify(name, "café".encode())

    assert found == Classified(cls=classes.AMBIGUOUS, how=How.VALUE)


def test_a_credential_outside_ascii_is_still_one():
    assert classify(b"x-api-key", "clé".encode()).cls == classes.UNKNOWN_CREDENTIAL
    assert classify(b"x-foo", "sk-ant-api03-é".encode()).is_credential


@given(
    st.one_of(header_names, hostile.words.map(bytes.lower)),
    st.one_of(hostile.values(GATEWAY_KEY, SHORT_KEY), st.binary(max_size=30)),
    st.sampled_from([(), (GATEWAY_KEY,), (SHORT_KEY, b"")]),
)
def test_every_field_has_one_known_class(name, value, secrets):
    found = classify(name, value, gateway_secrets=secrets)

    assert found.cls in classes.CLASSES
    assert found.is_credential == found.cls.startswith("credential.")
    assert found.is_provider_credential <= found.is_credential
    assert not found.own_slot or found.is_provider_credential


@given(st.binary(max_size=60))
def test_basic_with_anything_in_it_raises_nothing(data):
    value = b"Basic " + base64.b64encode(data)

    assert find_credential(b"Basic " + data) in {None, *classes.CLASSES}
    assert find_credential(value) in {None, *classes.CLASSES}


@pytest.mark.parametrize("value", [b"Bearer%20sk-12345", b"a\\nsk-12345", b"sk-12345"])
def test_a_short_key_is_found_behind_an_escape_too(value):
    assert holds_gateway_credential(value, (b"sk-12345",))


@pytest.mark.parametrize("value", [b"task-12345", b"sk-123456", b"a-sk-12345"])
def test_a_short_key_within_a_word_is_none(value):
    assert not holds_gateway_credential(value, (b"sk-12345",))
