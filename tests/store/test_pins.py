"""What was learned about provider keys is kept, and known by heart."""

from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from byok.core.errors import StoreUnavailable
from byok.core.pinning import UNKNOWN, KnownKey
from byok.store.engine import make_engine
from byok.store.opening import open_store
from byok.store.pins import MemoryPinStore, PinLookup, PinStore
from byok.store.schema import upgrade
from byok.store.sqlpins import SqlPins
from tests.store.records import NOW, PEPPER, PEPPERS, REACTOR
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


class SqliteTests(PinStoreContract, TestCase):
    """In a SQLite file, asked from threads."""

    async def setUp(self):
        path = Path(self.mktemp())
        opened = await open_store(
            REACTOR, path, (PEPPER,), clock=REACTOR, poll_s=3600.0
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(opened.close()))
        self.store = opened.pins


def test_what_is_kept_has_a_bound(tmp_path):
    engine = make_engine(tmp_path / "byok.db", connections=1)
    upgrade(engine)
    pins = SqlPins(engine, most=2)

    for number in range(4):
        pins.learn(bytes([number]) * 32, ANNES, now=NOW + number)

    kept = [pins.maybe([bytes([number]) * 32]) is not None for number in range(4)]
    engine.dispose()
    assert kept == [False, False, True, True]


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
