"""
A process that appends as fast as it can and drains into SQLite, until it is killed.

`python -m tests.spool.appender DIRECTORY LEDGER NAME`; it prints the id of each record
after `append` returned.
"""

import os
import sqlite3
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from byok.core.errors import StoreUnavailable
from byok.spool.drain import Drain
from byok.spool.spool import Spool

AT_ONCE = 50


class Ledger:
    """Keeps each record once, by its id; counts how often it was asked to."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, timeout=10, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = OFF")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS usage (id TEXT PRIMARY KEY, at INTEGER)"
        )

    async def keep(self, batch):
        rows = [(each.payload.split()[0].decode(),) for each in batch]
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany("INSERT OR IGNORE INTO usage (id) VALUES (?)", rows)
            self._base.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def ids(self) -> list[str]:
        return [row[0] for row in self._base.execute("SELECT id FROM usage")]

    def close(self) -> None:
        self._base.close()


def main() -> None:
    directory, path, name = sys.argv[1:]
    spool = Spool(Path(directory), segment_bytes=20_000)
    drain = Drain(
        spool, Ledger(Path(path)).keep, IReactorTime(reactor), interval_s=0.01, batch=64
    )
    count = 0

    def append() -> None:
        nonlocal count
        for _ in range(AT_ONCE):
            spool.append(b"%s-%d %s" % (name.encode(), count, b"x" * 200))
            os.write(1, b"%s-%d\n" % (name.encode(), count))
            count += 1

    drain.start()
    LoopingCall(append).start(0.001)
    reactor.run()


if __name__ == "__main__":
    main()
