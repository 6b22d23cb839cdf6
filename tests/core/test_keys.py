"""Virtual keys: their text, digest, display, and what they open."""

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.errors import Refusal
from byok.core.keys import (
    PREFIX,
    Peppers,
    VirtualKey,
    check,
    check_model,
    digest,
    display_name,
    is_raw_key,
    is_token_id,
    is_well_formed,
    may_use_model,
    named_models,
    new_key,
    new_token_id,
    rotated,
)
from byok.core.secret import Secret
from tests.support.keys import KEY_PEPPER, VIRTUAL_KEY

NOW = 1_800_000_000.0
PEPPERS = Peppers(Secret(KEY_PEPPER))
random_bytes = st.binary(min_size=32, max_size=32)


def key_record(**fields) -> VirtualKey:
    """Make the record of the planted key, with *fields* changed."""
    plain = VirtualKey(
        token_id=new_token_id(bytes(16)),
        digest=PEPPERS.digest(VIRTUAL_KEY.encode()),
        pepper_id=PEPPERS.current_id,
        key_name=display_name(Secret(VIRTUAL_KEY)),
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(plain, **fields)


# The text of a key


@given(random_bytes)
def test_a_generated_key_has_the_prefix_one_length_and_a_checksum(source):
    key = new_key(source).reveal()

    assert key.startswith("sk-byok-")
    assert len(key) == 57
    assert key.removeprefix(PREFIX).isalnum()
    assert is_well_formed(key.encode())


@given(random_bytes, random_bytes)
def test_every_bit_of_randomness_is_in_the_key(one, other):
    assert (new_key(one) == new_key(other)) is (one == other)


@given(random_bytes, st.data())
def test_a_key_with_one_character_mistyped_is_not_well_formed(source, data):
    key = new_key(source).reveal()
    place = data.draw(st.integers(len(PREFIX), len(key) - 1))
    letter = data.draw(st.sampled_from("0Aa9Zz-é").filter(lambda c: c != key[place]))

    assert not is_well_formed((key[:place] + letter + key[place + 1 :]).encode())


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_is_made_of_256_bits_and_nothing_else(length):
    with pytest.raises(ValueError, match="32 random bytes"):
        new_key(bytes(length))


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_token_id_is_made_of_128_bits_and_nothing_else(length):
    with pytest.raises(ValueError, match="16 random bytes"):
        new_token_id(bytes(length))


@pytest.mark.parametrize(
    ("key", "fine"),
    [
        (b"sk-1234", True),
        (VIRTUAL_KEY.encode(), True),
        (b"sk-byok-1234", False),
        (b"sk-byok-", False),
        (b"", False),
        (b"hunter2", False),
        (b"\xff\xfe", False),
        (b"sk-byok-" + b"\xff" * 49, False),
    ],
)
def test_what_cannot_be_in_the_store_is_known_without_asking_it(key, fine):
    assert is_well_formed(key) is fine


@given(st.binary())
def test_any_bytes_at_all_can_be_tried_as_a_key(value):
    assert is_well_formed(value) in {True, False}
    assert len(digest(value, Secret(KEY_PEPPER))) == 32


@given(st.binary(min_size=16, max_size=16))
def test_a_token_id_is_told_from_a_key(source):
    token_id = new_token_id(source)

    assert is_token_id(token_id)
    assert not is_raw_key(token_id)


@pytest.mark.parametrize(
    "text",
    ["", "key_", "key_abc", "key_" + "é" * 22, "sk-byok-abc", "claude", "0" * 22],
)
def test_other_texts_are_no_token_ids(text):
    assert not is_token_id(text)


@pytest.mark.parametrize("text", [VIRTUAL_KEY, " sk-1234", "SK-BYOK-1", "sk-ant-x"])
def test_a_raw_key_is_known_by_its_first_letters(text):
    assert is_raw_key(text)


def test_a_list_shows_the_last_four_characters_of_a_strong_key():
    key = new_key(bytes(range(32)))

    assert display_name(key) == "sk-..." + key.reveal()[-4:]


def test_a_list_shows_nothing_of_a_weak_key():
    assert display_name(Secret("sk-1234")) == "sk-..."


# Digests


def test_a_digest_is_keyed_so_that_a_stolen_store_is_of_no_use():
    made = PEPPERS.digest(VIRTUAL_KEY.encode())

    expected = hmac.new(KEY_PEPPER.encode(), VIRTUAL_KEY.encode(), "sha256").digest()
    assert made == expected
    assert made != hashlib.sha256(VIRTUAL_KEY.encode()).digest()


def test_a_key_is_looked_for_under_every_pepper_the_current_one_first():
    new, old = Secret("new pepper " * 3), Secret(KEY_PEPPER)
    both = Peppers(new, old)

    assert both.digests(b"sk-1234") == (
        digest(b"sk-1234", new),
        digest(b"sk-1234", old),
    )
    assert both.digest(b"sk-1234") == digest(b"sk-1234", new)
    assert both.current_id == Peppers(new).current_id
    assert both.ids == (Peppers(new).current_id, Peppers(old).current_id)


def test_a_pepper_is_named_without_being_shown():
    assert len(PEPPERS.current_id) == 12
    assert PEPPERS.current_id not in KEY_PEPPER


def test_no_digest_stands_in_the_text_of_a_record():
    record = key_record(previous_digest=b"former")

    assert "digest" not in repr(record)
    assert record.digest.hex() not in repr(record)


def test_a_record_can_be_a_member_of_a_set():
    assert len({key_record(), key_record()}) == 1


def test_a_rotated_key_works_beside_its_successor_until_the_grace_ends():
    old, new = PEPPERS.digest(VIRTUAL_KEY.encode()), new_key(bytes(32))

    record = rotated(key_record(), new, PEPPERS, now=NOW, grace_until=NOW + 60)

    assert record.has_digest(PEPPERS.digest(new.reveal_bytes()), now=NOW)
    assert record.has_digest(old, now=NOW + 59)
    assert not record.has_digest(old, now=NOW + 60)
    assert not record.has_digest(PEPPERS.digest(b"sk-1234"), now=NOW)
    assert record.key_name == display_name(new)


def test_without_a_grace_period_the_old_key_ends_at_once():
    record = rotated(key_record(), new_key(bytes(32)), PEPPERS, now=NOW)

    assert not record.has_digest(PEPPERS.digest(VIRTUAL_KEY.encode()), now=NOW)
    assert record.previous_digest is None


# What a key may do


HEADERS = ((b"x-litellm-api-key", VIRTUAL_KEY.encode()),)


def refusal_of(record: VirtualKey | None) -> Refusal | None:
    """Check *record* as presented in x-litellm-api-key."""
    return check(record, NOW, headers=HEADERS, carrier="x-litellm-api-key")


def test_unknown_blocked_and_expired_keys_are_refused_in_the_same_words():
    unknown = refusal_of(None)
    blocked = refusal_of(key_record(blocked=True))
    expired = refusal_of(key_record(expires_at=NOW))
    both = refusal_of(key_record(expires_at=NOW - 1, blocked=True))

    assert unknown == blocked == expired == both
    assert isinstance(unknown, Refusal)
    assert unknown.status == 401
    assert unknown.kind == "authentication_error"
    assert "x-litellm-api-key" in unknown.message


@pytest.mark.parametrize("expires_at", [None, NOW + 0.001])
def test_a_key_in_force_is_not_refused(expires_at):
    assert refusal_of(key_record(expires_at=expires_at)) is None


@pytest.mark.parametrize(
    ("models", "model", "opens"),
    [
        ((), "claude-sonnet-4-5", True),
        (("claude-sonnet-4-5",), "claude-sonnet-4-5", True),
        (("claude-sonnet-4-5",), "claude-sonnet-4-5-20250929", False),
        (("claude-sonnet-4-5",), "Claude-Sonnet-4-5", False),
        (("claude-*",), "claude-sonnet-4-5", True),
        (("claude-*",), "gpt-5", False),
        (("claude-*",), "my-claude-x", False),
        (("anthropic/*",), "anthropic/claude-haiku-4-5", True),
        (("anthropic/*",), "anthropic", False),
        (("*",), "anything/at all", True),
        (("claude-*-4-5",), "claude-haiku-4-5", True),
        (("claude-*-4-5",), "claude-4-5", False),
        (("*haiku*",), "claude-haiku-4-5", True),
        (("a*b*b*c",), "a-b-c", False),
        (("a*b*b*c",), "abbc", True),
        (("a*ab",), "ab", False),
        (("gpt-5", "claude-*"), "claude-opus-4-5", True),
        (("claude-?",), "claude-4", False),
        (("[c]laude",), "claude", False),
        (("all-proxy-models",), "gpt-5", True),
        (("no-default-models",), "gpt-5", False),
        (("all-team-models",), "gpt-5", False),
        (("all-team-models", "gpt-5"), "gpt-5", True),
    ],
)
def test_a_key_opens_the_models_on_its_list(models, model, opens):
    record = key_record(models=models)

    assert may_use_model(record, model) is opens
    assert (check_model(record, model) is None) is opens


@pytest.mark.parametrize(
    ("team_models", "opens"),
    [((), True), (("claude-*",), True), (("gpt-*",), False)],
)
def test_all_team_models_stands_for_the_models_of_the_team(team_models, opens):
    record = key_record(models=("all-team-models",), team_id="red")

    assert may_use_model(record, "claude-x", team_models=team_models) is opens


def test_a_model_that_is_not_open_is_refused_without_naming_any():
    refusal = check_model(key_record(models=("secret-project",)), "gpt-5")

    assert refusal is not None
    assert refusal.status == 403
    assert refusal.kind == "permission_error"
    assert "secret-project" not in refusal.message
    assert "lists those it opens; an admin" in refusal.message


def test_what_no_list_can_show_is_said_where_a_model_is_not_open():
    refusal = check_model(key_record(models=("claude-*", "x", "*-mini")), "gpt-5")

    assert refusal is not None
    assert (
        "It opens claude-*, *-mini and what GET /v1/models lists; an" in refusal.message
    )


def test_the_models_a_key_names_are_no_patterns_and_no_words():
    models = ("claude-x", "claude-*", "all-proxy-models", "all-team-models", "gpt-5")

    assert named_models(key_record(models=models)) == ("claude-x", "gpt-5")
    assert named_models(key_record()) == ()


@given(st.text("ab/*", max_size=12), st.text("ab/", max_size=12))
def test_a_star_stands_for_any_characters_and_nothing_else_does(pattern, model):
    record = key_record(models=(pattern or "-",))

    assert may_use_model(record, model) is slow_match(pattern or "-", model)


def slow_match(pattern: str, text: str) -> bool:
    """Compare by the definition, one character at a time."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return slow_match(pattern[1:], text) or (
            bool(text) and slow_match(pattern, text[1:])
        )
    return bool(text) and text[0] == pattern[0] and slow_match(pattern[1:], text[1:])
