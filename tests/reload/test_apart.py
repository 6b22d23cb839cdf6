"""Work in a copy of this process: done there, told here, and nothing left behind."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from byok.policy.rules import Where
from byok.reload.apart import apart
from byok.reload.review import Compared
from byok.reload.widening import Widening

HERE = os.getpid()


def test_what_was_found_comes_back():
    where = Where(file="config.yaml", line=3)
    found = Compared(
        failed_tests=(),
        broken_assertions=("one",),
        widenings=(Widening(kind="lock", text="gone", where=where),),
        narrowings=(),
    )

    assert apart(lambda: found, kind=Compared) == found


def test_it_is_done_in_another_process():
    assert apart(os.getpid, kind=int) != os.getpid()
    assert os.getpid() == HERE


def test_what_is_raised_there_is_raised_here():
    with pytest.raises(KeyError, match="no such thing"):
        apart(partial(_raise, KeyError("no such thing")), kind=int)


def _raise(error: Exception) -> int:
    raise error


def test_a_copy_that_dies_leaves_the_work_to_be_done_here():
    def die_elsewhere() -> int:
        if os.getpid() != HERE:
            os._exit(7)
        return HERE

    assert apart(die_elsewhere, kind=int) == HERE


def test_what_cannot_be_sent_is_done_here():
    assert apart(lambda: sys.stdout, kind=object) is sys.stdout


def test_where_there_can_be_no_copy_the_work_is_done_here(monkeypatch):
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    before = _descriptors()
    assert apart(os.getpid, kind=int) == HERE
    assert _descriptors() == before


def test_a_mac_is_not_copied(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")

    assert apart(os.getpid, kind=int) == HERE


def test_nothing_stays_open_and_nobody_is_left():
    before = _descriptors()

    open_there = apart(_descriptors, kind=set[str])

    assert _descriptors() == before
    # The pipe, and the directory that is being read.
    assert len(open_there) <= 2
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def _descriptors() -> set[str]:
    found = set()
    for each in Path("/dev/fd").iterdir():
        try:
            found.add(str(each.readlink()))
        except OSError:
            continue  # the directory itself, closed by now
    return found


class ReactorTests(TestCase):
    timeout = 20

    async def test_the_reactor_goes_on_meanwhile(self):
        turns = []
        done: Deferred[None] = Deferred()

        def turn() -> None:
            turns.append(1)
            if not done.called:
                reactor.callLater(0, turn)

        turn()
        found = await deferToThread(apart, partial(_count, 200_000), kind=int)
        done.callback(None)

        self.assertEqual(found, 200_000)
        self.assertGreater(len(turns), 1)


def _count(most: int) -> int:
    return sum(1 for _ in range(most))
