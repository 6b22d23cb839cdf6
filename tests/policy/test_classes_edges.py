"""Where the classifier's tables and searches end, to the last entry and byte."""

import base64

import pytest

from byok.policy import classes
from byok.policy.classes import (
    Classified,
    How,
    classify,
    find_credential,
    holds_gateway_credential,
    is_own_slot,
    without_scheme,
)

WRITTEN = {
    "ambiguous",
    "client-identity",
    "client-network",
    "cookie",
    "credential.gateway",
    "credential.other",
    "credential.provider.anthropic.admin",
    "credential.provider.anthropic.api_key",
    "credential.provider.anthropic.oauth",
    "credential.provider.anthropic.other",
    "credential.provider.azure.api_key",
    "credential.provider.google.api_key",
    "credential.provider.openai.api_key",
    "credential.provider.openrouter.api_key",
    "credential.provider.unknown",
    "framing",
    "gateway-control",
    "hop-by-hop",
    "protocol",
    "telemetry.sdk",
    "tracing",
    "unclassified",
}


def test_classes_have_the_names_that_policies_are_written_with():
    assert set(classes.CLASSES) == WRITTEN
    assert {each.value for each in How} == {"value", "shape", "name", "default"}


def test_every_shape_begins_with_a_mark():
    assert all(
        prefix.startswith(classes.MARKS) for prefix, _ in classes.CREDENTIAL_SHAPES
    )


@pytest.mark.parametrize(
    ("cls", "slots"),
    [
        (classes.ANTHROPIC_API_KEY, {(b"x-api-key", False), (b"authorization", True)}),
        (classes.ANTHROPIC_OAUTH, {(b"authorization", True)}),
        (classes.OPENAI_API_KEY, {(b"authorization", True)}),
        (classes.OPENROUTER_API_KEY, {(b"authorization", True)}),
        (classes.AZURE_API_KEY, {(b"api-key", False)}),
        (classes.GOOGLE_API_KEY, {(b"x-goog-api-key", False)}),
        (classes.UNKNOWN_CREDENTIAL, {(b"x-api-key", False), (b"authorization", True)}),
        (classes.ANTHROPIC_ADMIN, set()),
        (classes.ANTHROPIC_OTHER, set()),
        (classes.OTHER_CREDENTIAL, set()),
        (classes.GATEWAY, set()),
    ],
)
def test_each_provider_reads_its_key_in_its_own_place_alone(cls, slots):
    read = {
        (name, bearer)
        for name in (b"x-api-key", b"authorization", b"api-key", b"x-goog-api-key")
        for bearer in (False, True)
        if is_own_slot(name, b"Bearer opaque" if bearer else b"opaque", cls)
    }

    assert read == slots


def test_a_secret_of_twelve_bytes_is_found_inside_words_and_one_of_eleven_is_not():
    assert holds_gateway_credential(b"x012345678901x", (b"012345678901",))
    assert not holds_gateway_credential(b"x01234567890x", (b"01234567890",))


@pytest.mark.parametrize("value", [b"xsk-1234", b"_sk-1234", b"-sk-1234", b"sk-1234x"])
def test_one_letter_beside_a_short_key_makes_another_word(value):
    assert not holds_gateway_credential(value, (b"sk-1234",))


@pytest.mark.parametrize("beside", [b"~", b"!", b".", b"+", b"/", b"@"])
def test_a_sign_beside_a_short_key_ends_the_word(beside):
    assert holds_gateway_credential(beside + b"sk-1234" + beside, (b"sk-1234",))


def test_a_short_key_is_looked_for_at_every_place():
    assert holds_gateway_credential(b"a;;;", (b";;",))


def test_a_gateway_key_in_basic_is_looked_for_among_all_secrets():
    value = b"Basic dTpzay0xMjM0"  # u:sk-1234

    assert holds_gateway_credential(value, (b"other-1", b"sk-1234"))
    assert not holds_gateway_credential(value, (b"other-1", b"other-2"))


@pytest.mark.parametrize("pair", [b"a?>:%b", b"b>?:%b", b"u\xff:%b", b"\xfb:%b"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_basic_is_read_in_either_alphabet(pair, encode):
    encoded = encode(pair % b"sk-ant-api03-1")

    assert not encoded.isalnum()
    assert find_credential(b"Basic " + encoded) == classes.ANTHROPIC_API_KEY


@pytest.mark.parametrize("value", [b"Bearer \x0bx", b"Bearer x", b"\x0bBearer x\x0b"])
def test_no_blank_of_any_kind_stays_around_a_token(value):
    assert without_scheme(value) == b"x"


def test_what_is_found_is_the_first_key():
    assert find_credential(b"sk-or-1 sk-proj-1") == classes.OPENROUTER_API_KEY
    assert find_credential(b"sk-proj-1 sk-or-1") == classes.OPENAI_API_KEY


@pytest.mark.parametrize("length", range(1, 41))
def test_basic_may_come_without_its_padding(length):
    pair = b"u:sk-ant-api03-" + b"x" * length
    encoded = base64.b64encode(pair).rstrip(b"=")

    assert find_credential(b"Basic " + encoded) == classes.ANTHROPIC_API_KEY


def test_a_name_that_says_nothing_decides_by_default():
    assert classify(b"x-foo", b"1") == Classified(
        cls=classes.UNCLASSIFIED, how=How.DEFAULT
    )
    assert classify(b"user-agent", b"1").how is How.NAME
