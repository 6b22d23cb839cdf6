"""What the gateway knows of keys by heart."""

from hypothesis import given
from hypothesis import strategies as st

from byok.store.cache import Absent, KeyCache
from tests.store.records import record

KEY = record()


def test_what_was_put_in_is_known():
    cache = KeyCache()
    cache.put(b"a", KEY, generation=0, now=0.0)
    cache.put(b"b", None, generation=0, now=0.0)

    assert cache.get(b"a", now=1e9) is KEY
    assert cache.get(b"b", now=0.0) is Absent.NOBODYS
    assert cache.get(b"c", now=0.0) is Absent.UNHEARD


def test_that_a_key_does_not_exist_is_known_for_moments_only():
    cache = KeyCache(nobodys_s=5.0)
    cache.put(b"a", None, generation=0, now=0.0)

    assert cache.get(b"a", now=4.9) is Absent.NOBODYS
    assert cache.get(b"a", now=5.0) is Absent.UNHEARD


def test_nothing_is_known_after_forgetting():
    cache = KeyCache()
    cache.put(b"a", KEY, generation=0, now=0.0)
    cache.put(b"b", None, generation=0, now=0.0)

    cache.forget()

    assert cache.get(b"a", now=0.0) is Absent.UNHEARD
    assert cache.get(b"b", now=0.0) is Absent.UNHEARD


def test_an_answer_from_before_the_forgetting_is_not_kept():
    cache = KeyCache()
    asked_in = cache.generation
    cache.forget()

    cache.put(b"a", KEY, generation=asked_in, now=0.0)
    cache.put(b"b", None, generation=asked_in, now=0.0)

    assert len(cache) == 0


def test_made_up_keys_push_out_no_real_one():
    cache = KeyCache(capacity=10, nobodys_capacity=10)
    cache.put(b"a", KEY, generation=0, now=0.0)

    for number in range(1000):
        cache.put(number.to_bytes(4), None, generation=0, now=0.0)

    assert cache.get(b"a", now=0.0) is KEY
    assert len(cache) == 11


def test_the_key_used_longest_ago_is_forgotten_first():
    cache = KeyCache(capacity=2)
    cache.put(b"a", KEY, generation=0, now=0.0)
    cache.put(b"b", KEY, generation=0, now=0.0)
    cache.get(b"a", now=0.0)

    cache.put(b"c", KEY, generation=0, now=0.0)

    assert cache.get(b"a", now=0.0) is KEY
    assert cache.get(b"b", now=0.0) is Absent.UNHEARD


@given(st.lists(st.tuples(st.binary(max_size=1), st.booleans()), max_size=50))
def test_it_never_holds_more_than_its_capacities(puts):
    cache = KeyCache(capacity=3, nobodys_capacity=2)

    for digest, exists in puts:
        cache.put(digest, KEY if exists else None, generation=0, now=0.0)

    assert len(cache) <= 5
