"""Sums of what workers counted: of those that answer, are silent, and are gone."""

from twisted.internet.task import Clock

from byok.core.metrics import Tally, key_of
from byok.workers.counts import PATIENCE_S, Counts

OPEN = key_of("byok_connections_open")
DONE = key_of("byok_exchanges", ("/v1/messages", "2xx", "org", "d", "m"))
LOST = key_of("byok_workers_lost")


def counts() -> tuple[Counts[str], Clock]:
    clock = Clock()
    return Counts(clock), clock


def test_a_sum_waits_for_everybody_who_was_asked():
    sums, clock = counts()
    answers: list[Tally] = []
    asked: dict[str, int] = {}
    sums.said("a", {DONE: [1.0], OPEN: [1.0]})

    sums.ask(["b", "c"], asked.__setitem__, answers.append)
    sums.said("b", {DONE: [10.0], OPEN: [2.0]}, to=asked["b"])
    before = list(answers)
    sums.said("c", {DONE: [100.0]}, to=asked["c"])

    assert before == []
    assert answers == [{LOST: [0.0], DONE: [111.0], OPEN: [3.0]}]
    assert not clock.getDelayedCalls()


def test_there_is_a_sum_where_nobody_else_is():
    sums, _ = counts()
    answers: list[Tally] = []
    sums.said("a", {DONE: [1.0]})

    sums.ask([], lambda *_: None, answers.append)

    assert answers == [{LOST: [0.0], DONE: [1.0]}]


def test_one_who_says_nothing_counts_as_it_said_last():
    sums, clock = counts()
    answers: list[Tally] = []
    asked: dict[str, int] = {}
    sums.said("b", {DONE: [5.0]})

    sums.ask(["b"], asked.__setitem__, answers.append)
    clock.advance(PATIENCE_S)
    sums.said("b", {DONE: [7.0]}, to=asked["b"])

    assert answers == [{LOST: [0.0], DONE: [5.0]}]
    assert sums.total()[DONE] == [7.0]


def test_what_the_dead_counted_stays_counted_and_what_they_held_does_not():
    sums, _ = counts()
    answers: list[Tally] = []
    sums.said("a", {DONE: [1.0], OPEN: [4.0]})
    sums.said("b", {DONE: [2.0], OPEN: [5.0]})

    sums.ask(["a", "b"], lambda *_: None, answers.append)
    sums.ended("a", lost=True)
    sums.ended("b", lost=False)
    sums.ended("c", lost=True)

    assert answers == [{LOST: [1.0], DONE: [3.0]}]
    assert sums.total() == {LOST: [2.0], DONE: [3.0]}
