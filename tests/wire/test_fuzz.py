"""A few seconds of what `make fuzz` does for a minute, from a fixed seed."""

from tests.wire.fuzz import fuzz


def test_nothing_breaks_what_reads_requests_and_answers():
    assert fuzz(3, seed=20_261_124) > 100
