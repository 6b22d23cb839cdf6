"""
Runs tests against one changed module after the other, in a copy of the tree.

Started in the copy with its two pipes as its only company. What every run needs is
imported once, before byok is, and each run is a fork of that: starting Python and
pytest takes longer than most of the tests do.
"""

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

# As the tests need them; what is not installed is not needed either.
WARM = (
    "click.testing",
    "hypothesis.strategies",
    "jsonschema",
    "msgspec",
    "twisted.logger",
    "twisted.trial.unittest",
    "xdist",
    "yaml",
)
QUIETLY = (
    "-x",
    "-q",
    "--tb=no",
    # Nobody reads why; and hypothesis is there before pytest could rewrite it.
    "--assert=plain",
    "--numprocesses=0",
    "-pno:cacheprovider",
    "--hypothesis-profile=mutants",
)
_SLICE = 0.005


def run(tests: Sequence[str], timeout: float) -> str:
    """Say what the tests make of the tree as it is: survived, killed or timeout."""
    child = os.fork()
    if not child:
        _become(tests)
    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "killed" if status else "survived"
        time.sleep(_SLICE)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def _become(tests: Sequence[str]) -> None:
    """Be the tests' process, to the end."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    code = 1
    try:
        code = pytest.main([*QUIETLY, *tests])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer each line of standard input with one line of standard output."""
    settings.register_profile(
        "mutants",
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=30,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    for name in WARM:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        path = Path(asked["file"])
        before = path.read_text("utf-8")
        path.write_text(asked["source"], "utf-8")
        # Two changes within a second look alike to the cache.
        for cached in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            cached.unlink()
        begun = time.monotonic()
        outcome = run(asked["tests"], asked["timeout"])
        path.write_text(before, "utf-8")
        answer = {"outcome": outcome, "seconds": time.monotonic() - begun}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
