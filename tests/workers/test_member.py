"""What a supervisor hands its workers, as it stands on a command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.workers.member import Membership
from byok.workers.supervisor import _wait_after

NUMBERS = st.integers(0, 65_535)


@given(
    NUMBERS,
    st.lists(st.tuples(st.text(), NUMBERS)),
    st.booleans(),
    st.booleans(),
    NUMBERS,
)
def test_what_was_written_is_read_again(control, listening, announces, tells, handed):
    membership = Membership(
        control=control,
        listening=tuple(listening),
        announces=announces,
        tells=tells,
        handed=handed,
    )

    assert Membership.read(membership.written()) == membership


@pytest.mark.parametrize(
    "text", ["", "1", "{}", "[]", '{"control": 3, "listening": 4}', '{"control": "x"}']
)
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match=r"."):
        Membership.read(text)


def test_the_longer_it_fails_the_longer_it_waits_up_to_a_bound():
    waits = [_wait_after(failures) for failures in range(12)]

    assert waits[:5] == [0, 0.5, 1, 2, 4]
    assert waits == sorted(waits)
    assert waits[-1] == 30
