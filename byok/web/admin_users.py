"""What each route under /user/ does, in LiteLLM's shapes."""

import secrets
from collections.abc import Callable, Mapping

from twisted.logger import Logger

from byok.core.errors import Refusal
from byok.core.people import Role, User
from byok.core.people_answers import user_shown
from byok.core.people_forms import USER_ROLE_NAMES
from byok.core.people_requests import (
    bad_field,
    changed_user,
    new_member,
    new_user,
    read_member_role,
    read_name,
    read_user,
    refuse_others,
)
from byok.store.keystore import KeyStore
from byok.store.people import NameTaken, NobodyThere, PeopleStore, UsersWanted
from byok.store.people_by_heart import PeopleByHeart
from byok.web.admin_keys import KeyAdmin
from byok.web.admin_people import (
    BY,
    KEY_IN_URL,
    Document,
    is_key_among,
    keys_of,
    names_in,
    not_found,
    taken,
)

LIST_PARAMETERS = (
    "page",
    "page_size",
    "role",
    "user_ids",
    "user_email",
    "team",
)
PAGE_SIZE = 25
MAX_PAGE_SIZE = 100
_ID_BYTES = 8
# What a request for a user may say of the key that is made with it.
_OF_KEY = ("key_alias", "duration")
_TEAM_FIELDS = ("team_id", "user_role", "role", "max_budget_in_team")

_log = Logger(namespace="byok.people")


class UserAdmin:
    """
    Makes, shows, changes and ends users.

    A user is named by id. A change is in force here when it is answered, and leaves a
    line in the log.
    """

    def __init__(
        self,
        people: PeopleStore,
        keys: KeyStore,
        by_heart: PeopleByHeart,
        key_admin: KeyAdmin,
        *,
        seconds: Callable[[], float],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._people = people
        self._keys = keys
        self._by_heart = by_heart
        self._key_admin = key_admin
        self._seconds = seconds
        self._random_bytes = random_bytes

    async def new(self, body: Document) -> Document | Refusal:
        """Make a user, and a key of theirs unless none is wanted."""
        given = body.pop("user_id", None)
        made_up = f"user-{self._random_bytes(_ID_BYTES).hex()}"
        user_id = made_up if given is None else read_name("user_id", given)
        if isinstance(user_id, Refusal):
            return user_id
        of_key = _of_key(body)
        if isinstance(of_key, Refusal):
            return of_key
        teams = await self._teams(body.pop("teams", None) or [])
        if isinstance(teams, Refusal):
            return teams
        change = read_user(body)
        if isinstance(change, Refusal):
            return change
        now = self._seconds()
        user = new_user(change, user_id=user_id, now=now, by=BY)
        try:
            await self._people.insert_user(user)
        except NameTaken:
            return taken("user_id: another user has this id.")
        made = await self._with_key(user_id, of_key)
        if isinstance(made, Refusal):
            return made
        for team_id, role in teams.items():
            member = new_member(team_id, user_id, role, now=now, by=BY)
            try:
                await self._people.put_member(member)
            except NobodyThere:
                return not_found("The team is gone: somebody deleted it just now.")
        self._note("made", user_id)
        return {**made, **await self._told(user), "warnings": list(change.warnings)}

    async def info(self, query: Mapping[str, str]) -> Document | Refusal:
        """Show one user, with keys and teams."""
        if "user_id" not in query:
            return bad_field("user_id: say which, as ?user_id=<id>.")
        if is_key_among(query):
            return KEY_IN_URL
        user = await self._found(query["user_id"])
        if isinstance(user, Refusal):
            return user
        told = await self._told(user)
        return {
            "user_id": user.user_id,
            "user_info": told,
            "keys": await keys_of(
                self._keys, self._key_admin.spent, user_id=user.user_id
            ),
            "teams": told["teams"],
        }

    async def list(self, query: Mapping[str, str]) -> Document | Refusal:
        """List users, the newest first."""
        if is_key_among(query):
            return KEY_IN_URL
        role = query.get("role")
        if role is not None and role not in USER_ROLE_NAMES:
            return bad_field(f"role: one of {', '.join(USER_ROLE_NAMES)}.")
        page = _number(query.get("page", "1"), at_most=10**9)
        size = _number(query.get("page_size", str(PAGE_SIZE)), at_most=MAX_PAGE_SIZE)
        if page is None or size is None:
            return bad_field(
                f"page: a number from 1 on; page_size: one from 1 to {MAX_PAGE_SIZE}."
            )
        if "user_ids" in query:
            names = list(dict.fromkeys(query["user_ids"].split(",")))[:MAX_PAGE_SIZE]
            every = [await self._people.user(name) for name in names]
            found = tuple(each for each in every if each is not None)
            total = len(found)
        else:
            wanted = UsersWanted(
                page=page,
                size=size,
                email=query.get("user_email"),
                role=None if role is None else USER_ROLE_NAMES[role],
                of_team=query.get("team"),
            )
            listed = await self._people.users(wanted)
            found, total = listed.users, listed.total
        members = await self._people.members()
        return {
            "users": [
                user_shown(
                    user, [each for each in members if each.user_id == user.user_id]
                )
                for user in found
            ],
            "total": total,
            "page": page,
            "page_size": size,
            "total_pages": -(-total // size),
        }

    async def update(self, body: Document) -> Document | Refusal:
        """Change the fields that are given; null empties one."""
        user = await self._found(body.pop("user_id", None))
        if isinstance(user, Refusal):
            return user
        change = read_user(body)
        if isinstance(change, Refusal):
            return change
        now = self._seconds()
        after = await self._people.update_user(
            user.user_id, lambda found: changed_user(found, change, now=now, by=BY)
        )
        if after is None:
            return not_found("The user is gone: somebody deleted them just now.")
        self._note("changed", after.user_id)
        return {
            "user_id": after.user_id,
            "data": await self._told(after),
            "warnings": list(change.warnings),
        }

    async def delete(self, body: Document) -> Document | Refusal:
        """Delete users and their keys: all that are named, or none."""
        names = names_in(body, "user_ids")
        if isinstance(names, Refusal):
            return names
        for name in names:
            user = await self._found(name)
            if isinstance(user, Refusal):
                return user
        for name in names:
            await self._people.delete_user(name, by=BY, with_keys=True)
            self._note("deleted", name)
        await self._by_heart.caught_up()
        return {"deleted_users": names}

    async def _with_key(
        self, user_id: str, of_key: Document | None
    ) -> Document | Refusal:
        """Make a key of a new user, who goes again where there can be none."""
        if of_key is None:
            return {"key": None}
        # Before the key is answered, what limits it has to be known.
        await self._by_heart.caught_up()
        key = await self._key_admin.generate({**of_key, "user_id": user_id})
        if isinstance(key, Refusal):
            await self._people.delete_user(user_id, by=BY)
            return key
        return {name: key[name] for name in ("key", "token", "key_name", "expires")}

    async def _found(self, name: object) -> User | Refusal:
        user_id = read_name("user_id", name)
        if isinstance(user_id, Refusal):
            return user_id
        user = await self._people.user(user_id)
        return user or not_found("There is no such user. GET /user/list shows all.")

    async def _teams(self, given: object) -> dict[str, Role] | Refusal:
        """Read which teams a user is to be in, and as what; all of them exist."""
        if not isinstance(given, list):
            return bad_field("teams: a list of team ids.")
        roles: dict[str, Role] = {}
        for entry in given:
            fields = entry if isinstance(entry, dict) else {"team_id": entry}
            refusal = refuse_others(fields, _TEAM_FIELDS)
            if refusal is not None:
                return refusal
            team_id = read_name("team_id", fields.get("team_id"))
            if isinstance(team_id, Refusal):
                return team_id
            role = read_member_role(
                fields.get("user_role") or fields.get("role") or "user"
            )
            if isinstance(role, Refusal):
                return role
            team = await self._people.team(team_id)
            if team is None or team.team_id != team_id:
                return not_found("There is no such team. GET /team/list shows all.")
            roles[team_id] = role
        return roles

    async def _told(self, user: User) -> Document:
        """Return how *user* is shown, once what was changed is in force here."""
        await self._by_heart.caught_up()
        return user_shown(user, await self._people.members(user_id=user.user_id))

    def _note(self, action: str, user_id: str) -> None:
        _log.info(
            "user {action}: {user_id}",
            event="user-change",
            action=action,
            user_id=user_id,
        )


def _of_key(body: Document) -> Document | Refusal | None:
    """Take out of *body* what it says of the key to be made; None where none is."""
    makes_key = body.pop("auto_create_key", True)
    if not isinstance(makes_key, bool):
        return bad_field("auto_create_key: true or false.")
    fields = {name: body.pop(name) for name in _OF_KEY if name in body}
    if makes_key:
        return fields
    if fields:
        return bad_field("key_alias, duration: they are about a key, and none is made.")
    return None


def _number(text: str, *, at_most: int) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(at_most)):
        return None
    return int(text) if 1 <= int(text) <= at_most else None
