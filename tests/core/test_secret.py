import copy
import dataclasses
import json
import pickle
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core import secret as secrets
from byok.core.secret import Secret, fingerprint
from tests.support.keys import ANTHROPIC_API_KEY, MARKERS

MARKER = MARKERS["anthropic api key"]


@dataclasses.dataclass
class Holder:
    key: Secret
    several: list[Secret]


@pytest.fixture
def secret():
    return Secret(ANTHROPIC_API_KEY)


def test_reveal_gives_the_value(secret):
    assert secret.reveal() == ANTHROPIC_API_KEY
    assert secret.reveal_bytes() == ANTHROPIC_API_KEY.encode()
    assert len(secret) == len(ANTHROPIC_API_KEY)


def test_the_text_of_a_secret_is_its_length_and_fingerprint(secret):
    name = fingerprint(ANTHROPIC_API_KEY.encode())

    assert repr(secret) == f"<secret:len=108 fp={name}>"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        format,
        "{}".format,
        "{!r:>200}".format,
        "{:>200}".format,
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: repr(dataclasses.asdict(Holder(secret, [secret]))),
        lambda secret: repr(dataclasses.astuple(Holder(secret, [secret]))),
        lambda secret: repr(copy.copy(secret)),
        lambda secret: repr(copy.deepcopy({"a": [secret]})),
        lambda secret: repr(Holder(secret, [secret])),
    ],
)
def test_no_rendering_shows_the_value(show, secret):
    shown = show(secret)

    assert "<secret:len=108 fp=" in shown
    assert MARKER not in shown


@pytest.mark.parametrize(
    "give_away",
    [
        pickle.dumps,
        lambda secret: pickle.dumps(secret, protocol=0),
        json.dumps,
        msgspec.json.encode,
        msgspec.to_builtins,
        lambda secret: secret.__getstate__(),
        vars,
        bytes,
        list,
        lambda secret: "key " + secret,
    ],
)
def test_what_would_give_the_value_away_fails_without_quoting_it(give_away, secret):
    with pytest.raises(TypeError) as caught:
        give_away(secret)

    assert MARKER not in str(caught.value)


def test_a_text_that_is_not_utf8_is_refused_without_keeping_it():
    with pytest.raises(ValueError, match="UTF-8 cannot carry") as caught:
        Secret(ANTHROPIC_API_KEY + "\ud800")

    assert MARKER not in str(caught.value)
    assert caught.value.__context__ is None


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_equal_texts_are_equal_secrets_with_one_hash(text):
    assert Secret(text) == Secret(text)
    assert hash(Secret(text)) == hash(Secret(text))
    assert Secret(text).reveal() == text


@given(st.binary())
def test_any_bytes_come_back_as_they_went_in(value):
    secret = Secret.from_bytes(value)

    assert secret.reveal_bytes() == value
    assert Secret(secret.reveal()) == secret


def test_a_letter_outside_ascii_compares_like_any_other():
    assert Secret("schlüssel") == Secret("schlüssel")
    assert Secret("schlüssel") != Secret("schlussel")


def test_a_secret_is_not_equal_to_its_own_text(secret):
    assert secret != ANTHROPIC_API_KEY
    assert secret != ANTHROPIC_API_KEY.encode()


@given(st.binary(), st.binary())
def test_a_fingerprint_is_eight_hex_digits_and_tells_values_apart(one, other):
    assert len(fingerprint(one)) == 8
    assert set(fingerprint(one)) <= set(string.hexdigits.lower())
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


def test_a_fingerprint_is_the_same_after_it_was_forgotten(monkeypatch):
    monkeypatch.setattr(secrets, "_MOST_KNOWN", 1)
    first = fingerprint(b"one")

    assert fingerprint(b"two") != first
    assert len(secrets._known) == 1
    assert fingerprint(b"one") == first
