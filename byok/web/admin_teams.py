"""What each route under /team/ does, in LiteLLM's shapes."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from twisted.logger import Logger

from byok.core.errors import Refusal
from byok.core.people import Team
from byok.core.people_answers import member_shown, team_shown
from byok.core.people_requests import (
    bad_field,
    blocked,
    changed_team,
    new_team,
    read_member_role,
    read_name,
    read_team,
    refuse_others,
)
from byok.store.keystore import KeyStore
from byok.store.people import NameTaken, PeopleStore, TeamsWanted
from byok.store.people_by_heart import PeopleByHeart
from byok.web.admin_keys import KeyAdmin
from byok.web.admin_members import (
    MEMBER_FIELDS,
    NO_BUDGETS,
    Members,
    Wanted,
    members_of,
    of_budgets,
    read_members,
)
from byok.web.admin_people import (
    BY,
    KEY_IN_URL,
    PAGE,
    Document,
    is_key_among,
    keys_of,
    names_in,
    not_found,
    taken,
)

LIST_PARAMETERS = ("user_id", "team_alias")
# Who is in a team is changed by routes of its own, in a change of the team by none.
_MEMBERS = ("members_with_roles", "members", "admins")
_ID_BYTES = 8

_log = Logger(namespace="byok.people")


class TeamAdmin:
    """
    Makes, shows, changes and ends teams, and says who is in them.

    A team is named by its id. A change is in force here when it is answered, and
    leaves a line in the log.
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
        self._members = Members(people, seconds=seconds, random_bytes=random_bytes)

    async def new(self, body: Document) -> Document | Refusal:
        """Make a team, with the members that are named."""
        given = body.pop("team_id", None)
        made_up = f"team-{self._random_bytes(_ID_BYTES).hex()}"
        team_id = made_up if given is None else read_name("team_id", given)
        members = members_of(body)
        if isinstance(team_id, Refusal):
            return team_id
        if isinstance(members, Refusal):
            return members
        change = read_team(body)
        if isinstance(change, Refusal):
            return change
        team = new_team(change, team_id=team_id, now=self._seconds(), by=BY)
        try:
            await self._people.insert_team(team)
        except NameTaken:
            return taken("team_id or team_alias: another team has this name.")
        self._note("made", team_id)
        for each in members:
            refusal = await self._members.put(team_id, each)
            if isinstance(refusal, Refusal):
                return refusal
        return {**await self._told(team), "warnings": list(change.warnings)}

    async def info(self, query: Mapping[str, str]) -> Document | Refusal:
        """Show one team, its members and its keys."""
        if "team_id" not in query:
            return bad_field("team_id: say which, as ?team_id=<id>.")
        if is_key_among(query):
            return KEY_IN_URL
        team = await self._found(query["team_id"])
        if isinstance(team, Refusal):
            return team
        told = await self._told(team)
        return {
            "team_id": team.team_id,
            "team_info": told,
            "keys": await keys_of(
                self._keys, self._key_admin.spent, team_id=team.team_id
            ),
            "team_memberships": told["members_with_roles"],
        }

    async def list(
        self, query: Mapping[str, str]
    ) -> tuple[Mapping[str, object], ...] | Refusal:
        """List all teams, or those that a user is in, the newest first."""
        if is_key_among(query):
            return KEY_IN_URL
        members = await self._people.members()
        wanted = TeamsWanted(
            size=PAGE, of_user=query.get("user_id"), alias=query.get("team_alias")
        )
        told: list[Document] = []
        while found := (await self._people.teams(wanted)).teams:
            told += [
                team_shown(
                    team, [each for each in members if each.team_id == team.team_id]
                )
                for team in found
            ]
            wanted = replace(wanted, page=wanted.page + 1)
        return tuple(told)

    async def update(self, body: Document) -> Document | Refusal:
        """Change the fields that are given; null empties one."""
        team = await self._found(body.pop("team_id", None))
        if isinstance(team, Refusal):
            return team
        if any(name in body for name in _MEMBERS):
            return bad_field("members: POST /team/member_add changes who is in a team.")
        change = read_team(body)
        if isinstance(change, Refusal):
            return change
        now = self._seconds()
        after = await self._changed(
            team, lambda found: changed_team(found, change, now=now, by=BY)
        )
        if isinstance(after, Refusal):
            return after
        self._note("changed", after.team_id)
        return {
            "team_id": after.team_id,
            "data": await self._told(after),
            "warnings": list(change.warnings),
        }

    async def block(self, body: Document) -> Document | Refusal:
        """Refuse the team's keys from now on."""
        return await self._set_blocked(body, is_blocked=True)

    async def unblock(self, body: Document) -> Document | Refusal:
        """Accept the team's keys again."""
        return await self._set_blocked(body, is_blocked=False)

    async def delete(self, body: Document) -> Document | Refusal:
        """Delete teams and their keys: all that are named, or none."""
        names = names_in(body, "team_ids")
        if isinstance(names, Refusal):
            return names
        for name in names:
            team = await self._found(name)
            if isinstance(team, Refusal):
                return team
        for name in names:
            await self._people.delete_team(name, by=BY, with_keys=True)
            self._note("deleted", name)
        await self._by_heart.caught_up()
        return {"deleted_teams": names}

    async def member_add(self, body: Document) -> Document | Refusal:
        """Take users into a team; who is not known yet is made a user."""
        team = await self._found(body.pop("team_id", None))
        if isinstance(team, Refusal):
            return team
        given = body.pop("member", None)
        refusal = refuse_others(body, ("team_id", "member", *NO_BUDGETS))
        if refusal is not None:
            return refusal
        members = read_members(given if isinstance(given, list) else [given])
        if isinstance(members, Refusal):
            return members
        added: list[Document] = []
        for each in members:
            put = await self._members.put(team.team_id, each)
            if isinstance(put, Refusal):
                return put
            self._note("has a member", team.team_id)
            added.append({**member_shown(put), "team_id": team.team_id})
        return {
            **await self._told(team),
            "updated_team_memberships": added,
            "warnings": of_budgets(body),
        }

    async def member_delete(self, body: Document) -> Document | Refusal:
        """Take a user out of a team; their keys stay the team's."""
        team = await self._found(body.pop("team_id", None))
        if isinstance(team, Refusal):
            return team
        refusal = refuse_others(body, ("team_id", "user_id", "user_email"))
        if refusal is not None:
            return refusal
        user_id = await self._members.user_id(body)
        if isinstance(user_id, Refusal):
            return user_id
        if not await self._people.remove_member(team.team_id, user_id, by=BY):
            return not_found("There is no such member in this team.")
        self._note("lost a member", team.team_id)
        return await self._told(team)

    async def member_update(self, body: Document) -> Document | Refusal:
        """Change what a user is in a team."""
        team = await self._found(body.pop("team_id", None))
        if isinstance(team, Refusal):
            return team
        refusal = refuse_others(body, ("team_id", *MEMBER_FIELDS, *NO_BUDGETS))
        if refusal is not None:
            return refusal
        user_id = await self._members.user_id(body)
        if isinstance(user_id, Refusal):
            return user_id
        now = await self._people.members(team_id=team.team_id, user_id=user_id)
        if not now:
            return not_found("There is no such member in this team.")
        role = read_member_role(body["role"]) if "role" in body else now[0].role
        if isinstance(role, Refusal):
            return role
        put = await self._members.put(team.team_id, Wanted(user_id=user_id, role=role))
        if isinstance(put, Refusal):
            return put
        await self._by_heart.caught_up()
        return {
            "team_id": team.team_id,
            **member_shown(put),
            "warnings": of_budgets(body),
        }

    async def _set_blocked(
        self, body: Document, *, is_blocked: bool
    ) -> Document | Refusal:
        team = await self._found(body.pop("team_id", None))
        refusal = refuse_others(body, ("team_id",))
        if refusal is not None:
            return refusal
        if isinstance(team, Refusal):
            return team
        now = self._seconds()
        after = await self._changed(
            team, lambda found: blocked(found, is_blocked=is_blocked, now=now, by=BY)
        )
        if isinstance(after, Refusal):
            return after
        self._note("blocked" if is_blocked else "unblocked", after.team_id)
        return await self._told(after)

    async def _found(self, name: object) -> Team | Refusal:
        team_id = read_name("team_id", name)
        if isinstance(team_id, Refusal):
            return team_id
        team = await self._people.team(team_id)
        # An alias finds a team as well, but keys go by ids alone.
        if team is None or team.team_id != team_id:
            return not_found("There is no such team. GET /team/list shows all.")
        return team

    async def _changed(
        self, team: Team, change: Callable[[Team], Team]
    ) -> Team | Refusal:
        try:
            after = await self._people.update_team(team.team_id, change)
        except NameTaken:
            return taken("team_alias: another team has this alias.")
        return after or not_found("The team is gone: somebody deleted it just now.")

    async def _told(self, team: Team) -> Document:
        """Return how *team* is shown, once what was changed is in force here."""
        await self._by_heart.caught_up()
        return team_shown(team, await self._people.members(team_id=team.team_id))

    def _note(self, action: str, team_id: str) -> None:
        _log.info(
            "team {action}: {team_id}",
            event="team-change",
            action=action,
            team_id=team_id,
        )
