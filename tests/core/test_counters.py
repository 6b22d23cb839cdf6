"""The address of the server of counters."""

import pytest

from byok.core.counters import CountersAddress, is_prefix, read_counters
from byok.core.secret import Secret
from tests.support import keys


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1", CountersAddress(host="127.0.0.1")),
        (
            "valkey://counters:7000/2",
            CountersAddress(host="counters", port=7000, database=2),
        ),
        ("rediss://anna@h/", CountersAddress(host="h", secure=True, user="anna")),
        ("valkeys://[::1]:1", CountersAddress(host="::1", port=1, secure=True)),
        (
            f"redis://:{keys.COUNTERS_PASSWORD}@h",
            CountersAddress(host="h", password=Secret(keys.COUNTERS_PASSWORD)),
        ),
    ],
)
def test_an_address_is_read(url, address):
    assert read_counters(url) == address


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://h:port", "has a host or a port that cannot be read"),
        ("redis://[::1", "has a host or a port that cannot be read"),
        ("http://h", "is not the URL of a Valkey or Redis server"),
        ("redis:h", "is not the URL of a Valkey or Redis server"),
        ("counters.internal", "is not the URL of a Valkey or Redis server"),
        ("redis://:6379", "names no host"),
        ("redis://h?ssl=true", "has options; byok knows none"),
        ("redis://h/#x", "has options; byok knows none"),
        ("redis://h/byok", "does not end in the number of a database"),
        ("redis://h/²", "does not end in the number of a database"),
    ],
)
def test_an_address_that_cannot_be_used_is_explained(url, problem):
    assert read_counters(url) == problem


def test_what_is_shown_of_an_address_has_no_password_and_no_user():
    address = CountersAddress(host="::1", user="anna", secure=True)
    full = address.with_password(Secret(keys.COUNTERS_PASSWORD))

    assert full.shown == "rediss://[::1]:6379"
    assert CountersAddress(host="h").shown == "redis://h:6379"
    assert keys.COUNTERS_PASSWORD not in repr(full)
    assert full.password == Secret(keys.COUNTERS_PASSWORD)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("byok", True), ("a:b.c-d_1", True), ("{x}", False), ("", False)],
)
def test_a_prefix_has_no_braces(text, is_one):
    assert is_prefix(text) is is_one
