"""kill -9, at any moment: what was appended is in the ledger, and once."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from byok.spool.drain import Drain
from byok.spool.spool import Spool
from tests.spool.appender import Ledger

TREE = Path(__file__).resolve().parents[2]
ENOUGH = 1500


class Appender:
    """A process that appends, and what it said it had appended."""

    def __init__(self, directory, ledger, name):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.spool.appender", directory, ledger, name],
            stdout=subprocess.PIPE,
            cwd=TREE,
        )
        self.appended: list[str] = []
        self.has_enough = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # A line may be cut short by the kill.
            if line.endswith(b"\n"):
                self.appended.append(line.decode().strip())
            if len(self.appended) == ENOUGH:
                self.has_enough.set()

    def kill(self):
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.mark.e2e
def test_what_killed_processes_appended_is_kept_once(tmp_path):
    directory, path = tmp_path / "spool", tmp_path / "ledger.db"
    one, two = (Appender(directory, path, name) for name in ("one", "two"))
    assert one.has_enough.wait(60)
    one.kill()
    # The second goes on, and drains what the first left.
    three = Appender(directory, path, "three")
    assert three.has_enough.wait(60)
    two.kill()
    three.kill()

    ledger = Ledger(path)
    before = set(ledger.ids())
    spool = Spool(directory)
    drain = Drain(spool, ledger.keep, Clock())
    asyncio.run(drain.stop())
    spool.close()

    kept = ledger.ids()
    ledger.close()
    appended = {each for who in (one, two, three) for each in who.appended}
    assert len(kept) == len(set(kept))
    assert appended - set(kept) == set()
    # Each may have appended one more that it did not get to say.
    assert len(set(kept) - appended) <= 3
    assert "one-0" in before
    assert drain.lost_bytes < 3 * 300
    assert list(directory.iterdir()) == []
