"""The store's file is deleted, or another one put in its place, while it is open."""

import shutil
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, formatEvent
from twisted.trial.unittest import TestCase

from byok.core.errors import StoreUnavailable
from byok.store.engine import make_engine, reading, writing
from byok.store.faults import StoreReplaced
from byok.store.file import StoreFile
from byok.store.lookup import KeyLookup
from byok.store.opening import open_keys, open_store
from tests.e2e.house import until
from tests.e2e.watching import Events
from tests.store.records import NOW, PEPPER, PEPPERS, REACTOR, record
from tests.support.keys import VIRTUAL_KEY, VIRTUAL_KEY_2

COMPANIONS = ("", "-wal", "-shm")


def away(path: Path, to: Path) -> None:
    """Move the store at *path* with all that belongs to it."""
    for suffix in COMPANIONS:
        one = path.with_name(path.name + suffix)
        if one.exists():
            one.rename(to.with_name(to.name + suffix))


class OpenStoreTests(TestCase):
    """A gateway's store, and somebody who tidies up."""

    timeout = 20

    async def setUp(self):
        self.events = Events()
        self.events.watch(self)
        self.path = Path(self.mktemp())
        self.opened = await open_store(
            REACTOR, self.path, (PEPPER,), clock=REACTOR, poll_s=0.02
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.opened.close()))
        self.lookup = KeyLookup(self.opened.keys, PEPPERS, seconds=lambda: NOW)
        await self.opened.keys.insert(record())
        # The watch tells of that once more; after it, keys stay known by heart.
        looks = iter(range(30))
        await until(lambda: next(looks, None) is None)
        assert await self.maybe(VIRTUAL_KEY) is not None

    async def maybe(self, key: str):
        return await self.lookup.maybe(key.encode(), peer="192.0.2.1")

    def said(self) -> list[tuple[LogLevel, str]]:
        return [
            (event["log_level"], formatEvent(event))
            for event in self.events.all
            if event.get("log_namespace") == "byok.store"
        ]

    async def noticed(self, count: int = 1) -> None:
        await until(lambda: len(self.said()) >= count)

    async def test_a_deleted_file_is_said_once_as_an_error_with_the_remedy(self):
        away(self.path, self.path.with_name("elsewhere"))

        await self.noticed()
        looks = iter(range(10))
        await until(lambda: next(looks, None) is None)

        ((level, text),) = self.said()
        assert level is LogLevel.error
        assert "deleted or moved" in text
        assert "restart byok" in text
        assert str(self.path) in text

    async def test_a_replaced_file_is_said_as_an_error_with_the_remedy(self):
        away(self.path, self.path.with_name("former"))
        with open_keys(self.path, (PEPPER,)):
            pass

        await self.noticed()

        ((level, text),) = self.said()
        assert level is LogLevel.error
        assert "not the file that was opened" in text
        assert "Restart byok" in text

    async def test_known_keys_keep_working_and_nothing_else_does(self):
        away(self.path, self.path.with_name("elsewhere"))
        await self.noticed()

        assert await self.maybe(VIRTUAL_KEY) is not None
        with self.assertRaises(StoreReplaced):
            await self.maybe(VIRTUAL_KEY_2)
        for asking in (
            self.opened.keys.maybe_by_name("readiness"),
            self.opened.keys.insert(record(VIRTUAL_KEY_2, 1)),
            self.opened.keys.delete([record().token_id]),
            self.opened.decisions.maybe("req_1"),
        ):
            with self.assertRaises(StoreUnavailable):
                await asking

    async def test_no_empty_file_is_made_in_its_place(self):
        away(self.path, self.path.with_name("elsewhere"))

        for _ in range(8):
            with self.assertRaises(StoreUnavailable):
                await self.opened.keys.maybe_by_name("anne")

        assert not self.path.exists()

    async def test_a_file_that_is_put_back_is_used_again(self):
        elsewhere = self.path.with_name("elsewhere")
        away(self.path, elsewhere)
        await self.noticed()
        away(elsewhere, self.path)
        await self.noticed(2)

        assert self.said()[1] == (
            LogLevel.info,
            "changes of keys are noticed again",
        )
        await self.opened.keys.insert(record(VIRTUAL_KEY_2, 1))
        assert await self.maybe(VIRTUAL_KEY_2) is not None


def test_no_connection_is_given_out_to_another_file(tmp_path: Path):
    path = tmp_path / "byok.db"
    with open_keys(path, (PEPPER,)):
        pass
    engine = make_engine(path, connections=1)
    with reading(engine):
        pass
    copy = tmp_path / "copy"
    shutil.copy(path, copy)
    copy.replace(path)

    for how in (reading, writing):
        with pytest.raises(StoreReplaced), how(engine):
            pass

    engine.dispose()


def test_a_file_that_cannot_be_looked_at_is_away(tmp_path: Path):
    directory = tmp_path / "directory"
    directory.mkdir()
    path = directory / "byok.db"
    path.touch()
    file = StoreFile(path)
    directory.rename(tmp_path / "loop")
    directory.symlink_to(directory)

    with pytest.raises(StoreUnavailable, match="cannot be looked at"):
        file.check()
