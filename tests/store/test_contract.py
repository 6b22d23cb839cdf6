"""What every key store does, run on each of them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from byok.store.faults import AliasTaken, KeyTaken
from byok.store.keystore import KeyStore, Selection
from byok.store.memory import MemoryKeyStore
from tests.store.databases import OnPostgres, OnSqlite
from tests.store.records import NOW, PEPPERS, record, records
from tests.support.keys import VIRTUAL_KEY, VIRTUAL_KEY_2

if TYPE_CHECKING:
    Base = TestCase
else:
    Base = object

FULL: dict[str, Any] = {
    "key_alias": "anne's laptop ☂",
    "models": ("claude-*", "gpt-5"),
    "expires_at": NOW + 0.125,
    "blocked": True,
    "metadata": {"cost": {"centre": [1, None, "ü"]}},
    "tags": ("red", "blue"),
    "user_id": "anne",
    "team_id": "research",
    "max_budget": 12.5,
    "soft_budget": 10.0,
    "budget_duration": "30d",
    "rpm_limit": 60,
    "tpm_limit": 2**53,
    "max_parallel_requests": 4,
    "permissions": {"a": False},
    "spend": 0.1,
    "created_by": "admin",
    "updated_by": "cli",
    "previous_digest": b"\0" * 32,
    "previous_expires_at": NOW + 60,
}


class KeyStoreContract(Base):
    """The sentences that are true of every KeyStore."""

    store: KeyStore

    async def test_every_digest_is_told_former_ones_included(self):
        assert await self.store.every_digest() == frozenset()

        one, other = record(VIRTUAL_KEY, 0), record(VIRTUAL_KEY_2, 1, blocked=True)
        await self.store.insert(replace(one, previous_digest=b"p" * 32))
        await self.store.insert(other)

        wanted = {one.digest, b"p" * 32, other.digest}
        assert await self.store.every_digest() == wanted

    async def test_a_record_comes_back_as_it_was_put_in(self):
        key = record(**FULL)

        await self.store.insert(key)

        digests = PEPPERS.digests(VIRTUAL_KEY.encode())
        assert await self.store.maybe_by_digest(digests, now=NOW) == key
        assert await self.store.maybe_by_name(key.token_id) == key
        assert await self.store.maybe_by_name(FULL["key_alias"]) == key

    async def test_what_is_not_there_is_none(self):
        await self.store.insert(record(key_alias="anne"))

        assert await self.store.maybe_by_digest((b"x" * 32,), now=NOW) is None
        assert await self.store.maybe_by_digest((), now=NOW) is None
        assert await self.store.maybe_by_name("ann") is None
        assert await self.store.maybe_by_name("anne%") is None
        assert await self.store.update("key_none", lambda key: key) is None
        assert await self.store.delete(["key_none"]) is False

    async def test_one_of_several_digests_is_enough(self):
        key = record()
        await self.store.insert(key)

        assert await self.store.maybe_by_digest((b"x", key.digest), now=NOW) == key

    async def test_a_former_digest_is_found_until_its_grace_ends(self):
        key = record(previous_digest=b"p" * 32, previous_expires_at=NOW + 60)
        await self.store.insert(key)

        assert await self.store.maybe_by_digest((b"p" * 32,), now=NOW + 59) == key
        assert await self.store.maybe_by_digest((b"p" * 32,), now=NOW + 60) is None

    async def test_a_key_is_there_once(self):
        await self.store.insert(record())

        with self.assertRaises(KeyTaken):
            await self.store.insert(record(number=1))

        assert (await self.store.page(Selection())).total == 1

    async def test_an_alias_belongs_to_one_key_and_none_to_many(self):
        await self.store.insert(record(key_alias="anne"))
        await self.store.insert(record(VIRTUAL_KEY_2, 1))
        await self.store.insert(record("sk-third", 2))

        with self.assertRaises(AliasTaken):
            await self.store.insert(record("sk-fourth", 3, key_alias="anne"))
        with self.assertRaises(AliasTaken):
            await self.store.update(
                record(number=1).token_id, lambda key: replace(key, key_alias="anne")
            )

        assert (await self.store.page(Selection())).total == 3

    async def test_a_change_is_made_to_the_record_as_it_is_now(self):
        await self.store.insert(record(rpm_limit=0))
        token_id = record().token_id

        await gatherResults(
            [
                Deferred.fromCoroutine(self.store.update(token_id, one_more))
                for _ in range(20)
            ]
        )

        found = await self.store.maybe_by_name(token_id)
        assert found is not None
        assert found.rpm_limit == 20

    async def test_a_change_that_fails_changes_nothing(self):
        await self.store.insert(record(rpm_limit=1))

        with self.assertRaises(ZeroDivisionError):
            await self.store.update(
                record().token_id, lambda key: replace(key, rpm_limit=1 // 0)
            )

        assert await self.store.maybe_by_name(record().token_id) == record(rpm_limit=1)

    async def test_a_deleted_key_is_gone(self):
        for key in records(3):
            await self.store.insert(key)

        gone = [key.token_id for key in records(2)]
        assert await self.store.delete([*gone, gone[0]]) is True

        assert await self.store.maybe_by_name(gone[0]) is None
        assert (await self.store.page(Selection())).keys == (records(3)[2],)

    async def test_all_are_deleted_or_none(self):
        await self.store.insert(record())

        assert await self.store.delete([record().token_id, "key_none"]) is False

        assert (await self.store.page(Selection())).total == 1

    async def test_keys_are_listed_a_page_at_a_time_the_newest_first(self):
        made = records(5)
        for key in made:
            await self.store.insert(key)

        pages = [
            await self.store.page(Selection(page=number, size=2))
            for number in (1, 2, 3, 4)
        ]

        assert [key for page in pages for key in page.keys] == made[::-1]
        assert [len(page.keys) for page in pages] == [2, 2, 1, 0]
        assert {page.total for page in pages} == {5}

    async def test_a_list_can_be_of_one_user_team_alias_or_id(self):
        one, two = records(2)
        one = replace(one, user_id="anne", team_id="red", key_alias="a")
        two = replace(two, user_id="bob", team_id="red", key_alias="b")
        await self.store.insert(one)
        await self.store.insert(two)

        async def listed(**wanted):
            page = await self.store.page(Selection(**wanted))
            assert page.total == len(page.keys)
            return set(page.keys)

        assert await listed(user_id="anne") == {one}
        assert await listed(team_id="red") == {one, two}
        assert await listed(team_id="red", user_id="bob") == {two}
        assert await listed(key_alias="a") == {one}
        assert await listed(token_id=two.token_id) == {two}
        assert await listed(user_id="' OR 1=1 --") == set()

    async def test_whoever_asked_hears_of_every_change(self):
        heard = []
        self.store.on_change(lambda: heard.append("change"))

        await self.store.insert(record())
        assert len(heard) == 1
        await self.store.update(record().token_id, one_more)
        assert len(heard) == 2
        await self.store.delete([record().token_id])
        assert len(heard) == 3


def one_more(key):
    """Count up the requests a key may make."""
    return replace(key, rpm_limit=(key.rpm_limit or 0) + 1)


class MemoryTests(KeyStoreContract, TestCase):
    """Keys in a dictionary."""

    def setUp(self):
        self.store = MemoryKeyStore()


class SqliteTests(OnSqlite, KeyStoreContract, TestCase):
    """Keys in a SQLite file, asked from threads."""

    async def setUp(self):
        self.store = (await self.open()).keys


class PostgresTests(OnPostgres, KeyStoreContract, TestCase):
    """Keys in a database of a server."""

    async def setUp(self):
        self.store = (await self.open()).keys
