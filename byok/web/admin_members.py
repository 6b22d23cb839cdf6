"""Who is to be in a team: read from what an admin sent, and put there."""

from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from byok.core.errors import Refusal
from byok.core.keys import composed
from byok.core.people import Member, Role
from byok.core.people_requests import (
    bad_field,
    new_member,
    new_user,
    read_member_role,
    read_name,
    read_user,
    refuse_others,
)
from byok.store.people import NameTaken, NobodyThere, PeopleStore, UsersWanted
from byok.web.admin_people import BY, Document, not_found

MEMBER_FIELDS = ("user_id", "user_email", "role")
NO_BUDGETS = ("max_budget_in_team", "tpm_limit", "rpm_limit", "budget_duration")
"""LiteLLM's limits of one member in one team: accepted, and warned about."""

_ID_BYTES = 8

_log = Logger(namespace="byok.people")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Somebody who is to be in a team: by id, or by address."""

    role: Role
    user_id: str | None = None
    email: str | None = None


class Members:
    """Takes users into teams; who is not known yet is made a user."""

    def __init__(
        self,
        people: PeopleStore,
        *,
        seconds: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._people = people
        self._seconds = seconds
        self._random_bytes = random_bytes

    async def put(self, team_id: str, wanted: Wanted) -> Member | Refusal:
        """Take somebody into a team, whom nobody may have made a user yet."""
        user_id = wanted.user_id
        now = self._seconds()
        if user_id is None:
            found = await self._people.users(UsersWanted(size=1, email=wanted.email))
            user_id = (
                found.users[0].user_id
                if found.users
                else f"user-{self._random_bytes(_ID_BYTES).hex()}"
            )
        if await self._people.user(user_id) is None:
            change = read_user({"user_email": wanted.email})
            if isinstance(change, Refusal):
                return change
            user = new_user(change, user_id=user_id, now=now, by=BY)
            try:
                await self._people.insert_user(user)
            except NameTaken:
                _log.debug("the user {user_id} is there by now", user_id=user_id)
        member = new_member(team_id, user_id, wanted.role, now=now, by=BY)
        try:
            await self._people.put_member(member)
        except NobodyThere:
            return not_found("The team or the user is gone: deleted just now.")
        return member

    async def user_id(self, body: Document) -> str | Refusal:
        """Return who is meant by the id or the address in *body*."""
        if "user_id" in body:
            return read_name("user_id", body["user_id"])
        email = body.get("user_email")
        if not isinstance(email, str) or not email:
            return bad_field("user_id: say which user, by user_id or user_email.")
        wanted = UsersWanted(size=1, email=composed(email))
        found = await self._people.users(wanted)
        if not found.users:
            return not_found("No user has this user_email.")
        return found.users[0].user_id


def members_of(body: Document) -> list[Wanted] | Refusal:
    """Take the members out of *body*, which makes a team."""
    given: list[object] = []
    for field, role in (("members", "user"), ("admins", "admin")):
        names = body.pop(field, None) or []
        if not isinstance(names, list):
            return bad_field(f"{field}: a list of user ids.")
        given += [{"user_id": name, "role": role} for name in names]
    entries = body.pop("members_with_roles", None) or []
    if not isinstance(entries, list):
        return bad_field("members_with_roles: a list of objects.")
    return read_members([*given, *entries])


def read_members(given: list[object]) -> list[Wanted] | Refusal:
    """Read who is to be in a team, and as what."""
    read: list[Wanted] = []
    for entry in given:
        if not isinstance(entry, dict):
            return bad_field(
                'member: an object, as in {"role": "user", "user_id": ..}.'
            )
        refusal = refuse_others(entry, (*MEMBER_FIELDS, *NO_BUDGETS))
        if refusal is not None:
            return refusal
        role = read_member_role(entry.get("role", "user"))
        if isinstance(role, Refusal):
            return role
        user_id, email = entry.get("user_id"), entry.get("user_email")
        if user_id is not None:
            user_id = read_name("user_id", user_id)
        if isinstance(user_id, Refusal):
            return user_id
        if email is not None:
            email = read_name("user_email", email)
        if isinstance(email, Refusal):
            return email
        if user_id is None and email is None:
            return bad_field("member: say who, by user_id or user_email.")
        read.append(Wanted(user_id=user_id, email=email, role=role))
    return read


def of_budgets(body: Document) -> list[str]:
    """Warn of limits that were meant for one member."""
    return [
        f"{name}: accepted for LiteLLM's sake; members have no limits of their own."
        for name in NO_BUDGETS
        if body.get(name) is not None
    ]
