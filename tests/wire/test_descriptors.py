"""How many files may be open, tried in processes of their own."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT

TRIAL = """
import resource, sys
from byok.wire.descriptors import may_open
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(may_open(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected"),
    [
        (64, 512, 48, "48 64 512"),
        (64, 512, 64, "64 64 512"),
        (64, 512, 256, "256 256 512"),
        (64, 512, 9999, "512 512 512"),
        (64, 64, 9999, "64 64 64"),
    ],
)
def test_as_many_are_asked_for_as_are_wanted_and_allowed(soft, hard, wanted, expected):
    done = subprocess.run(
        [sys.executable, "-c", TRIAL, *map(str, (soft, hard, wanted))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == expected
