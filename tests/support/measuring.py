"""
A coverage plugin that keeps what was measured in a gateway's process.

twistd, once everything is closed, ends itself by the signal that it was sent, and
nothing registered to run at exit does. So the measurement is saved right before.
"""

import os

from coverage import Coverage
from coverage.plugin_support import Plugins


def coverage_init(_plugins: Plugins, _options: dict[str, str]) -> None:
    """Save before the process ends itself; coverage calls this as it starts."""
    kill = os.kill

    def saving_kill(pid: int, signal: int) -> None:
        running = Coverage.current()
        if pid == os.getpid() and running is not None:
            running.save()
        kill(pid, signal)

    os.kill = saving_kill
