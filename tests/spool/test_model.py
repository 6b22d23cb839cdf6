"""
Whatever happens, and in whichever order: each record is kept, in its writer's order.

Several processes append and drain in one directory; they stop, and are killed, in the
middle of anything; the store goes away and comes back.
"""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from byok.spool.drain import Drain
from byok.spool.spool import Spool
from tests.spool.sinks import Sink

WORKERS = 3


class Worker:
    """One process: what it appends, and where it drains to."""

    def __init__(self, directory, clock, sink):
        self.spool = Spool(directory, segment_bytes=120, segment_s=2, now=clock.seconds)
        self.drain = Drain(
            self.spool, sink, clock, batch=3, now=clock.seconds, longest_wait_s=1
        )
        self.drain.start()

    def kill(self, clock):
        """Let go of what a dead process holds, and of nothing else."""
        for each in clock.getDelayedCalls():
            if each.func == getattr(self.drain._pause, "callback", None):
                each.cancel()
        for source in self.drain._sources.values():
            source._let_go()
            os.close(source._held)
        self.spool.seal()
        os.close(self.spool._lock)

    def stop(self):
        stopped = Deferred.fromCoroutine(self.drain.stop())
        self.spool.close()
        assert stopped.called


class Processes(RuleBasedStateMachine):
    """The processes of one gateway, and their store."""

    @initialize()
    def begin(self):
        self.clock = Clock()
        self.directory = Path(tempfile.mkdtemp()) / "spool"
        self.sink = Sink()
        self.workers = [self.started() for _ in range(WORKERS)]
        self.appended: list[bytes] = []
        self.torn = 0

    def started(self):
        return Worker(self.directory, self.clock, self.sink)

    @rule(at=st.integers(0, WORKERS - 1), count=st.integers(1, 12))
    def append(self, at, count):
        spool = self.workers[at].spool
        for _ in range(count):
            record = f"{spool.writer}:{len(self.appended):06d}".encode()
            spool.append(record)
            self.appended.append(record)

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.1, 3.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def lose_the_store(self):
        self.sink.is_away = True

    @rule()
    def find_the_store(self):
        self.sink.is_away = False

    @rule(at=st.integers(0, WORKERS - 1))
    def stop(self, at):
        self.workers[at].stop()
        self.workers[at] = self.started()

    @rule(at=st.integers(0, WORKERS - 1), torn=st.booleans())
    def kill(self, at, torn):
        spool = self.workers[at].spool
        if torn and spool._descriptor >= 0:
            os.write(spool._descriptor, b"\xffbk1\x10\0\0\0torn")
        self.workers[at].kill(self.clock)
        self.workers[at] = self.started()

    @invariant()
    def nothing_is_made_up(self):
        assert set(self.sink.kept) <= set(self.appended)

    def teardown(self):
        if not hasattr(self, "workers"):
            return
        self.sink.is_away = False
        for _ in range(8):
            self.clock.advance(1.0)
        for each in self.workers:
            each.stop()
        last = self.started()
        last.stop()
        left = list(self.directory.iterdir())
        shutil.rmtree(self.directory.parent)

        assert set(self.sink.kept) == set(self.appended)
        assert left == []
        first_of_each = list(dict.fromkeys(self.sink.kept))
        for writer in {each.split(b":")[0] for each in self.appended}:
            own = [each for each in first_of_each if each.startswith(writer)]
            assert own == sorted(own)


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=60, stateful_step_count=40)
