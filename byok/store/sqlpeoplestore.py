"""Teams, users and members of a running gateway: SQL in threads."""

from collections.abc import Callable
from functools import partial

from byok.core.people import Member, Team, User
from byok.store.dbpool import DbPool
from byok.store.people import (
    Everybody,
    TeamChange,
    Teams,
    TeamsWanted,
    UserChange,
    Users,
    UsersWanted,
)
from byok.store.sqlpeople import SqlPeople


class SqlPeopleStore:
    """Keeps them in SQL, from threads; implements PeopleStore."""

    def __init__(
        self, people: SqlPeople, pool: DbPool, *, changed: Callable[[], None]
    ) -> None:
        self._people = people
        self._pool = pool
        self._changed = changed

    async def everybody(self, known: Everybody) -> Everybody:
        """Read all there are; what is as in *known* is the very object of that."""
        return await self._pool.run(partial(self._people.everybody, known))

    async def team(self, name: str) -> Team | None:
        """Find a team by id or alias."""
        return await self._pool.run(partial(self._people.team, name))

    async def teams(self, wanted: TeamsWanted) -> Teams:
        """List teams."""
        return await self._pool.run(partial(self._people.teams, wanted))

    async def insert_team(self, team: Team) -> None:
        """Keep a new team, or raise NameTaken."""
        await self._pool.run(
            partial(self._people.insert_team, team), after=self._changed
        )

    async def update_team(self, team_id: str, change: TeamChange) -> Team | None:
        """Replace a team by what *change* makes of it; None if it is not there."""
        return await self._pool.run(
            partial(self._people.update_team, team_id, change), after=self._changed
        )

    async def delete_team(
        self, team_id: str, *, by: str, with_keys: bool = False
    ) -> bool:
        """Delete a team and who is in it; False if it is not there."""
        return await self._pool.run(
            partial(self._people.delete_team, team_id, by=by, with_keys=with_keys),
            after=self._changed,
        )

    async def user(self, user_id: str) -> User | None:
        """Find a user."""
        return await self._pool.run(partial(self._people.user, user_id))

    async def users(self, wanted: UsersWanted) -> Users:
        """List users."""
        return await self._pool.run(partial(self._people.users, wanted))

    async def insert_user(self, user: User) -> None:
        """Keep a new user, or raise NameTaken."""
        await self._pool.run(
            partial(self._people.insert_user, user), after=self._changed
        )

    async def update_user(self, user_id: str, change: UserChange) -> User | None:
        """Replace a user by what *change* makes of it; None if it is not there."""
        return await self._pool.run(
            partial(self._people.update_user, user_id, change), after=self._changed
        )

    async def delete_user(
        self, user_id: str, *, by: str, with_keys: bool = False
    ) -> bool:
        """Delete a user, from teams too; False if there is none."""
        return await self._pool.run(
            partial(self._people.delete_user, user_id, by=by, with_keys=with_keys),
            after=self._changed,
        )

    async def members(
        self, *, team_id: str | None = None, user_id: str | None = None
    ) -> tuple[Member, ...]:
        """List who is in a team, and in which teams a user is, by their names."""
        return await self._pool.run(
            partial(self._people.members, team_id=team_id, user_id=user_id)
        )

    async def put_member(self, member: Member) -> None:
        """Take a user into a team, or change what they are in it; or NobodyThere."""
        await self._pool.run(
            partial(self._people.put_member, member), after=self._changed
        )

    async def remove_member(self, team_id: str, user_id: str, *, by: str) -> bool:
        """Take a user out of a team; False if they are not in it."""
        return await self._pool.run(
            partial(self._people.remove_member, team_id, user_id, by=by),
            after=self._changed,
        )
