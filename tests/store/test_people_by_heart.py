"""Teams and users are known by heart, and as fresh as the store lets them be."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from byok.core.belonging import NOBODYS
from byok.core.errors import StoreUnavailable
from byok.core.people import Role
from byok.store.location import Place
from byok.store.memory import MemoryKeyStore
from byok.store.opening import Store
from byok.store.people import Everybody
from byok.store.people_by_heart import PeopleByHeart
from tests.store.databases import OnPostgres, OnSqlite, opened_for
from tests.store.records import REACTOR, record
from tests.store.test_people import member, team, user

if TYPE_CHECKING:

    class Base(TestCase):
        """What both parents of a test have."""

        async def open(self) -> Store: ...

        def place(self) -> Place: ...

else:
    Base = object


class ByHeartContract(Base):
    """The sentences that are true over every store."""

    timeout = 30

    async def setUp(self):
        self.where = self.place()
        self.opened = await opened_for(self, self.where)
        self.store = self.opened.people

    async def started(self, opened: Store) -> PeopleByHeart:
        """Know the people of a store by heart, for the length of the test."""
        people = PeopleByHeart(opened.people, opened.keys, clock=REACTOR)
        await people.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(people.stop()))
        return people

    async def test_everybody_is_known_from_the_start(self):
        red, anne = team(rpm_limit=5), user(models=("claude-*",))
        await self.store.insert_team(red)
        await self.store.insert_user(anne)
        await self.store.put_member(member(role=Role.TEAM_ADMIN))

        people = await self.started(self.opened)

        assert (people.team("red"), people.user("anne")) == (red, anne)
        assert people.member("red", "anne") == member(role=Role.TEAM_ADMIN)
        belongs = people.of(record(team_id="red", user_id="anne"))
        assert (belongs.team, belongs.user) == (red, anne)
        half = people.of(record(team_id="red", user_id="bob"))
        assert (half.team, half.user) == (red, None)
        assert people.of(record(team_id="blue", user_id="bob")) is NOBODYS
        assert people.of(record()) is NOBODYS

    async def test_a_change_here_is_known_once_it_has_caught_up(self):
        people = await self.started(self.opened)
        await self.store.insert_team(team())
        await people.caught_up()
        red = people.team("red")
        assert red == team()

        await self.store.insert_team(team("blue", 1))
        await self.store.update_team("blue", lambda found: replace(found, blocked=True))
        await people.caught_up()
        assert people.of(record(team_id="blue")).is_blocked
        # What did not change is the same object, for whoever made something of it.
        assert people.team("red") is red

        await self.store.delete_team("red", by="cli")
        await people.caught_up()
        assert people.team("red") is None

    async def test_what_another_process_changes_is_noticed(self):
        here = await opened_for(self, self.where, poll_s=0.05)
        people = await self.started(here)
        noticed: Deferred[None] = Deferred()

        def notice() -> None:
            if not noticed.called:
                noticed.callback(None)

        here.keys.on_change(notice)

        await self.store.insert_user(user(blocked=True))

        await noticed
        await people.caught_up()
        assert people.of(record(user_id="anne")).is_blocked


class SqliteTests(OnSqlite, ByHeartContract, TestCase):
    """By heart what a SQLite file holds."""

    def place(self) -> Place:
        """Return where the store is."""
        return Path(self.mktemp())


class PostgresTests(OnPostgres, ByHeartContract, TestCase):
    """By heart what a server's database holds."""

    def place(self) -> Place:
        """Return where the store is."""
        return self.database()


class Moody:
    """Has one team, and answers late, never or wrongly when told to."""

    def __init__(self) -> None:
        self.team = team()
        self.fault: Exception | None = None
        self.held: list[Deferred[None]] | None = None
        self.read = 0

    async def everybody(self, known: Everybody) -> Everybody:
        """Read all there are."""
        self.read += 1
        if self.fault is not None:
            raise self.fault
        found = Everybody(teams={"red": self.team})
        if self.held is not None:
            waiting: Deferred[None] = Deferred()
            self.held.append(waiting)
            await waiting
        return found


class AwayTests(SynchronousTestCase):
    """What is known stays in force, and is read again by itself."""

    def setUp(self):
        self.store = Moody()
        self.clock = Clock()
        store: Any = self.store
        self.people = PeopleByHeart(store, MemoryKeyStore(), clock=self.clock)

    def start(self):
        return Deferred.fromCoroutine(self.people.start())

    def block(self):
        self.store.team = replace(self.store.team, blocked=True)

    def is_blocked(self):
        return self.people.of(record(team_id="red")).is_blocked

    def test_a_store_that_is_away_at_the_start_is_a_fault(self):
        self.store.fault = StoreUnavailable("away")

        self.failureResultOf(self.start(), StoreUnavailable)

    def test_what_is_known_stays_and_the_store_is_asked_again_until_it_answers(self):
        self.successResultOf(self.start())
        self.block()
        self.store.fault = StoreUnavailable("away")

        with capturedLogs() as events:
            self.people.changed()
            self.clock.advance(1.0)
            self.people.changed()
            assert self.store.read == 4
            assert not self.is_blocked()
            self.store.fault = None
            self.clock.advance(1.0)

        assert self.is_blocked()
        levels = [event["log_level"] for event in events]
        assert levels == [LogLevel.warn, LogLevel.info]
        assert self.clock.getDelayedCalls() == []

    def test_a_fault_of_our_own_is_told_and_tried_again(self):
        self.successResultOf(self.start())
        self.block()
        self.store.fault = KeyError("broken")

        self.people.changed()
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.store.fault = None
        self.clock.advance(1.0)

        assert self.is_blocked()

    def test_changes_while_it_reads_make_one_more_reading(self):
        self.successResultOf(self.start())
        self.store.held = []
        self.people.changed()
        self.block()
        for _ in range(5):
            self.people.changed()
        waiting = Deferred.fromCoroutine(self.people.caught_up())

        self.store.held.pop().callback(None)
        self.assertNoResult(waiting)
        assert not self.is_blocked()
        self.store.held.pop().callback(None)

        self.successResultOf(waiting)
        assert self.is_blocked()
        assert self.store.read == 3

    def test_a_change_during_the_start_is_read_after_it(self):
        self.store.held = []
        starting = self.start()
        self.people.changed()
        self.block()

        self.store.held.pop().callback(None)
        self.successResultOf(starting)
        self.store.held.pop().callback(None)

        assert self.is_blocked()

    def test_whoever_stops_waits_for_the_reading_and_begins_none(self):
        self.successResultOf(self.start())
        self.store.held = []
        self.people.changed()
        self.people.changed()
        stopping = Deferred.fromCoroutine(self.people.stop())
        self.assertNoResult(stopping)

        self.store.held.pop().callback(None)
        self.successResultOf(stopping)
        self.people.changed()

        assert self.store.held == []
        assert self.store.read == 2

    def test_nothing_is_asked_again_after_the_stop(self):
        self.successResultOf(self.start())
        self.store.fault = StoreUnavailable("away")
        self.people.changed()

        self.successResultOf(Deferred.fromCoroutine(self.people.stop()))

        assert self.clock.getDelayedCalls() == []
