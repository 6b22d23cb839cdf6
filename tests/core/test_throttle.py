"""The bound on look-ups of keys that nobody has."""

import pytest

from byok.core.throttle import LookupThrottle


def admitted(throttle: LookupThrottle, peer: str, now: float, tries: int) -> int:
    """Count how many of *tries* are let through."""
    return sum(throttle.admit(peer, now) is None for _ in range(tries))


def test_ten_thousand_tries_are_let_through_a_bounded_number_of_times():
    throttle = LookupThrottle(burst=20, per_second=2.0)

    assert admitted(throttle, "192.0.2.1", 0.0, 10_000) == 20
    assert admitted(throttle, "192.0.2.1", 5.0, 10_000) == 10
    assert admitted(throttle, "192.0.2.1", 1e6, 10_000) == 20


def test_a_refusal_says_when_to_come_back():
    throttle = LookupThrottle(burst=1, per_second=0.1)
    throttle.admit("192.0.2.1", 0.0)

    refusal = throttle.admit("192.0.2.1", 0.0)

    assert refusal is not None
    assert refusal.status == 429
    ((name, seconds),) = refusal.headers
    assert name == "retry-after"
    assert throttle.admit("192.0.2.1", float(seconds)) is None


def test_one_address_uses_up_no_turns_of_another():
    throttle = LookupThrottle(burst=3)
    admitted(throttle, "192.0.2.1", 0.0, 10)

    assert throttle.admit("192.0.2.2", 0.0) is None


def test_a_key_that_is_found_costs_nothing():
    throttle = LookupThrottle(burst=1)

    for _ in range(10):
        assert throttle.admit("192.0.2.1", 0.0) is None
        throttle.give_back("192.0.2.1")


def test_turns_given_back_never_exceed_the_burst():
    throttle = LookupThrottle(burst=2, per_second=0.001)
    throttle.admit("192.0.2.1", 0.0)
    for _ in range(5):
        throttle.give_back("192.0.2.1")
    throttle.give_back("192.0.2.9")

    assert admitted(throttle, "192.0.2.1", 0.0, 10) == 2


def test_a_clock_that_is_set_back_gives_no_turns():
    throttle = LookupThrottle(burst=2)
    admitted(throttle, "192.0.2.1", 100.0, 10)

    assert admitted(throttle, "192.0.2.1", 50.0, 10) == 0


def test_the_addresses_remembered_are_bounded():
    throttle = LookupThrottle(capacity=10)
    for number in range(1000):
        throttle.admit(f"192.0.2.{number}", 0.0)

    assert len(throttle) == 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("unix:a", "unix:b", False),
    ],
)
def test_addresses_of_one_host_count_as_one(one, other, same):
    throttle = LookupThrottle(burst=1)
    throttle.admit(one, 0.0)

    assert (throttle.admit(other, 0.0) is not None) is same
