"""One timer for all deadlines."""

from twisted.internet.task import Clock

from byok.wire.deadlines import NEVER, Deadlines


class Watched:
    """Notes when it was overdue, and then does as it was told."""

    def __init__(self, deadline: float = NEVER) -> None:
        self.deadline = deadline
        self.overdue_at: list[float] = []
        self.ends: Watched | None = None
        self.deadlines: Deadlines | None = None

    def overdue(self, now: float) -> None:
        self.overdue_at.append(now)
        self.deadline = NEVER
        if self.ends is not None and self.deadlines is not None:
            self.deadlines.forget(self.ends)


def test_a_deadline_is_met_a_little_late_and_never_early():
    clock = Clock()
    deadlines = Deadlines(clock, every_s=0.25)
    watched = Watched(1.1)
    deadlines.watch(watched)
    clock.pump([0.25] * 4)
    assert watched.overdue_at == []

    clock.pump([0.25] * 4)

    assert watched.overdue_at == [1.25]


def test_one_that_is_over_is_not_told_of_its_deadline():
    clock = Clock()
    deadlines = Deadlines(clock)
    first, second = Watched(1), Watched(1)
    first.ends, second.ends = second, first
    first.deadlines = second.deadlines = deadlines
    deadlines.watch(first)
    deadlines.watch(second)

    clock.pump([0.25] * 8)

    assert sorted((first.overdue_at, second.overdue_at)) == [[], [1.0]]


def test_no_timer_runs_where_there_is_nothing_to_watch():
    clock = Clock()
    deadlines = Deadlines(clock)
    first, second = Watched(), Watched()
    deadlines.watch(first)
    deadlines.watch(second)
    assert len(clock.getDelayedCalls()) == 1
    deadlines.forget(first)
    assert len(clock.getDelayedCalls()) == 1

    deadlines.forget(second)
    deadlines.forget(second)

    assert clock.getDelayedCalls() == []
