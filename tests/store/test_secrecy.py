"""The key itself never reaches the database, and a stolen database is of no use."""

import hashlib
import traceback
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import Pool
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from byok.core.errors import StoreUnavailable
from byok.core.keys import new_key
from byok.store.lookup import KeyLookup
from byok.store.opening import open_store
from tests.store.records import NOW, PEPPER, REACTOR, record
from tests.support.keys import KEY_PEPPER, VIRTUAL_KEY, VIRTUAL_KEY_2


@contextmanager
def traced():
    """Collect every statement that SQLite runs, parameters filled in."""
    statements: list[str] = []

    def listen(connection, _):
        connection.set_trace_callback(statements.append)

    sa.event.listen(Pool, "connect", listen)
    try:
        yield statements
    finally:
        sa.event.remove(Pool, "connect", listen)


class SecrecyTests(TestCase):
    """A whole life of keys, and what the database saw of it."""

    async def live(self, path):
        """Insert, look up, change and list keys."""
        store = await open_store(REACTOR, path, (PEPPER,), clock=REACTOR)
        try:
            lookup = KeyLookup(store.keys, store.peppers, seconds=lambda: NOW)
            await store.keys.insert(record(key_alias="the alias", user_id="the user"))
            await store.keys.insert(record("sk-1234", 1))
            for key in (VIRTUAL_KEY, "sk-1234", VIRTUAL_KEY_2, "sk-' OR 1=1 --"):
                await lookup.maybe(key.encode(), peer="192.0.2.1")
            await lookup.maybe(new_key(bytes(32)).reveal_bytes(), peer="192.0.2.1")
            await store.keys.update(record().token_id, lambda key: key)
        finally:
            await store.close()

    async def test_no_statement_and_no_parameter_holds_a_presented_key(self):
        with traced() as statements:
            await self.live(Path(self.mktemp()))

        seen = "\n".join(statements).lower()
        # Parameters do show: the alias is one.
        assert "the alias" in seen
        presented = [VIRTUAL_KEY, VIRTUAL_KEY_2, "sk-1234", "OR 1=1"]
        presented.append(new_key(bytes(32)).reveal())
        for key in presented:
            assert key.lower() not in seen
            assert key.encode().hex() not in seen
            assert key[:12].lower() not in seen or key == "OR 1=1"

    async def test_a_stolen_database_holds_neither_keys_nor_plain_hashes(self):
        path = Path(self.mktemp())
        await self.live(path)

        files = [file for file in path.parent.iterdir() if file.suffix != ".pepper"]
        stolen = b"".join(file.read_bytes() for file in files)
        assert b"the alias" in stolen
        for key in (VIRTUAL_KEY.encode(), b"sk-1234", KEY_PEPPER.encode()):
            assert key not in stolen
            assert hashlib.sha256(key).digest() not in stolen
            assert hashlib.sha256(key).hexdigest().encode() not in stolen

    async def test_a_fault_of_the_database_quotes_no_parameter(self):
        store = await open_store(REACTOR, Path(self.mktemp()), (PEPPER,), clock=REACTOR)
        self.addCleanup(lambda: Deferred.fromCoroutine(store.close()))

        with self.assertRaises(StoreUnavailable) as caught:
            await store.keys.insert(record(metadata={"a": VIRTUAL_KEY_2}, user_id=[]))

        text = "".join(traceback.format_exception(caught.exception))
        assert "INSERT INTO virtual_keys" in text
        assert VIRTUAL_KEY_2 not in text
        assert repr(record().digest) not in text
