"""The one reader of addresses: what a URL may say, and what it never means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byok.config.addresses import AddressError, parse
from byok.core.providers import PROVIDERS

ANTHROPIC = PROVIDERS["anthropic"].origin


def read(url, *, private=False, plaintext_loopback=False):
    return parse(url, private=private, plaintext_loopback=plaintext_loopback)


def refused(url, **leave):
    with pytest.raises(AddressError) as caught:
        read(url, **leave)
    return caught.value.code


# S-04: none of these is Anthropic's origin, and most are no address at all.
IMPOSTORS = [
    "https://api.anthropic.com.evil.example/",
    "https://api.anthropic.com@evil.example/",
    "https://evil.example/api.anthropic.com",
    "https://evil.example/?api.anthropic.com",
    "https://evil.example#api.anthropic.com",
    "https://api.anthropic.com\\@evil.example/",
    "https://xn--api-anthropic-com.example/",
    "https://xn--nthropic-4fg.com/",
    "https://аpi.anthropic.com/",  # noqa: RUF001 - a Cyrillic letter
    "https://api.anthropic.com:8443/",
    "http://api.anthropic.com/",
    "https://aapi.anthropic.com/",
    "https://api.anthropic.com%00.evil.example/",
]


@pytest.mark.parametrize("url", IMPOSTORS)
def test_an_impostor_is_refused_or_another_origin(url):
    try:
        address = read(url)
    except AddressError:
        return
    assert address.origin != ANTHROPIC


@pytest.mark.parametrize(
    "url",
    [
        "https://api.anthropic.com",
        "https://API.ANTHROPIC.COM/",
        "https://api.anthropic.com./",
        "https://api.anthropic.com:443",
        "HTTPS://api.anthropic.com/v1",
        "https://api.anthropic.com/v1/",
    ],
)
def test_every_spelling_of_an_origin_is_one_origin(url):
    address = read(url)

    assert (address.origin, address.base_path) == (ANTHROPIC, "")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://relay.example/anthropic", "/anthropic"),
        ("https://relay.example/anthropic/", "/anthropic"),
        ("https://relay.example/anthropic/v1", "/anthropic"),
        ("https://relay.example/v1/acct/gw/anthropic", "/v1/acct/gw/anthropic"),
        ("https://relay.example/v1/v1", "/v1"),
    ],
)
def test_one_trailing_v1_is_optional(url, path):
    assert read(url).base_path == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.anthropic.com",
        "ftp://relay.example",
        "https:relay.example",
        "https:///path",
        "https://",
        "https://relay.example:",
        "https://relay.example:0",
        "https://relay.example:65536",
        "https://relay.example:999999",
        "https://relay.example:4x",
        "https://user:secret@relay.example",
        "https://relay..example",
        "https://.relay.example",
        "https://-relay.example",
        "https://my_relay.example",
        "https://" + "a" * 64 + ".example",
        "https://" + ".".join(["a" * 60] * 5),
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.1",
        "https://1.2.3.04",
        "https://relay.0x1",
        "https://[::1",
        "https://[1:2]",
        "https://[::ffff:7f00:1]",
        "https://[::ffff:10.0.0.1]",
        "https://relay.example/a//b",
        "https://relay.example/./b",
        "https://relay.example/../b",
        "https://relay.example/a;b",
        "https://relay.example/a b",
        "https://relay.example/a\tb",
        "https://relay.example/a\nb",
        "https://relay.example/v1/messages",
        "https://relay.example/v1/chat/completions",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(url):
    assert refused(url, private=True, plaintext_loopback=True) in {"E150", "E151"}


@pytest.mark.parametrize(
    "url", ["https://10.0.0.7", "https://[fd00::7]:8443", "https://192.0.2.1/v1"]
)
def test_an_ip_address_needs_leave(url):
    assert refused(url) == "E152"
    assert read(url, private=True).origin.scheme == "https"


def test_plain_http_is_for_this_machine_only():
    for url in ("http://relay.example", "http://10.0.0.7"):
        assert refused(url, private=True, plaintext_loopback=True) == "E151"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000",
        "http://127.8.8.8",
        "http://localhost:9000/v1",
        "http://[::1]:9000",
        "http://me.localhost",
    ],
)
def test_this_machine_needs_leave(url):
    assert refused(url) == "E151"
    assert refused(url, private=True) == "E151"
    assert read(url, plaintext_loopback=True).origin.is_loopback


def test_this_machine_by_https_needs_leave_too():
    assert refused("https://localhost:9000") == "E152"
    assert read("https://localhost:9000", private=True).origin.port == 9000


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0x2FF), max_size=60))
def test_any_text_is_an_address_or_refused_without_being_quoted(text):
    url = f"https://{text}"
    try:
        address = read(url)
    except AddressError as error:
        assert len(text) < 8 or text not in str(error)  # noqa: PT017
    else:
        assert address.origin.host == address.origin.host.lower()
        assert "@" not in str(address.origin)
