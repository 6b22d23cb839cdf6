"""Counts of several processes become one, whatever their labels hold."""

from hypothesis import given
from hypothesis import strategies as st

from byok.core import shadows
from byok.core.metrics import (
    BUCKETS,
    FAMILIES,
    Kind,
    Tally,
    add,
    key_of,
    labels_of,
    without_gauges,
)

WORDS = st.lists(st.text(), max_size=4)


@given(WORDS)
def test_there_are_as_many_labels_in_a_key_as_went_into_it(values):
    name, labels = labels_of(key_of("byok_exchanges", values))

    assert name == "byok_exchanges"
    assert [each.replace("\x1f", " ") for each in values] == list(labels)


def test_a_sum_is_of_each_number_by_itself_and_changes_nothing_else():
    one = {"a": [1.0, 2.0], "b": [3.0]}
    other = {"a": [10.0, 20.0], "c": [4.0]}
    total: Tally = {}

    add(total, one)
    add(total, other)

    assert total == {"a": [11.0, 22.0], "b": [3.0], "c": [4.0]}
    assert one == {"a": [1.0, 2.0], "b": [3.0]}


def test_what_is_open_in_a_process_is_gone_with_it_and_its_counts_are_not():
    tally = {
        key_of("byok_connections_open"): [3.0],
        key_of("byok_generation_workers", ("g1-abc", "1")): [1.0],
        key_of("byok_exchanges", ("/v1/messages", "2xx", "org", "d", "m")): [9.0],
    }

    left = without_gauges(tally)

    assert [labels_of(key)[0] for key in left] == ["byok_exchanges"]


def test_names_are_what_prometheus_takes_and_each_is_there_once():
    names = [each.name for each in FAMILIES]

    assert len(set(names)) == len(names)
    assert not [name for name in names if name.endswith("_total")]
    assert f"{shadows.METRIC}" in {
        f"{each.name}_total" for each in FAMILIES if each.kind is Kind.COUNTER
    }
    assert list(BUCKETS) == sorted(set(BUCKETS))
