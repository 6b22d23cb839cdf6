"""The seam between who administers teams and users, and who keeps them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from byok.core.errors import ByokError
from byok.core.people import Member, Role, Team, User

TeamChange = Callable[[Team], Team]
UserChange = Callable[[User], User]


class NameTaken(ByokError):
    """Another team or user has this id or alias already."""


class StillUsed(ByokError):
    """Keys belong to it; without it nothing would limit them."""

    def __init__(self, keys: int) -> None:
        super().__init__(f"{keys} keys belong to it")
        self.keys = keys


class NobodyThere(ByokError):
    """There is no such team, or no such user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsWanted:
    """Which teams to list: the newest first, a page at a time, all of these true."""

    page: int = 1
    size: int = 100
    alias: str | None = None
    of_user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersWanted:
    """Which users to list: the newest first, a page at a time, all of these true."""

    page: int = 1
    size: int = 100
    alias: str | None = None
    email: str | None = None
    role: Role | None = None
    of_team: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Teams:
    """Some of the teams that were wanted, and how many there are in all."""

    teams: tuple[Team, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Some of the users that were wanted, and how many there are in all."""

    users: tuple[User, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """All teams, users and members, each under its name."""

    teams: Mapping[str, Team] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    members: Mapping[tuple[str, str], Member] = field(default_factory=dict)


class PeopleStore(Protocol):
    """
    Where teams, users and members are kept.

    Each change is written down in the audit within the same transaction, and every
    gateway hears of it as of a change of a key.
    """

    async def everybody(self, known: Everybody) -> Everybody:
        """Read all there are; what is as in *known* is the very object of that."""
        ...

    async def team(self, name: str) -> Team | None:
        """Find a team by id or alias."""
        ...

    async def teams(self, wanted: TeamsWanted) -> Teams:
        """List teams."""
        ...

    async def insert_team(self, team: Team) -> None:
        """Keep a new team, or raise NameTaken."""
        ...

    async def update_team(self, team_id: str, change: TeamChange) -> Team | None:
        """Replace a team by what *change* makes of it; None if it is not there."""
        ...

    async def delete_team(
        self, team_id: str, *, by: str, with_keys: bool = False
    ) -> bool:
        """
        Delete a team and who is in it; False if it is not there.

        Its keys go with it or are in its way: then StillUsed is raised.
        """
        ...

    async def user(self, user_id: str) -> User | None:
        """Find a user."""
        ...

    async def users(self, wanted: UsersWanted) -> Users:
        """List users."""
        ...

    async def insert_user(self, user: User) -> None:
        """Keep a new user, or raise NameTaken."""
        ...

    async def update_user(self, user_id: str, change: UserChange) -> User | None:
        """Replace a user by what *change* makes of it; None if it is not there."""
        ...

    async def delete_user(
        self, user_id: str, *, by: str, with_keys: bool = False
    ) -> bool:
        """Delete a user, from teams too; keys are as with teams."""
        ...

    async def members(
        self, *, team_id: str | None = None, user_id: str | None = None
    ) -> tuple[Member, ...]:
        """List who is in a team, and in which teams a user is, by their names."""
        ...

    async def put_member(self, member: Member) -> None:
        """Take a user into a team, or change what they are in it; or NobodyThere."""
        ...

    async def remove_member(self, team_id: str, user_id: str, *, by: str) -> bool:
        """Take a user out of a team; False if they are not in it."""
        ...
