"""What was learned about provider keys is kept, and known by heart."""

from typing import TYPE_CHECKING

from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from byok.core.errors import StoreUnavailable
from byok.core.pinning import UNKNOWN, KnownKey, pin_name
from byok.store.engine import make_engine
from byok.store.pins import MemoryPinStore, PinLookup, PinStore
from byok.store.schema import upgrade
from byok.store.sqlpins import Pin, SqlPins
from tests.store.databases import OnPostgres, OnSqlite
from tests.store.records import NOW, PEPPERS
from tests.support.keys import ANTHROPIC_API_KEY

if TYPE_CHECKING:
    Base = TestCase
else:
    Base = object

KEY = ANTHROPIC_API_KEY.encode()
ONE, TWO = b"1" * 32, b"2" * 32
ANNES = KnownKey(organization="ours", owner="user:anne")


class PinStoreContract(Base):
    """The sentences that are true of every PinStore."""

    store: PinStore

    async def test_what_was_learned_is_found_by_any_of_its_digests(self):
        assert await self.store.maybe([ONE, TWO]) is None

        assert await self.store.learn(ONE, ANNES, now=NOW) == ANNES

        assert await self.store.maybe([TWO, ONE]) == ANNES
        assert await self.store.maybe([TWO]) is None

    async def test_an_owner_stays_and_an_organization_is_the_latest(self):
        await self.store.learn(ONE, ANNES, now=NOW)

        bobs = KnownKey(organization="theirs", owner="user:bob")
        found = await self.store.learn(ONE, bobs, now=NOW)

        assert found == KnownKey(organization="theirs", owner="user:anne")
        assert await self.store.maybe([ONE]) == found


class MemoryTests(PinStoreContract, TestCase):
    """In a dictionary."""

    def setUp(self):
        self.store = MemoryPinStore()


class SqliteTests(OnSqlite, PinStoreContract, TestCase):
    """In a SQLite file, asked from threads."""

    async def setUp(self):
        self.store = (await self.open()).pins


class PostgresTests(OnPostgres, PinStoreContract, TestCase):
    """In a database of a server."""

    async def setUp(self):
        self.store = (await self.open()).pins


def test_what_is_kept_has_a_bound(tmp_path):
    engine = make_engine(tmp_path / "byok.db", connections=1)
    upgrade(engine)
    pins = SqlPins(engine, most=2)

    for number in range(4):
        pins.learn(bytes([number]) * 32, ANNES, now=NOW + number)

    kept = [pins.maybe([bytes([number]) * 32]) is not None for number in range(4)]
    engine.dispose()
    assert kept == [False, False, True, True]


def test_a_key_is_found_by_its_name_and_released(tmp_path):
    engine = make_engine(tmp_path / "byok.db", connections=1)
    upgrade(engine)
    pins = SqlPins(engine)
    pins.learn(ONE, ANNES, now=NOW)
    pins.learn(TWO, KnownKey(owner="user:bob"), now=NOW + 1)

    assert [each.name for each in pins.all()] == [pin_name(TWO), pin_name(ONE)]
    assert [each.name for each in pins.all(owner="user:anne")] == [pin_name(ONE)]
    was = pins.release(ONE[:8], by="cli:root", now=NOW + 2)
    assert was is not None
    assert was.known == ANNES

    found = pins.named(ONE[:8])
    assert found == Pin(
        name=pin_name(ONE),
        known=KnownKey(organization="ours", released_by="cli:root"),
        learned_at=NOW,
        released_at=NOW + 2,
    )
    assert pins.maybe([ONE]) == found.known
    # It was nobody's already: who released it first stays written down.
    assert pins.release(ONE[:8], by="cli:other", now=NOW + 3) == found
    assert pins.named(ONE[:8]) == found
    assert pins.maybe([TWO]) == KnownKey(owner="user:bob")
    engine.dispose()


def test_the_next_owner_ends_a_release(tmp_path):
    engine = make_engine(tmp_path / "byok.db", connections=1)
    upgrade(engine)
    pins = SqlPins(engine)
    pins.learn(ONE, ANNES, now=NOW)
    pins.release(ONE[:8], by="cli:root", now=NOW + 1)

    pins.learn(ONE, KnownKey(organization="theirs"), now=NOW + 2)
    assert pins.maybe([ONE]) == KnownKey(organization="theirs", released_by="cli:root")
    pins.learn(ONE, KnownKey(owner="user:bob"), now=NOW + 3)

    found = pins.named(ONE[:8])
    engine.dispose()
    assert found is not None
    assert found.known == KnownKey(organization="theirs", owner="user:bob")
    assert found.released_at is None


def test_a_key_that_was_never_seen_cannot_be_released(tmp_path):
    engine = make_engine(tmp_path / "byok.db", connections=1)
    upgrade(engine)
    pins = SqlPins(engine)

    assert pins.named(ONE[:8]) is None
    assert pins.release(ONE[:8], by="cli:root", now=NOW) is None
    engine.dispose()


class Counting(MemoryPinStore):
    """A store that counts, and that can be away."""

    def __init__(self):
        super().__init__()
        self.asked = 0
        self.is_away = False

    async def maybe(self, digests):
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().maybe(digests)

    async def learn(self, digest, known, *, now):
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().learn(digest, known, now=now)


class LookupTests(TestCase):
    """Keys known by heart."""

    def setUp(self):
        self.store = Counting()
        self.now = NOW
        self.lookup = PinLookup(
            self.store, PEPPERS, seconds=lambda: self.now, capacity=2
        )
        self.digests = self.lookup.digests(KEY)

    def test_a_key_is_named_by_a_digest_that_is_no_virtual_keys(self):
        assert len(self.digests[0]) == 32
        assert self.digests[0] != PEPPERS.digest(KEY)
        assert KEY not in self.digests[0]

    async def test_the_store_is_asked_once_a_minute(self):
        for _ in range(3):
            assert await self.lookup.known(self.digests) == UNKNOWN
        assert self.store.asked == 1

        await self.store.learn(self.digests[0], ANNES, now=NOW)
        assert await self.lookup.known(self.digests) == UNKNOWN
        self.now += 61

        assert await self.lookup.known(self.digests) == ANNES

    async def test_a_clock_that_is_set_back_makes_no_minute_longer(self):
        passed = [100.0]
        lookup = PinLookup(
            self.store, PEPPERS, seconds=lambda: self.now, steady=lambda: passed[0]
        )
        await lookup.known(self.digests)
        await self.store.learn(self.digests[0], ANNES, now=NOW)
        self.now -= 3600
        passed[0] += 61

        assert await lookup.known(self.digests) == ANNES

    async def test_a_release_is_noticed_within_a_minute_and_told_once(self):
        await self.store.learn(self.digests[0], ANNES, now=NOW)
        await self.lookup.known(self.digests)
        released = KnownKey(organization="ours", released_by="cli:root")
        self.store._known[self.digests[0]] = released

        assert await self.lookup.known(self.digests) == ANNES
        self.now += 61
        with capturedLogs() as told:
            assert await self.lookup.known(self.digests) == released
            self.now += 61
            await self.lookup.known(self.digests)

        (event,) = told
        assert event["event"] == "pin-released"
        assert event["pin"] == pin_name(self.digests[0])
        assert (event["by"], event["owner"]) == ("cli:root", "user:anne")

    async def test_what_is_learned_is_known_at_once(self):
        noting = self.lookup.learn(self.digests[0], ANNES)

        assert await self.lookup.known(self.digests) == ANNES
        assert self.store.asked == 0
        await noting
        assert await self.store.maybe(self.digests) == ANNES

    async def test_of_two_first_users_the_first_stays(self):
        await self.lookup.learn(self.digests[0], ANNES)
        await self.lookup.learn(self.digests[0], KnownKey(owner="user:bob"))

        assert await self.lookup.known(self.digests) == ANNES

    async def test_what_is_known_by_heart_has_a_bound(self):
        for name in (b"a", b"b", b"c"):
            await self.lookup.known(self.lookup.digests(name))
        await self.lookup.known(self.lookup.digests(b"a"))

        assert self.store.asked == 4

    async def test_a_store_that_is_away_stops_nobody(self):
        await self.lookup.learn(self.digests[0], ANNES)
        self.store.is_away = True
        self.now += 61
        with capturedLogs() as events:
            assert await self.lookup.known(self.digests) == ANNES
            assert await self.lookup.known(self.lookup.digests(b"x")) == UNKNOWN
            await self.lookup.learn(self.digests[0], ANNES)

        self.assertEqual(len(events), 3)
