"""Who may see a provider's credentials, and in which header they travel."""

import pytest

from byok.core.providers import (
    PROVIDERS,
    TRUST_WORDS,
    Origin,
    slot_of,
    trusted_at,
)
from byok.core.routes import CHAT_COMPLETIONS, COUNT_TOKENS, MESSAGES, Dialect
from byok.policy import classes

ANTHROPIC = frozenset({classes.ANTHROPIC_API_KEY, classes.ANTHROPIC_OAUTH})


def https(host: str, port: int = 443) -> Origin:
    return Origin(scheme="https", host=host, port=port)


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (https("api.anthropic.com"), "https://api.anthropic.com"),
        (https("api.anthropic.com", 8443), "https://api.anthropic.com:8443"),
        (Origin(scheme="http", host="127.0.0.1", port=80), "http://127.0.0.1"),
        (Origin(scheme="http", host="::1", port=8080), "http://[::1]:8080"),
    ],
)
def test_an_origin_is_written_the_usual_way(origin, text):
    assert str(origin) == text


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("api.anthropic.com", False),
    ],
)
def test_loopback_is_this_machine_by_name_or_address(host, loopback):
    assert https(host).is_loopback is loopback


def test_a_providers_own_origin_is_trusted_for_its_credentials_alone():
    assert trusted_at(https("api.anthropic.com"), {}) == ANTHROPIC
    assert trusted_at(https("api.openai.com"), {}) == {classes.OPENAI_API_KEY}


@pytest.mark.parametrize(
    "origin",
    [
        https("api.anthropic.com", 8443),
        Origin(scheme="http", host="api.anthropic.com", port=80),
        Origin(scheme="http", host="api.anthropic.com", port=443),
        https("api.anthropic.com.evil.example"),
        https("aapi.anthropic.com"),
        https("anthropic.com"),
        https("evil.example"),
    ],
)
def test_what_only_looks_like_it_is_not(origin):
    assert trusted_at(origin, {}) == frozenset()


def test_an_origin_that_the_operator_names_is_trusted_too():
    relay = https("relay.example.net")

    assert trusted_at(relay, {"anthropic": relay}) == ANTHROPIC
    assert trusted_at(relay, {"openai": relay}) == {classes.OPENAI_API_KEY}
    assert trusted_at(relay, {"anthropic": https("relay.example.net", 1)}) == set()
    # The built-in one stays trusted beside it.
    assert trusted_at(https("api.anthropic.com"), {"anthropic": relay}) == ANTHROPIC


def test_a_deployment_is_vouched_for_by_class():
    relay = https("relay.example.net")

    assert trusted_at(relay, {}, vouched=[classes.ANTHROPIC_OAUTH]) == {
        classes.ANTHROPIC_OAUTH
    }
    assert trusted_at(relay, {}, opaque=True) == {classes.UNKNOWN_CREDENTIAL}


def test_the_words_of_trust_are_classes_without_their_beginning():
    assert TRUST_WORDS == {
        "anthropic.api_key": classes.ANTHROPIC_API_KEY,
        "anthropic.oauth": classes.ANTHROPIC_OAUTH,
        "openai.api_key": classes.OPENAI_API_KEY,
    }


@pytest.mark.parametrize(
    ("provider", "route", "cls", "slot"),
    [
        ("anthropic", MESSAGES, classes.ANTHROPIC_API_KEY, (b"x-api-key", False)),
        ("anthropic", MESSAGES, "", (b"x-api-key", False)),
        ("anthropic", COUNT_TOKENS, "", (b"x-api-key", False)),
        ("anthropic", MESSAGES, classes.ANTHROPIC_OAUTH, (b"authorization", True)),
        ("anthropic", CHAT_COMPLETIONS, "", (b"authorization", True)),
        ("openai", CHAT_COMPLETIONS, "", (b"authorization", True)),
    ],
)
def test_a_credential_travels_where_the_provider_reads_it(provider, route, cls, slot):
    assert slot_of(provider, route, cls) == slot


def test_every_provider_answers_some_dialect_and_takes_some_credential():
    for name, provider in PROVIDERS.items():
        assert provider.name == name
        assert provider.dialects
        assert provider.credentials <= classes.OWN_SLOTS.keys()
    assert Dialect.OPENAI in PROVIDERS["anthropic"].dialects
