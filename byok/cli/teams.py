"""`byok teams`: teams and who is in them from the terminal, on the store itself."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from byok.cli.people_options import (
    TEAM_FIELDS,
    common,
    fields_of,
    limit_options,
    option_named,
    refuse_empty_models,
)
from byok.cli.people_screens import show_members, show_team, show_teams, warn
from byok.cli.people_store import (
    done,
    opened,
    refuse,
    team_named,
    there,
    understood,
    user_named,
)
from byok.cli.render import err, out
from byok.cli.storing import me
from byok.cli.text_group import TextGroup
from byok.core.people import MEMBER_ROLES, Role, Team
from byok.core.people_requests import (
    TeamRequest,
    blocked,
    changed_team,
    new_member,
    new_team,
    read_name,
    read_team,
)
from byok.store.keystore import Selection
from byok.store.opening import OpenPeople
from byok.store.people import TeamsWanted

_PAGE = 500

_EPILOG = """\b
Examples:
  byok teams create red --models 'claude-*' --rpm-limit 600
  byok teams update red --max-budget 500 --budget-duration 1mo
  byok teams members add red anne --role team_admin
  byok keys create --alias anne-laptop --team red --user anne
  byok teams block red

\b
What a team may not, no key of it may: its limits are shared by all of its keys.
A running gateway sees every change within a second.
Exit codes: 0 done; 1 refused (no such team, name taken, keys belong to it);
  2 wrong usage, or the config or the store cannot be used.
"""

_named = partial(option_named, names=TEAM_FIELDS)
_alias = click.option("--alias", help="A name to show, of its own.")


@click.group(cls=TextGroup, epilog=_EPILOG)
def teams() -> None:
    """
    Make, list, change and delete teams, and say who is in them.

    Keys belong to a team by its id, which stays; commands take its alias as well.
    """


@teams.command()
@common
@click.argument("team_id", metavar="TEAM")
@_alias
@limit_options
def create(
    config_path: Path,
    team_id: str,
    as_json: bool,  # noqa: FBT001 - click's
    **options: Any,
) -> None:
    """Make a team."""
    name = understood(read_name("TEAM", team_id))
    refuse_empty_models(options)
    change = _read(options)
    team = new_team(change, team_id=name, now=time.time(), by=me())
    with opened(config_path) as store:
        done(lambda: store.people.insert_team(team))
    warn(change.warnings)
    show_team(team, (), as_json=as_json)


@teams.command("list")
@common
@click.option("--user", help="Only teams that this user is in.")
def list_teams(
    config_path: Path,
    user: str | None,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """List all teams, the newest first."""
    found: list[Team] = []
    with opened(config_path) as store:
        wanted = TeamsWanted(size=_PAGE, of_user=user)
        while page := store.people.teams(wanted).teams:
            found += page
            wanted = replace(wanted, page=wanted.page + 1)
        members = store.people.members()
    show_teams(found, members, as_json=as_json)


@teams.command()
@common
@click.argument("name", metavar="TEAM")
def show(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Show one team, its members, and how many keys it has."""
    with opened(config_path) as store:
        team = team_named(store, name)
        members = store.people.members(team_id=team.team_id)
        keys = store.keys.page(Selection(size=1, team_id=team.team_id)).total
    show_team(team, members, as_json=as_json, keys=keys)


@teams.command()
@common
@click.argument("name", metavar="TEAM")
@_alias
@limit_options
def update(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
    **options: Any,
) -> None:
    """
    Change what is given and keep the rest.

    An empty value takes a setting away: --rpm-limit '' lets all requests in.
    """
    change = _read(options)
    with opened(config_path) as store:
        team_id = team_named(store, name).team_id
        _update(store, team_id, change, as_json=as_json)


@teams.command()
@common
@click.argument("name", metavar="TEAM")
def block(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Refuse all keys of a team from now on; `unblock` takes it back."""
    _set_blocked(config_path, name, is_blocked=True, as_json=as_json)


@teams.command()
@common
@click.argument("name", metavar="TEAM")
def unblock(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Accept the keys of a blocked team again."""
    _set_blocked(config_path, name, is_blocked=False, as_json=as_json)


@teams.command()
@common
@click.argument("name", metavar="TEAM")
@click.option("--with-keys", is_flag=True, help="Delete its keys too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    config_path: Path,
    name: str,
    with_keys: bool,  # noqa: FBT001 - click's
    yes: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Delete a team for good; its users stay."""
    with opened(config_path) as store:
        team_id = team_named(store, name).team_id
        if not yes:
            what = f"{name} and all of its keys" if with_keys else name
            click.confirm(f"Delete {what} for good?", abort=True, err=True)
        gone = done(
            lambda: store.people.delete_team(team_id, by=me(), with_keys=with_keys)
        )
    if not gone:
        refuse(f"The team {name!r} is gone: somebody deleted it just now.")
    if as_json:
        out().json({"deleted_teams": [team_id]})
    else:
        err().line(f"Deleted: {name}.")


@teams.group(cls=TextGroup)
def members() -> None:
    """List, add and remove those who are in a team."""


@members.command("list")
@common
@click.argument("name", metavar="TEAM")
def list_members(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """List who is in a team, and as what."""
    with opened(config_path) as store:
        team = team_named(store, name)
        found = store.people.members(team_id=team.team_id)
    show_members(found, as_json=as_json)


@members.command()
@common
@click.argument("name", metavar="TEAM")
@click.argument("user", metavar="USER")
@click.option(
    "--role",
    type=click.Choice(sorted(role.value for role in MEMBER_ROLES)),
    default=Role.MEMBER.value,
    show_default=True,
    help="What the user is in the team.",
)
def add(
    config_path: Path,
    name: str,
    user: str,
    role: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Take a user into a team, or change what they are in it."""
    with opened(config_path) as store:
        team_id = team_named(store, name).team_id
        user_id = user_named(store, user).user_id
        member = new_member(team_id, user_id, Role(role), now=time.time(), by=me())
        done(lambda: store.people.put_member(member))
        found = store.people.members(team_id=team_id)
    show_members(found, as_json=as_json)


@members.command()
@common
@click.argument("name", metavar="TEAM")
@click.argument("user", metavar="USER")
def remove(
    config_path: Path,
    name: str,
    user: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Take a user out of a team; keys they have of it stay the team's."""
    with opened(config_path) as store:
        team_id = team_named(store, name).team_id
        user_id = understood(read_name("USER", user))
        if not store.people.remove_member(team_id, user_id, by=me()):
            refuse(f"{user!r} is not in {name!r}: `byok teams members list {name}`.")
        found = store.people.members(team_id=team_id)
    show_members(found, as_json=as_json)


def _read(options: dict[str, Any]) -> TeamRequest:
    return understood(read_team(fields_of(options, TEAM_FIELDS)), _named)


def _update(
    store: OpenPeople, team_id: str, change: TeamRequest, *, as_json: bool
) -> None:
    now = time.time()
    team = there(
        done(
            lambda: store.people.update_team(
                team_id, lambda found: changed_team(found, change, now=now, by=me())
            )
        )
    )
    warn(change.warnings)
    show_team(team, store.people.members(team_id=team_id), as_json=as_json)


def _set_blocked(
    config_path: Path, name: str, *, is_blocked: bool, as_json: bool
) -> None:
    now = time.time()
    with opened(config_path) as store:
        team = there(
            store.people.update_team(
                team_named(store, name).team_id,
                lambda found: blocked(found, is_blocked=is_blocked, now=now, by=me()),
            )
        )
        found = store.people.members(team_id=team.team_id)
    show_team(team, found, as_json=as_json)
