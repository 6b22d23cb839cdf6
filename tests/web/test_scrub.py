"""The operator's key is not shown to a caller, however an error body is cut up."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from byok.core.secret import Secret
from byok.web.scrub import Scrubber
from tests.support import keys

KEY = keys.DEPLOYMENT_KEY.encode()
OTHER = keys.DEPLOYMENT_KEY_2.encode()


def scrubbed(pieces, *secrets: bytes) -> bytes:
    scrubber = Scrubber([Secret.from_bytes(secret) for secret in secrets or (KEY,)])
    return b"".join(scrubber.feed(piece) for piece in pieces) + scrubber.end()


def test_a_key_is_masked_and_everything_else_stays():
    assert scrubbed([b"got x-api-key: " + KEY + b", which"]) == (
        b"got x-api-key: " + b"*" * len(KEY) + b", which"
    )


@given(st.data())
def test_how_the_body_is_cut_makes_no_difference(data):
    body = b"{" + KEY + b"," + OTHER + KEY + KEY[:40] + b"}"
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=8)))
    edges = [0, *cuts, len(body)]
    pieces = [body[a:b] for a, b in pairwise(edges)]

    result = scrubbed(pieces, KEY, OTHER)

    assert result == scrubbed([body], KEY, OTHER)
    assert len(result) == len(body)
    assert KEY not in result
    assert OTHER not in result


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_a_body_without_a_key_is_the_same_byte_for_byte(pieces):
    assert scrubbed(pieces, b"\x00secret\x00") == b"".join(pieces).replace(
        b"\x00secret\x00", b"*" * 8
    )


def test_no_more_is_held_back_than_a_key_could_still_grow_in():
    scrubber = Scrubber([Secret.from_bytes(KEY)])

    assert scrubber.feed(b"x" * 100_000) == b"x" * 100_000
    assert scrubber.feed(b"y" + KEY[:10]) == b"y"
    assert scrubber.feed(b"-") == KEY[:10] + b"-"


def test_of_two_keys_that_begin_alike_the_longer_is_masked_whole():
    assert scrubbed([b"abcdef abc"], b"abc", b"abcdef") == b"****** ***"
