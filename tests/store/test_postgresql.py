"""A database server: gone and back, shared with others, and silent about secrets."""

import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from byok.core.errors import StoreUnavailable
from byok.core.secret import Secret
from byok.store import postgresql
from byok.store.engine import make_engine, reading, writing
from byok.store.faults import AliasTaken, PepperLost, StoreTooOld
from byok.store.location import Server
from byok.store.lookup import KeyLookup
from byok.store.opening import open_keys, open_pins
from byok.store.peek import peek_decisions, peek_digests, peek_key, peek_keys
from byok.store.schema import look
from byok.store.usage import DaysWanted
from tests.e2e.house import until
from tests.e2e.watching import Events
from tests.store.databases import OnPostgres, opened_for
from tests.store.records import NOW, PEPPER, PEPPERS, record, records
from tests.store.test_usage import FULL, usage_record
from tests.support.keys import STORE_PASSWORD, VIRTUAL_KEY, VIRTUAL_KEY_2

pytestmark = pytest.mark.postgres
OTHER_PEPPER = Secret("another pepper of good length")


class ServerCase(OnPostgres, TestCase):
    """A gateway's store in a database of its own."""

    timeout = 60

    async def setUp(self):
        self.events = Events()
        self.events.watch(self)
        self.server = self.database()
        self.opened = await opened_for(self, self.server, poll_s=0.05)
        self.lookup = KeyLookup(self.opened.keys, PEPPERS, seconds=lambda: NOW)

    async def maybe(self, key=VIRTUAL_KEY):
        return await self.lookup.maybe(key.encode(), peer="192.0.2.1")

    def said(self):
        return [
            event["log_format"]
            for event in self.events.all
            if event.get("log_namespace") == "byok.store"
        ]


class AwayTests(ServerCase):
    """The server is gone, and comes back."""

    async def test_known_keys_work_while_it_is_gone_and_all_do_after_it(self):
        await self.opened.keys.insert(record())
        await self.opened.keys.insert(record(VIRTUAL_KEY_2, 1))
        looks = iter(range(30))
        await until(lambda: next(looks, None) is None)
        assert await self.maybe() is not None

        await deferToThread(self.cluster.stop)
        try:
            await until(lambda: len(self.said()) >= 1)
            assert await self.maybe() is not None
            for asking in (
                self.maybe(VIRTUAL_KEY_2),
                self.opened.keys.insert(record("sk-third", 2)),
                self.opened.decisions.maybe("req_1"),
            ):
                with self.assertRaises(StoreUnavailable) as caught:
                    await asking
                assert str(self.server) in str(caught.exception)
        finally:
            await deferToThread(self.cluster.start)

        await until(lambda: len(self.said()) >= 2)
        assert self.said() == [
            "changes of keys are not noticed for now: {error}",
            "changes of keys are noticed again",
        ]
        assert await self.maybe(VIRTUAL_KEY_2) is not None
        await self.opened.keys.insert(record("sk-third", 2))

    async def test_a_restart_that_nobody_saw_is_no_fault(self):
        await self.opened.keys.insert(record())
        await deferToThread(self.cluster.stop)
        await deferToThread(self.cluster.start)

        assert await self.opened.keys.maybe_by_name(record().token_id) == record()

    async def test_the_books_balance_whenever_it_was_gone(self):
        batches = [
            [usage_record(number, **FULL) for number in range(at, at + 10)]
            for at in range(0, 400, 10)
        ]
        faults, done = 0, False

        async def write():
            nonlocal faults, done
            for batch in batches:
                while True:
                    try:
                        await self.opened.usage.append(batch)
                    except StoreUnavailable:
                        # It may be there all the same: nobody was told.
                        faults += 1
                        await until(lambda: True, every_s=0.02)
                    else:
                        break
            done = True

        async def disturb():
            for _ in range(2):
                await deferToThread(self.cluster.stop)
                before = faults
                await until(lambda before=before: faults > before or done)
                await deferToThread(self.cluster.start)

        writing_all = Deferred.fromCoroutine(write())
        await disturb()
        await writing_all

        (total,) = await self.opened.usage.totals(DaysWanted())
        cost = len(batches) * 10 * FULL["cost_nano"]
        assert (total.figures.requests, total.figures.cost_nano) == (400, cost)


class SharedTests(ServerCase):
    """Others use the same database."""

    async def test_what_two_nodes_write_at_once_counts_once(self):
        other = await opened_for(self, self.server)
        records = [usage_record(number, **FULL) for number in range(200)]

        added = await gatherResults(
            [
                Deferred.fromCoroutine(store.usage.append(each))
                for store in (self.opened, other)
                for each in (records[:120], records[80:], records[::-1])
            ]
        )

        assert sum(added) == 200
        (total,) = await other.usage.totals(DaysWanted())
        assert total.figures.requests == 200

    async def test_what_another_process_changes_is_noticed(self):
        assert await self.maybe() is None
        heard = []
        self.opened.keys.on_change(lambda: heard.append("change"))

        def insert():
            with open_keys(self.server, (PEPPER,)) as other:
                other.keys.insert(record())

        await deferToThread(insert)
        await until(lambda: bool(heard))

        assert await self.maybe() == record()

    async def test_of_two_that_want_an_alias_at_once_one_gets_it(self):
        other = await opened_for(self, self.server)

        async def insert(store, key):
            try:
                await store.keys.insert(replace(key, key_alias="anne"))
            except AliasTaken:
                return "taken"
            return "kept"

        made = records(8)
        said = await gatherResults(
            [
                Deferred.fromCoroutine(insert((self.opened, other)[at % 2], key))
                for at, key in enumerate(made)
            ]
        )

        assert sorted(said) == ["kept", *["taken"] * 7]


class PlaceTests(OnPostgres, TestCase):
    """Opening and looking, without a gateway."""

    def test_a_dry_run_makes_no_tables(self):
        server = self.database()

        assert peek_key(server, "anne") is None
        assert peek_keys(server) is None
        assert peek_digests(server, (PEPPER,)) is None
        with (
            self.assertRaisesRegex(StoreUnavailable, "nothing was recorded"),
            peek_decisions(server),
        ):
            pass

        with self.cluster.connect(server) as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
        assert tables == []

    def test_a_dry_run_sees_what_is_there(self):
        server = self.database()
        with open_keys(server, (PEPPER,)) as store:
            store.keys.insert(record(key_alias="anne"))

        assert peek_key(server, "anne") == record(key_alias="anne")
        assert peek_keys(server) == (record(key_alias="anne"),)
        known = peek_digests(server, (PEPPER,))
        assert known is not None
        assert known.is_real(VIRTUAL_KEY.encode())
        assert peek_digests(server, ()) is None
        with open_pins(server) as pins:
            assert pins.all() == ()

    def test_a_reader_cannot_write(self):
        engine = make_engine(self.database(), connections=1)

        with self.assertRaises(StoreUnavailable), reading(engine) as connection:
            connection.exec_driver_sql("CREATE TABLE x (y INTEGER)")

        engine.dispose()

    def test_a_pepper_has_to_be_configured_and_has_to_be_the_one(self):
        server = self.database()

        with self.assertRaisesRegex(StoreUnavailable, "key_pepper"), open_keys(server):
            pass
        with open_keys(server, (PEPPER,)) as store:
            store.keys.insert(record())
        with (
            self.assertRaisesRegex(PepperLost, "Configure the pepper"),
            open_keys(server, (OTHER_PEPPER,)),
        ):
            pass

    def test_tables_of_a_former_release_are_left_to_whoever_runs_it(self):
        server = self.database()
        with open_keys(server, (PEPPER,)):
            pass
        with self.cluster.connect(server) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0004'")

        with (
            self.assertRaisesRegex(StoreTooOld, "byok db upgrade"),
            open_keys(server, (PEPPER,)),
        ):
            pass

    def test_processes_that_open_a_new_database_at_once_all_find_it_ready(self):
        server = self.database()
        program = (
            "import sys\n"
            "from byok.core.secret import Secret\n"
            "from byok.store.location import Server\n"
            "from byok.store.opening import open_keys\n"
            "url = sys.stdin.read()\n"
            "with open_keys(Server(url=url), (Secret('p' * 32),)) as store:\n"
            "    print(store.keys.pepper_counts())\n"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(server.url.encode())
            process.stdin.close()
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.read() == b"{}\n"
            process.stdout.close()
            assert process.wait() == 0


class SecrecyTests(OnPostgres, TestCase):
    """What is said when something is wrong."""

    def failure_of(self, server):
        with self.assertRaises(StoreUnavailable) as caught, open_keys(server):
            pass
        return "".join(traceback.format_exception(caught.exception))

    def test_a_wrong_password_is_said_and_not_shown(self):
        server = self.cluster.database(password=STORE_PASSWORD[::-1])

        text = self.failure_of(server)

        assert "password authentication failed" in text
        assert STORE_PASSWORD[::-1] not in text

    def test_the_environment_is_not_asked_for_a_password(self):
        server = self.database()
        without = Server(url=str(server))
        self.patch_environment("PGPASSWORD", STORE_PASSWORD)

        assert "no password supplied" in self.failure_of(without)

    def patch_environment(self, name, value):
        patch = pytest.MonkeyPatch()
        patch.setenv(name, value)
        self.addCleanup(patch.undo)

    def test_a_server_that_is_not_there_is_named_without_the_password(self):
        server = Server(url=f"postgresql://byok:{STORE_PASSWORD}@127.0.0.1:1/byok")

        text = self.failure_of(server)

        assert "postgresql://byok@127.0.0.1:1/byok: " in text
        assert STORE_PASSWORD not in text

    def test_what_is_taken_is_not_quoted(self):
        server = self.database()
        with open_keys(server, (PEPPER,)) as store:
            store.keys.insert(record(key_alias="annes-laptop"))
        engine = make_engine(server, connections=1)

        with self.assertRaises(StoreUnavailable) as caught, writing(engine) as open_:
            open_.exec_driver_sql("INSERT INTO virtual_keys SELECT * FROM virtual_keys")

        engine.dispose()
        text = "".join(traceback.format_exception(caught.exception))
        assert "duplicate key value" in text
        assert record().token_id not in text


def test_a_driver_that_is_missing_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(postgresql, "find_spec", lambda name: None)

    with pytest.raises(StoreUnavailable, match=r"pip install 'byok\[postgresql\]'"):
        make_engine(Server(url="postgresql://db/byok"), connections=1)


def test_what_was_said_is_one_line():
    assert postgresql.said_by(ValueError("one\n  two")) == "one"
    assert postgresql.said_by(ValueError()) == "ValueError"


def test_a_sqlite_file_is_looked_at_with_the_same_words(tmp_path: Path):
    with open_keys(tmp_path / "byok.db", (PEPPER,)):
        pass
    engine = make_engine(tmp_path / "byok.db", connections=1)

    with reading(engine) as connection:
        assert look(connection).state.value == "current"

    engine.dispose()
