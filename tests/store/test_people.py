"""What every store of people does, run on each of them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from byok.core.people import Member, Role, Team, User
from byok.store.keystore import Selection
from byok.store.opening import Store
from byok.store.people import (
    NameTaken,
    NobodyThere,
    StillUsed,
    TeamsWanted,
    UsersWanted,
)
from tests.store.databases import OnPostgres, OnSqlite
from tests.store.records import NOW, record
from tests.support.keys import VIRTUAL_KEY, VIRTUAL_KEY_2

if TYPE_CHECKING:

    class Base(TestCase):
        """What both parents of a test have."""

        async def open(self) -> Store: ...

else:
    Base = object

LIMITS: dict[str, Any] = {
    "models": ("claude-*",),
    "metadata": {"cost": ["centre", 1, None]},
    "blocked": True,
    "max_budget": 12.5,
    "soft_budget": 10.0,
    "budget_duration": "30d",
    "rpm_limit": 60,
    "tpm_limit": 2**53,
    "max_parallel_requests": 4,
    "created_by": "cli:root",
    "updated_by": "master-key",
}


def team(name: str = "red", number: int = 0, **more: Any) -> Team:
    """Make a team."""
    at = NOW + number
    return Team(team_id=name, created_at=at, updated_at=at, **more)


def user(name: str = "anne", number: int = 0, **more: Any) -> User:
    """Make a user."""
    at = NOW + number
    return User(user_id=name, created_at=at, updated_at=at, **more)


def member(
    of: str = "red",
    name: str = "anne",
    role: Role = Role.MEMBER,
    added_at: float = NOW,
    **more: Any,
) -> Member:
    """Make a member."""
    return Member(team_id=of, user_id=name, role=role, added_at=added_at, **more)


class PeopleContract(Base):
    """The sentences that are true of every PeopleStore."""

    async def setUp(self):
        self.opened = await self.open()
        self.store = self.opened.people

    async def test_a_team_and_a_user_come_back_as_they_were_put_in(self):
        full = team(team_alias="Röd ☂", **LIMITS)
        anne = user(
            user_alias="Anne", user_email="a@example.com", role=Role.ADMIN, **LIMITS
        )

        await self.store.insert_team(full)
        await self.store.insert_user(anne)

        assert await self.store.team("red") == full
        assert await self.store.team("Röd ☂") == full
        assert await self.store.user("anne") == anne
        assert await self.store.team("re") is None
        assert await self.store.user("ann") is None

    async def test_what_is_not_there_is_neither_changed_nor_deleted(self):
        assert await self.store.update_team("red", lambda found: found) is None
        assert await self.store.update_user("anne", lambda found: found) is None
        assert await self.store.delete_team("red", by="cli") is False
        assert await self.store.delete_user("anne", by="cli") is False
        assert await self.store.remove_member("red", "anne", by="cli") is False
        with self.assertRaises(NobodyThere):
            await self.store.put_member(member())

    async def test_a_name_belongs_to_one(self):
        await self.store.insert_team(team(team_alias="a"))
        await self.store.insert_user(user())
        await self.store.insert_team(team("blue"))

        for asking in (
            self.store.insert_team(team()),
            self.store.insert_team(team("green", team_alias="a")),
            self.store.update_team("blue", lambda each: replace(each, team_alias="a")),
            self.store.insert_user(user()),
        ):
            with self.assertRaises(NameTaken):
                await asking

    async def test_a_change_is_made_to_the_record_as_it_is_now(self):
        await self.store.insert_team(team(rpm_limit=0))
        await self.store.insert_user(user(rpm_limit=0))

        def one_more(found: Any) -> Any:
            return replace(found, rpm_limit=found.rpm_limit + 1)

        await gatherResults(
            [
                Deferred.fromCoroutine(change)
                for _ in range(5)
                for change in (
                    self.store.update_team("red", one_more),
                    self.store.update_user("anne", one_more),
                )
            ]
        )

        assert await self.store.team("red") == team(rpm_limit=5)
        assert await self.store.user("anne") == user(rpm_limit=5)

    async def test_a_record_keeps_its_name_whatever_a_change_makes_of_it(self):
        await self.store.insert_team(team())
        await self.store.insert_user(user())

        await self.store.update_team("red", lambda found: replace(found, team_id="x"))
        await self.store.update_user("anne", lambda found: replace(found, user_id="x"))

        assert await self.store.team("x") is None
        assert await self.store.user("x") is None

    async def test_they_are_listed_a_page_at_a_time_the_newest_first(self):
        names = ["a", "b", "c"]
        for number, name in enumerate(names):
            await self.store.insert_team(team(name, number))
            await self.store.insert_user(user(name, number))

        teams = [
            await self.store.teams(TeamsWanted(page=page, size=2)) for page in (1, 2, 3)
        ]
        users = [
            await self.store.users(UsersWanted(page=page, size=2)) for page in (1, 2, 3)
        ]

        assert [each.team_id for page in teams for each in page.teams] == names[::-1]
        assert [each.user_id for page in users for each in page.users] == names[::-1]
        assert {page.total for page in teams} == {page.total for page in users} == {3}

    async def test_they_are_found_by_what_is_asked_for(self):
        await self.store.insert_team(team(team_alias="Red"))
        await self.store.insert_team(team("blue"))
        await self.store.insert_user(user(user_email="a@x", user_alias="A"))
        await self.store.insert_user(user("bob", role=Role.VIEWER))
        await self.store.put_member(member())

        async def teams(**wanted: Any) -> list[str]:
            page = await self.store.teams(TeamsWanted(**wanted))
            return [each.team_id for each in page.teams]

        async def users(**wanted: Any) -> list[str]:
            page = await self.store.users(UsersWanted(**wanted))
            return [each.user_id for each in page.users]

        assert await teams(alias="Red") == ["red"]
        assert await teams(of_user="anne") == ["red"]
        assert await teams(of_user="bob") == []
        assert await users(email="a@x") == ["anne"]
        assert await users(alias="A") == ["anne"]
        assert await users(role=Role.VIEWER) == ["bob"]
        assert await users(of_team="red") == ["anne"]
        assert await users(of_team="blue") == []

    async def test_members_come_change_and_go(self):
        await self.store.insert_team(team())
        await self.store.insert_user(user())
        await self.store.insert_user(user("bob"))
        await self.store.put_member(member(added_by="cli:root"))
        await self.store.put_member(member(name="bob"))

        await self.store.put_member(
            member(role=Role.TEAM_ADMIN, added_at=NOW + 9, added_by="other")
        )

        anne = member(role=Role.TEAM_ADMIN, added_by="cli:root")
        assert await self.store.members(team_id="red") == (anne, member(name="bob"))
        assert await self.store.members(user_id="anne") == (anne,)
        assert await self.store.remove_member("red", "anne", by="cli") is True
        assert await self.store.members() == (member(name="bob"),)

    async def test_whoever_goes_is_in_no_team_any_more(self):
        for name in ("red", "blue"):
            await self.store.insert_team(team(name))
        await self.store.insert_user(user())
        for name in ("red", "blue"):
            await self.store.put_member(member(name))

        assert await self.store.delete_team("red", by="cli") is True
        assert [each.team_id for each in await self.store.members()] == ["blue"]
        assert await self.store.delete_user("anne", by="cli") is True

        assert await self.store.members() == ()
        assert await self.store.team("blue") is not None

    async def test_nobody_goes_whose_keys_would_lose_their_limits(self):
        await self.store.insert_team(team())
        await self.store.insert_user(user())
        await self.opened.keys.insert(record(VIRTUAL_KEY, 0, team_id="red"))
        await self.opened.keys.insert(record(VIRTUAL_KEY_2, 1, user_id="anne"))

        with self.assertRaises(StillUsed) as caught:
            await self.store.delete_team("red", by="cli")
        assert caught.exception.keys == 1
        with self.assertRaises(StillUsed):
            await self.store.delete_user("anne", by="cli")
        assert (await self.opened.keys.page(Selection())).total == 2

        assert await self.store.delete_team("red", by="cli", with_keys=True)
        left = await self.opened.keys.page(Selection())
        assert [key.user_id for key in left.keys] == ["anne"]
        assert await self.store.delete_user("anne", by="cli", with_keys=True)
        assert (await self.opened.keys.page(Selection())).total == 0

    async def test_whoever_asked_hears_of_every_change(self):
        heard: list[str] = []
        self.opened.keys.on_change(lambda: heard.append("change"))

        await self.store.insert_team(team())
        await self.store.insert_user(user())
        await self.store.put_member(member())
        await self.store.update_team("red", lambda found: found)
        await self.store.update_user("anne", lambda found: found)
        await self.store.remove_member("red", "anne", by="cli")
        await self.store.delete_team("red", by="cli")
        await self.store.delete_user("anne", by="cli")

        assert len(heard) == 8


class SqliteTests(OnSqlite, PeopleContract, TestCase):
    """People in a SQLite file, asked from threads."""


class PostgresTests(OnPostgres, PeopleContract, TestCase):
    """People in a database of a server."""
