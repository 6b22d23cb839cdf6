"""
Work in a copy of this process, so that the one that answers requests goes on.

A thread would be too little: it shares the interpreter with the reactor, and every
stream would wait for it, a few milliseconds each time. A copy has all that there is
to look at, needs nothing written down, and sends back plain values only.
"""

import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

import msgspec

_T = TypeVar("_T")

# Of two cores that are both busy, requests get more.
_NICER = 10
_ALL_DESCRIPTORS = 1 << 20


def apart(work: Callable[[], _T], *, kind: type[_T]) -> _T:
    """
    Return what *work* returns, done in a copy of this process; blocks until then.

    It has to be of *kind*, data that can be written as JSON and read again. Where
    there can be no copy, or it does not come to an end, the work is done here.
    """
    try:
        copy, reading = _copied(work)
    except OSError:
        return work()
    with os.fdopen(reading, "rb") as pipe:
        written = pipe.read()
    _, status = os.waitpid(copy, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        # Here it fails in the same way, and then it can be told how.
        return work()
    return msgspec.json.decode(written, type=kind)


def _copied(work: Callable[[], object]) -> tuple[int, int]:
    """Begin *work* in a copy; return its process id, and where its answer comes."""
    if sys.platform == "darwin" or not hasattr(os, "fork"):
        # System libraries there are not made to be copied while threads run.
        raise OSError
    reading, writing = os.pipe()
    try:
        with warnings.catch_warnings():
            # A copy has this one thread. It computes, and takes no lock of others.
            warnings.simplefilter("ignore", DeprecationWarning)
            copy = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if copy == 0:
        _work_and_end(work, writing)
    os.close(writing)
    return copy, reading


def _work_and_end(work: Callable[[], object], writing: int) -> NoReturn:
    # Nothing that is said or raised here may reach the streams of the gateway.
    code = 1
    with suppress(BaseException):
        _let_go_of_all_but(writing)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(msgspec.json.encode(work()))
        code = 0
    os._exit(code)


def _let_go_of_all_but(descriptor: int) -> None:
    """Keep no socket open, answer no signal, and stand back."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.closerange(0, descriptor)
    os.closerange(descriptor + 1, _ALL_DESCRIPTORS)
    gc.disable()
    os.nice(_NICER)
