"""Which words the store is asked about, and which it is not."""

import base64

import pytest

from byok.policy.lookalikes import LONGEST, lookalikes
from tests.support import keys

GIVEN = b"sk-12345"
ODD = b"sk-a.b/c=d+e~f:g"


def in_header(value: bytes) -> tuple[bytes, ...]:
    return lookalikes(((b"accept", b"text/plain"), (b"x-note", value)))


@pytest.mark.parametrize(
    "value",
    [
        b"%s",
        b"Bearer %s",
        b"token %s",
        b"see %s, please",
        b"a,%s,b",
        b"a;%s;b",
        b'{"key": "%s"}',
        b"'%s'",
        b"(%s)",
        b"http://localhost/?key=%s&a=1",
        b"Bearer%%20%s",
        b"a\\n%s\\n",
        b"x=%s",
        b"%s %s",
    ],
)
@pytest.mark.parametrize("key", [GIVEN, ODD])
def test_a_key_is_among_the_words_wherever_it_stands(value, key):
    held = value % ((key,) * value.count(b"%s"))

    assert key in in_header(held)


@pytest.mark.parametrize("value", [b"%s.", b"%s/v1", b"https://%s@host/", b"%s: mine"])
def test_letters_and_digits_are_read_apart_from_what_follows(value):
    assert GIVEN in in_header(value % GIVEN)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"claude-cli/2.1.330",
        b"task-12345",
        b"disk-0 risk-1",
        b"SK-12345",
        keys.ANTHROPIC_API_KEY.encode(),
        b"Bearer " + keys.ANTHROPIC_OAUTH.encode(),
        keys.OPENAI_API_KEY.encode(),
        b"sk-byok-anything",
        b"sk-" + b"x" * LONGEST,
    ],
)
def test_a_word_that_cannot_be_a_given_key_is_not_asked_about(value):
    assert in_header(value) == ()


def test_the_longest_key_is_one():
    key = b"sk-" + b"x" * (LONGEST - 3)

    assert in_header(key) == (key,)


def test_each_word_stands_there_once():
    assert in_header(b"sk-a sk-b sk-a") == (b"sk-a", b"sk-b")


@pytest.mark.parametrize("scheme", [b"Basic", b"basic", b"BASIC"])
@pytest.mark.parametrize("text", [b"%s:", b"user:%s", b"user:%s:b"])
def test_basic_is_read_decoded(scheme, text):
    value = scheme + b" " + base64.b64encode(text % GIVEN)

    assert GIVEN in in_header(value)
    assert GIVEN in lookalikes(((b"authorization", value),))


@pytest.mark.parametrize("value", [b"Basic !", b"Basic YQ==", b"basics", b"bas"])
def test_what_is_no_basic_or_holds_no_key_is_none(value):
    assert in_header(value) == ()


@pytest.mark.parametrize(
    "query",
    [b"key=%s", b"a=1&b=%s&c=2", b"q=a+%s", b"%s", b"q=%%20%s%%2C", b"q=%%22%s%%22"],
)
def test_a_key_in_the_query_is_found(query):
    assert GIVEN in lookalikes((), query % GIVEN)


def test_a_percent_encoded_key_in_the_query_is_found():
    assert ODD in lookalikes((), b"key=sk%2Da.b%2fc%3Dd%2Be%7Ef%3Ag")


def test_without_headers_and_query_there_are_none():
    assert lookalikes(()) == ()
    assert lookalikes((), b"beta=true") == ()
