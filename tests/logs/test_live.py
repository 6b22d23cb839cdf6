import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.secret import Secret
from byok.logs.live import LiveSecrets
from tests.support.keys import MASTER_KEY, STORE_PASSWORD, VIRTUAL_KEY


def live_with(*values):
    live = LiveSecrets()
    for value in values:
        live.add(Secret(value))
    return live


def found(live, text):
    return [text[start:end] for start, end in live.spans(text)]


def test_nothing_is_found_where_nothing_is_live():
    assert found(LiveSecrets(), MASTER_KEY) == []


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "key {}.",
        "'{}'",
        '"{}",',
        "\\n{}",
        "%20{}%20",
        "x{}y",
        "({0})",
        "Bearer {}",
    ],
)
def test_a_secret_is_found_whatever_stands_around_it(around):
    assert found(live_with(MASTER_KEY), around.format(MASTER_KEY)) == [MASTER_KEY]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-1234",
        "hunter2!x",
        "pass word",
        "a.b/c+d==",
        "schlüssel1",
        "tail===",
        "a b c d",
    ],
)
def test_secrets_of_any_make_are_found(secret):
    core = secret.rstrip("=")

    assert found(live_with(secret), f"is: {secret}, or") == [core]


def test_a_long_part_of_a_secret_is_found_by_itself():
    live = live_with(f"postgresql://byok:{STORE_PASSWORD}@db/keys")

    assert found(live, f"password {STORE_PASSWORD} wrong") == [STORE_PASSWORD]
    assert found(live, "byok keys db") == []


@pytest.mark.parametrize("secret", ["", "abc", "!!!", "..-"])
def test_what_is_too_short_to_be_secret_is_not_looked_for(secret):
    assert found(live_with(secret), f"abc {secret} abc ..-") == []


def test_overlapping_secrets_are_found_as_one_stretch():
    live = live_with("abcd-efgh", "efgh-ijkl")

    assert found(live, "x abcd-efgh-ijkl y abcd-efgh") == [
        "abcd-efgh-ijkl",
        "abcd-efgh",
    ]


def test_a_secret_is_live_until_removed_as_often_as_added():
    live = live_with(MASTER_KEY, MASTER_KEY, VIRTUAL_KEY)

    live.remove(Secret(MASTER_KEY))
    assert found(live, MASTER_KEY) == [MASTER_KEY]
    live.remove(Secret(MASTER_KEY))
    assert found(live, MASTER_KEY) == []
    live.remove(Secret(MASTER_KEY))
    live.add(Secret(MASTER_KEY))
    assert found(live, f"{VIRTUAL_KEY} {MASTER_KEY}") == [VIRTUAL_KEY, MASTER_KEY]


def test_the_registry_holds_no_secret():
    live = live_with(MASTER_KEY)

    assert MASTER_KEY not in repr(vars(live))


@given(
    st.lists(st.from_regex(r"[A-Za-z0-9_-]{4,12}", fullmatch=True), max_size=4),
    st.lists(st.text(max_size=6) | st.integers(0, 3), max_size=6),
)
def test_no_live_secret_is_left_in_what_is_not_covered(secrets, pieces):
    text = "".join(
        (secrets[piece % len(secrets)] if secrets else "")
        if isinstance(piece, int)
        else piece
        for piece in pieces
    )

    rest = "\0".join(_uncovered(live_with(*secrets), text))

    assert not any(re.search(re.escape(secret), rest) for secret in secrets)


def _uncovered(live, text):
    position = 0
    for start, end in live.spans(text):
        yield text[position:start]
        position = end
    yield text[position:]
