"""Changes that another process makes are noticed; a store that is away is said once."""

import sqlite3
from dataclasses import replace
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import TestCase

from byok.core.errors import StoreUnavailable
from byok.store.changes import ChangeMarks
from byok.store.dbpool import DbPool
from byok.store.engine import make_engine
from byok.store.faults import PepperLost
from byok.store.lookup import KeyLookup
from byok.store.opening import open_keys, open_store
from byok.store.sqlstore import ChangeWatch
from tests.store.records import NOW, PEPPER, PEPPERS, REACTOR, record
from tests.support.keys import VIRTUAL_KEY, VIRTUAL_KEY_2

KEY = VIRTUAL_KEY.encode()


class OtherProcessTests(TestCase):
    """The command line writes to the store of a running gateway."""

    timeout = 20

    async def setUp(self):
        self.path = Path(self.mktemp())
        self.opened = await open_store(
            REACTOR, self.path, (PEPPER,), clock=REACTOR, poll_s=0.05
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.opened.close()))
        self.lookup = KeyLookup(self.opened.keys, PEPPERS, seconds=lambda: NOW)

    def next_change(self):
        """Return a Deferred that fires at the next change that is noticed."""
        noticed: Deferred[None] = Deferred()

        def notice():
            if not noticed.called:
                noticed.callback(None)

        self.opened.keys.on_change(notice)
        return noticed

    async def maybe(self, key=KEY):
        return await self.lookup.maybe(key, peer="192.0.2.1")

    async def test_a_key_made_elsewhere_works_and_one_blocked_elsewhere_does_not(self):
        assert await self.maybe() is None
        noticed = self.next_change()
        with open_keys(self.path, (PEPPER,)) as other:
            other.keys.insert(record())
        await noticed
        assert await self.maybe() == record()

        noticed = self.next_change()
        with open_keys(self.path, (PEPPER,)) as other:
            other.keys.update(record().token_id, lambda key: replace(key, blocked=True))
        await noticed
        assert await self.maybe() is None

    async def test_other_writes_to_the_database_forget_no_key(self):
        await self.opened.keys.insert(record())
        await self.maybe()
        engine = make_engine(self.path, connections=1)
        marks = ChangeMarks(engine)
        assert marks.have_changed()

        connection = sqlite3.connect(self.path)
        connection.execute("CREATE TABLE others (tokens INTEGER)")
        connection.commit()
        assert not marks.have_changed()

        connection.execute("UPDATE revisions SET revision = revision + 1")
        connection.commit()
        assert marks.have_changed()
        assert not marks.have_changed()
        connection.close()
        marks.close()
        engine.dispose()

    async def test_a_closed_store_says_so(self):
        store = await open_store(REACTOR, Path(self.mktemp()), (PEPPER,), clock=REACTOR)
        await store.close()

        with self.assertRaises(StoreUnavailable):
            await store.keys.maybe_by_name("anne")

    async def test_a_store_that_cannot_be_opened_leaves_no_thread_behind(self):
        with self.assertRaises(StoreUnavailable):
            await open_store(
                REACTOR,
                Path(self.mktemp()) / "missing" / "byok.db",
                (PEPPER,),
                clock=REACTOR,
            )

    async def test_a_store_without_its_pepper_leaves_no_file_open(self):
        await self.opened.keys.insert(record())

        with self.assertRaises(PepperLost):
            await open_store(REACTOR, self.path, clock=REACTOR)

    async def test_a_write_nobody_waits_for_any_more_is_still_noticed(self):
        assert await self.maybe(VIRTUAL_KEY_2.encode()) is None
        noticed = self.next_change()

        given_up = Deferred.fromCoroutine(
            self.opened.keys.insert(record(VIRTUAL_KEY_2, 1))
        )
        given_up.addErrback(lambda _: None)
        given_up.cancel()

        await noticed
        assert await self.maybe(VIRTUAL_KEY_2.encode()) is not None


class ScriptedMarks(ChangeMarks):
    """Answers and faults in turn; then fires *done*."""

    def __init__(self, *script):
        self._script = list(script)
        self.done: Deferred[None] = Deferred()

    def have_changed(self):
        """Answer the next of the script."""
        if len(self._script) == 1 and not self.done.called:
            REACTOR.callFromThread(self._finish)
        step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(step, Exception):
            raise step
        return step

    def close(self):
        """Keep nothing."""

    def _finish(self):
        if not self.done.called:
            self.done.callback(None)


class AwayTests(TestCase):
    """The database cannot be read for a while."""

    timeout = 20

    async def test_the_log_says_once_that_it_is_away_and_once_that_it_is_back(self):
        away = StoreUnavailable("byok.db: disk I/O error")
        marks = ScriptedMarks(False, away, away, away, True, False)
        changes = []
        pool = DbPool(REACTOR)
        pool.start()
        self.addCleanup(pool.stop)
        self.addCleanup(pool.stop)
        watch = ChangeWatch(
            marks,
            pool,
            changed=lambda: changes.append("change"),
            clock=REACTOR,
            interval_s=0.01,
        )

        with capturedLogs() as events:
            watch.start()
            await marks.done
            await watch.stop()
            await watch.stop()

        said = [
            (event["log_level"], event["log_format"])
            for event in events
            if event.get("log_namespace", "").startswith("byok")
        ]
        assert said == [
            (LogLevel.warn, "changes of keys are not noticed for now: {error}"),
            (LogLevel.info, "changes of keys are noticed again"),
        ]
        assert changes == ["change"]

    async def test_a_database_that_fails_is_a_fault_and_then_looked_at_anew(self):
        path = Path(self.mktemp())
        with open_keys(path, (PEPPER,)):
            pass
        engine = make_engine(path, connections=1)
        marks = ChangeMarks(engine)
        assert marks.have_changed()
        connection = sqlite3.connect(path)
        connection.execute("ALTER TABLE revisions RENAME TO elsewhere")
        connection.commit()

        with self.assertRaises(StoreUnavailable):
            marks.have_changed()

        connection.execute("ALTER TABLE elsewhere RENAME TO revisions")
        connection.commit()
        connection.close()
        assert marks.have_changed()
        marks.close()
        marks.close()
        engine.dispose()
