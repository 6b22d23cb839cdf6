from itertools import combinations

import pytest

from byok.policy import names

EXACT = {
    word: getattr(names, word)
    for word in (
        "HOP_BY_HOP",
        "FRAMING",
        "COOKIES",
        "GATEWAY_CREDENTIALS",
        "AMBIGUOUS_CREDENTIALS",
        "NAMED_CREDENTIALS",
        "OTHER_CREDENTIALS",
        "CLIENT_NETWORK",
        "CLIENT_IDENTITY",
        "PROTOCOL",
        "TRACING",
    )
}
# In the order they are asked; a suffix is asked with its credentials.
AFFIXES = {
    "GATEWAY_CONTROL": names.GATEWAY_CONTROL_PREFIXES,
    "CLIENT_NETWORK": names.CLIENT_NETWORK_PREFIXES,
    "CLIENT_IDENTITY": names.CLIENT_IDENTITY_PREFIXES,
    "PROTOCOL": names.PROTOCOL_PREFIXES,
    "TRACING": names.TRACING_PREFIXES,
    "SDK_TELEMETRY": names.SDK_TELEMETRY_PREFIXES,
    "OTHER_CREDENTIALS": names.OTHER_CREDENTIAL_PREFIXES,
}


@pytest.mark.parametrize(("one", "other"), tuple(combinations(EXACT, 2)))
def test_a_name_stands_in_one_set_only(one, other):
    assert not set(EXACT[one]) & set(EXACT[other])


@pytest.mark.parametrize(("one", "other"), tuple(combinations(AFFIXES, 2)))
def test_no_prefix_begins_with_a_prefix_of_another_class(one, other):
    assert not [
        (first, second)
        for first in AFFIXES[one]
        for second in AFFIXES[other]
        if first.startswith(second) or second.startswith(first)
    ]


@pytest.mark.parametrize("word", EXACT)
def test_names_are_lower_case_without_underscore(word):
    for name in EXACT[word]:
        assert name == name.lower()
        assert b"_" not in name


def test_every_name_that_carries_a_credential_may_come_once_only():
    carrying = (
        names.AMBIGUOUS_CREDENTIALS
        | names.NAMED_CREDENTIALS.keys()
        | names.GATEWAY_CREDENTIALS
    )

    assert carrying <= names.SINGLETONS
    assert {b"host", b"content-type"} <= names.SINGLETONS
