"""Keeps what the process holds in memory from everybody else on the machine."""

import ctypes
import os
import resource
import sys
from collections.abc import Mapping
from typing import Any

from twisted.internet import defer

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """
    Let nobody but root look into this process, and nobody else read its files.

    It holds other people's keys, and would leave them in a core dump. On Linux a
    process that is not dumpable cannot be traced by its own user either, which is
    what a provider's key would be stolen with. Where a system lacks one of these it
    does without.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        if prctl is not None:
            prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def why_not(twistd: Mapping[str, Any]) -> str | None:
    """
    Say why a process that was started with these options of twistd is no gateway.

    Twisted's ways of debugging keep the variables of every frame that fails, and
    print them: keys, prompts and headers.
    """
    if twistd.get("debug"):
        return (
            "twistd --debug shows the variables of running code, and with them the"
            " keys of whoever sends a request: leave it out, and use"
            " `byok --log-level debug`"
        )
    if defer.getDebugging():
        return (
            "Twisted's debugging is on (defer.setDebugging), which keeps the"
            " variables of code that fails, keys among them: turn it off"
        )
    return None
