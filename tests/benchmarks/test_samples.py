"""Medians, ratios and the growth of memory are computed as the table says."""

import pytest

from benchmarks.exchange.figures import TARGETS, Target, rounded
from benchmarks.exchange.load import percentile, read_wrk
from benchmarks.exchange.processes import BenchmarkError, Cpu
from benchmarks.exchange.samples import Samples
from benchmarks.exchange.soak import Soaked


def samples(**of_subject: list[float]) -> Samples:
    """One figure, `cost`, of each subject in so many repeats."""
    made = Samples()
    for subject, values in of_subject.items():
        for repeat, value in enumerate(values):
            made.add(subject, repeat, {"cost": value})
    return made


def test_a_figure_is_the_median_of_its_repeats():
    assert samples(byok=[30.0, 10.0, 11.0]).median("byok", "cost") == 11.0


def test_what_was_not_measured_has_neither_median_nor_ratio():
    made = samples(byok=[1.0])

    assert made.median("haproxy", "cost") is None
    assert made.median("byok", "speed") is None
    assert made.ratio("byok", "haproxy", "cost") is None
    assert made.difference("byok", "haproxy", "cost") is None


def test_a_ratio_is_of_one_repeat_and_not_of_two_medians():
    # The second repeat found the machine ten times slower, for both.
    made = samples(byok=[8.0, 100.0, 12.0], haproxy=[2.0, 20.0, 1.0])

    assert made.ratio("byok", "haproxy", "cost") == 5.0
    assert made.ratio("haproxy", "byok", "cost") == pytest.approx(0.2)
    assert made.difference("byok", "haproxy", "cost") == 11.0


def test_a_repeat_that_only_one_of_them_has_is_not_in_the_ratio():
    made = samples(byok=[8.0, 9.0, 9.0], haproxy=[2.0])

    assert made.ratio("byok", "haproxy", "cost") == 4.0


def test_nothing_is_divided_by_nothing():
    assert samples(byok=[1.0], haproxy=[0.0]).ratio("byok", "haproxy", "cost") is None


def test_samples_are_written_in_the_order_of_repeats():
    made = Samples()
    made.add("byok", 1, {"cost": 2.0})
    made.add("byok", 0, {"cost": 1.00004})

    assert made.as_document() == {"byok": {"cost": [1.0, 2.0]}}


def test_cpu_time_is_shared_out_by_number_and_by_where_it_went():
    before = Cpu(spent_s=1.0, user=100, system=50)
    after = Cpu(spent_s=1.5, user=130, system=70)

    assert (after - before).figures("request", "_32", 1000) == {
        "request_cpu_us_32": pytest.approx(500.0),
        "request_kernel_us_32": pytest.approx(200.0),
    }


def test_growth_counts_from_where_pools_and_caches_are_full():
    filling = Soaked(rss_bytes=[10, 50, *[100] * 8], statuses={200: 1})
    leaking = Soaked(rss_bytes=[100 + 5 * n for n in range(10)], statuses={200: 1})

    assert filling.growth_percent == 0.0
    assert leaking.growth_percent == pytest.approx((140 / 117.5 - 1) * 100)


def test_a_percentile_is_a_value_that_occurred():
    ordered = [float(n) for n in range(1, 101)]

    assert percentile(ordered, 50) == 50.0
    assert percentile(ordered, 99) == 99.0
    assert percentile([7.0], 99) == 7.0


def test_the_figures_of_wrk_are_read_from_its_last_line():
    load = read_wrk(
        "Running 1s test\n  900 requests in 1.0s\n"
        '{"requests": 900, "us": 1000000, "p50": 1500, "p99": 20000, "errors": 0}\n'
    )

    assert (load.requests, load.seconds) == (900, 1.0)
    assert (load.p50_ms, load.p99_ms) == (1.5, 20.0)


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "unable to connect",
        '{"requests": 0, "us": 1, "p50": 0, "p99": 0, "errors": 0}',
        '{"requests": 100, "us": 1, "p50": 0, "p99": 0, "errors": 2}',
    ],
)
def test_a_load_that_failed_is_no_measurement(printed):
    with pytest.raises(BenchmarkError):
        read_wrk(printed)


def target(**more) -> Target:
    return Target(
        label="cost",
        unit="x",
        first=8,
        then=4,
        measured=lambda it: it.median("byok", "cost"),
        **more,
    )


@pytest.mark.parametrize(
    ("cost", "verdict"),
    [(4.0, "reached, the second too"), (8.0, "reached"), (8.1, "**missed**")],
)
def test_a_target_is_reached_or_missed(cost, verdict):
    assert target().verdict(samples(byok=[cost])) == verdict


def test_a_target_may_be_a_floor():
    floor = Target(
        label="gain",
        unit="x",
        first=90,
        then=180,
        at_least=True,
        measured=lambda it: it.median("byok", "cost"),
    )

    assert floor.verdict(samples(byok=[89.0])) == "**missed**"
    assert floor.verdict(samples(byok=[90.0])) == "reached"
    assert floor.verdict(samples(byok=[200.0])) == "reached, the second too"
    assert floor.goal(floor.first) == "≥ 90 x"


def test_a_target_without_a_measurement_is_neither_reached_nor_missed():
    nothing = Samples()

    for each in TARGETS:
        assert each.verdict(nothing) not in {"reached", "**missed**"}
        assert each.shown(nothing) == ""


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23")]
)
def test_three_digits_are_shown(value, shown):
    assert rounded(value) == shown
