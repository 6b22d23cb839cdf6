"""
What holds of the limiter in memory holds of the one in a server.

The same tests are run again with it, except for those that look into memory; and the
same random interleavings beside the same naive reading.
"""

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from twisted.internet import reactor

from byok.core.counters import CountersAddress
from byok.core.errors import CountersUnavailable
from byok.core.limits.demand import Demand
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Scope, limits_of
from byok.counters.shared import SharedCounts
from tests.core.limits import test_engine, test_model
from tests.counters.engines import Shared
from tests.support.valkey import Asking, Valkey

IN_MEMORY = {
    "test_windows_that_count_nothing_any_more_are_forgotten",
    "test_a_window_in_use_is_not_forgotten",
    "test_an_idle_rate_is_one_whose_counts_are_forgotten",
    "test_an_estimate_has_the_body_and_some_of_the_answer",
    "test_the_end_of_time_is_no_number_of_json",
}


def each_of_the_engine() -> Iterator[tuple[str, FunctionType, dict[str, object]]]:
    """Yield every test of the engine, one of each of its parameters."""
    for name, test in vars(test_engine).items():
        if not name.startswith("test_") or name in IN_MEMORY:
            continue
        marks = [m for m in getattr(test, "pytestmark", ()) if m.name == "parametrize"]
        if not marks:
            yield name, test, {}
        for mark in marks:
            names, values = mark.args[:2]
            names = [each.strip() for each in names.split(",")]
            for value in values:
                each = value if len(names) > 1 else (value,)
                yield name, test, dict(zip(names, each, strict=True))


@pytest.fixture
def asking(valkey: Valkey) -> Iterator[Asking]:
    with Asking(valkey.port) as asking:
        yield asking


@pytest.mark.valkey
@pytest.mark.parametrize(
    ("test", "words"),
    [
        pytest.param(test, given, id=f"{name}{''.join(map(str, given.values()))}")
        for name, test, given in each_of_the_engine()
    ],
)
def test_what_the_engine_does_the_server_does(
    asking: Asking,
    monkeypatch: pytest.MonkeyPatch,
    test: Callable[..., None],
    words: dict[str, object],
) -> None:
    made = lambda **options: Shared(asking, **options)  # noqa: E731
    monkeypatch.setattr(test_engine, "Limiter", made)

    test(**words)


def test_every_test_of_the_engine_is_known() -> None:
    assert set(vars(test_engine)) >= IN_MEMORY
    assert not [
        name
        for name, test, given in each_of_the_engine()
        if set(inspect.signature(test).parameters) != set(given)
    ]


@pytest.mark.valkey
def test_any_interleaving_is_as_the_naive_reading_has_it(asking: Asking) -> None:
    class Limits(test_model.Limits):
        def made(self):
            return Shared(asking, expiry_s=test_model.EXPIRY_S)

    run_state_machine_as_test(
        Limits,
        settings=settings(max_examples=60, stateful_step_count=60, deadline=None),
    )


@pytest.mark.valkey
def test_the_server_knows_the_calendar(asking: Asking) -> None:
    @settings(max_examples=300, deadline=None)
    @given(
        now=st.integers(0, 2**33).map(float) | st.floats(0, 2**33),
        duration=st.sampled_from(["1d", "7d", "30d", "1mo", "3mo", "12h", "45s", "9d"]),
        anchor=st.integers(0, 2**31).map(float) | st.floats(0, 2**31),
    )
    def check(now: float, duration: str, anchor: float) -> None:
        shared = Shared(asking)
        (limit,) = limits_of(
            Scope.KEY, "k", max_budget=1, budget_duration=duration, anchor=anchor
        )
        shared.reserve(now or 1.0, Demand(id="r", limits=(limit,)))

        found = asking.ask("HMGET", f"{{byok}}:w:{limit.key}", "start", "end")

        assert isinstance(found, list)
        assert tuple(map(float, found)) == limit.period.span(now or 1.0)

    check()


def test_without_the_client_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("byok.counters.link.find_spec", lambda _: None)

    with pytest.raises(CountersUnavailable, match=r"pip install 'byok\[valkey\]'"):
        SharedCounts(CountersAddress(host="h"), Limiter(), reactor=reactor)
