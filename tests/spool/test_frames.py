"""A record is found whole or not at all, whatever became of the file around it."""

from hypothesis import given
from hypothesis import strategies as st

from byok.spool.frames import (
    HEAD_BYTES,
    MARK,
    MOST_PAYLOAD_BYTES,
    framed,
    read_frames,
    written_at,
)

PAYLOADS = st.lists(st.binary(max_size=40), max_size=6)


def read(data, *, is_end=True, is_final=True, most=1000, most_bytes=10**6):
    return read_frames(
        data, most=most, most_bytes=most_bytes, is_end=is_end, is_final=is_final
    )


def payloads(found):
    return [each.payload for each in found.frames]


@given(PAYLOADS)
def test_what_was_written_is_read(written):
    data = b"".join(framed(each, at) for at, each in enumerate(written))

    found = read(data)

    assert payloads(found) == written
    assert [each.at for each in found.frames] == list(range(len(written)))
    assert (found.end, found.lost_bytes) == (len(data), 0)


@given(PAYLOADS, st.data())
def test_a_torn_end_costs_the_record_it_tears_and_no_other(written, data):
    whole = b"".join(framed(each, 1.0) for each in written)
    cut = data.draw(st.integers(0, len(whole)))
    kept, length = [], 0
    for each in written:
        length += len(framed(each, 1.0))
        if length <= cut:
            kept.append(each)

    final, growing = read(whole[:cut]), read(whole[:cut], is_final=False)

    assert payloads(final) == payloads(growing) == kept
    assert final.end == cut
    # One that may still be completed is waited for, from its first byte.
    assert payloads(read(whole[growing.end :])) == written[len(kept) :]
    assert growing.lost_bytes == 0


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3), st.data())
def test_damage_costs_the_records_it_hits_and_no_other(written, data):
    first, middle, last = (bytearray(framed(each, 1.0)) for each in written)
    at = data.draw(st.integers(0, len(middle) - 1))
    middle[at] ^= data.draw(st.integers(1, 255))

    found = read(bytes(first + middle + last))

    assert payloads(found) == [written[0], written[2]]
    assert found.lost_bytes == len(middle)


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_garbage_before_a_record_is_passed_over(garbage, payload):
    found = read(garbage + framed(payload, 2.0))

    assert payloads(found)[-1:] == [payload]


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_garbage_that_may_go_on_hides_no_record_for_ever(garbage, payload):
    data = garbage + framed(payload, 2.0)

    growing = read(data, is_final=False)
    rest = read(data[growing.end :])

    assert (payloads(growing) + payloads(rest))[-1:] == [payload]


@given(st.binary(max_size=60))
def test_half_a_mark_at_the_end_of_a_stretch_is_looked_at_again(garbage):
    for kept in range(len(MARK)):
        found = read(b"x" + garbage + MARK[:kept], is_end=False)

        assert found.end <= 1 + len(garbage) or kept == 0


def test_a_length_that_is_damaged_does_not_swallow_what_follows():
    torn = bytearray(framed(b"one", 1.0))
    torn[4:8] = (2000).to_bytes(4, "little")

    found = read(bytes(torn) + framed(b"two", 1.0))

    assert payloads(found) == [b"two"]


def test_a_length_that_no_record_has_is_garbage_at_once():
    torn = bytearray(framed(b"one", 1.0))
    torn[4:8] = (MOST_PAYLOAD_BYTES + 1).to_bytes(4, "little")

    found = read(bytes(torn) + framed(b"two", 1.0), is_final=False)

    assert payloads(found) == [b"two"]


def test_no_more_is_read_than_is_asked_for():
    data = framed(b"aaaa", 1.0) * 5

    assert len(read(data, most=2).frames) == 2
    by_bytes = read(data, most_bytes=len(data) // 5 + 1)
    assert len(by_bytes.frames) == 2
    assert by_bytes.end == len(data) * 2 // 5


def test_the_time_of_a_record_is_read_without_it():
    data = framed(b"payload", 12.5)

    assert written_at(data[:HEAD_BYTES]) == 12.5
    assert written_at(data[: HEAD_BYTES - 1]) is None
    assert written_at(b"x" + data) is None
