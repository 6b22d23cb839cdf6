"""Two accounts of the same usage are compared kind by kind."""

from fractions import Fraction

from byok.core.reconciliation import compare, drift
from byok.core.usage_export import COST, COUNTS, Figures, Used

ALL = (*COUNTS, COST)
DAY = "2027-01-15"


def off(
    theirs: Used, ours: Used, *, told: tuple[str, ...] = ALL, percent: int = 1
) -> tuple[str, ...]:
    found = compare(
        {(DAY, "m"): theirs},
        {(DAY, "m"): ours},
        told=told,
        tolerance=Fraction(percent, 100),
    )
    (line,) = found.lines
    assert found.is_off == bool(line.off)
    return line.off


def test_what_is_within_the_tolerance_is_the_same():
    assert off(Used(input=100), Used(input=101)) == ()
    assert off(Used(input=100), Used(input=99)) == ()
    assert off(Used(input=100), Used(input=102)) == ("input",)
    assert off(Used(input=100), Used(input=101), percent=0) == ("input",)
    assert off(Used(), Used(output=1)) == ("output",)


def test_too_much_of_one_kind_does_not_make_up_for_another():
    theirs = Used(input=100, cache_read=100)

    assert off(theirs, Used(input=200)) == ("input", "cache_read")


def test_only_what_is_told_is_compared():
    assert off(Used(input=1), Used(input=9, cost_nano=1), told=("output",)) == ()


def test_a_cost_may_be_off_by_its_rounding_and_no_more():
    rounded = Used(cost_nano=190_000_000, slack_nano=5_000_000)

    assert off(rounded, Used(cost_nano=195_000_000), percent=0) == ()
    assert off(rounded, Used(cost_nano=195_000_001), percent=0) == ("cost",)


def test_days_and_models_of_either_are_compared_and_models_are_added_up():
    theirs: Figures = {
        (DAY, "a"): Used(input=100),
        ("2027-01-16", "a"): Used(input=100),
    }
    ours: Figures = {
        (DAY, "a"): Used(input=150),
        ("2027-01-16", "a"): Used(input=50),
        (DAY, "b"): Used(output=1),
    }

    found = compare(theirs, ours, told=ALL, tolerance=Fraction(0))

    assert [(line.day, line.model, line.off) for line in found.lines] == [
        (DAY, "a", ("input",)),
        (DAY, "b", ("output",)),
        ("2027-01-16", "a", ("input",)),
    ]
    assert [(line.model, line.off) for line in found.models] == [
        ("a", ()),
        ("b", ("output",)),
    ]
    assert theirs[DAY, "a"] == Used(input=100)
    assert found.is_off


def test_nothing_is_the_same_as_nothing():
    found = compare({}, {}, told=ALL, tolerance=Fraction(0))

    assert not found.is_off


def test_a_drift_is_a_share_of_what_they_say():
    assert drift(100, 110) == Fraction(1, 10)
    assert drift(100, 90) == Fraction(-1, 10)
    assert drift(0, 0) == 0
    assert drift(0, 5) is None
