"""`byok users`: users from the terminal, on the store itself."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from byok.cli.people_options import (
    USER_FIELDS,
    common,
    fields_of,
    limit_options,
    option_named,
    refuse_empty_models,
)
from byok.cli.people_screens import show_user, show_users, warn
from byok.cli.people_store import done, opened, refuse, there, understood, user_named
from byok.cli.render import err, out
from byok.cli.storing import me
from byok.cli.text_group import TextGroup
from byok.core.people import USER_ROLES, Role, User
from byok.core.people_requests import (
    UserRequest,
    blocked,
    changed_user,
    new_user,
    read_name,
    read_user,
)
from byok.store.keystore import Selection
from byok.store.people import UsersWanted

_PAGE = 500

_EPILOG = """\b
Examples:
  byok users create anne --email anne@example.com --rpm-limit 60
  byok users list --team red
  byok keys create --alias anne-laptop --user anne
  byok users update anne --models 'claude-*'
  byok users block anne

\b
What a user may not, no key of theirs may: the limits are shared by all of them.
A running gateway sees every change within a second.
Exit codes: 0 done; 1 refused (no such user, id taken, keys belong to them);
  2 wrong usage, or the config or the store cannot be used.
"""

_named = partial(option_named, names=USER_FIELDS)
_ROLES = click.Choice(sorted(role.value for role in USER_ROLES))


@click.group(cls=TextGroup, epilog=_EPILOG)
def users() -> None:
    """Make, list, change and delete users; `byok teams` says where they belong."""


def _described(command: Any) -> Any:
    """Give *command* the options that describe a user."""
    for option in (
        click.option("--role", type=_ROLES, help="What the user may administer."),
        click.option("--email", help="The user's address."),
        click.option("--alias", help="A name to show."),
    ):
        command = option(command)
    return command


@users.command()
@common
@click.argument("user_id", metavar="USER")
@_described
@limit_options
def create(
    config_path: Path,
    user_id: str,
    as_json: bool,  # noqa: FBT001 - click's
    **options: Any,
) -> None:
    """Make a user; `byok keys create --user` makes them a key."""
    name = understood(read_name("USER", user_id))
    refuse_empty_models(options)
    change = _read(options)
    user = new_user(change, user_id=name, now=time.time(), by=me())
    with opened(config_path) as store:
        done(lambda: store.people.insert_user(user))
    warn(change.warnings)
    show_user(user, (), as_json=as_json)


@users.command("list")
@common
@click.option("--team", help="Only users in this team.")
@click.option("--role", type=_ROLES, help="Only users of this role.")
def list_users(
    config_path: Path,
    team: str | None,
    role: str | None,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """List all users, the newest first."""
    found: list[User] = []
    with opened(config_path) as store:
        wanted = UsersWanted(
            size=_PAGE, of_team=team, role=None if role is None else Role(role)
        )
        while page := store.people.users(wanted).users:
            found += page
            wanted = replace(wanted, page=wanted.page + 1)
        members = store.people.members()
    show_users(found, members, as_json=as_json)


@users.command()
@common
@click.argument("name", metavar="USER")
def show(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Show one user, their teams, and how many keys they have."""
    with opened(config_path) as store:
        user = user_named(store, name)
        members = store.people.members(user_id=user.user_id)
        keys = store.keys.page(Selection(size=1, user_id=user.user_id)).total
    show_user(user, members, as_json=as_json, keys=keys)


@users.command()
@common
@click.argument("name", metavar="USER")
@_described
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
    now = time.time()
    with opened(config_path) as store:
        user = there(
            store.people.update_user(
                user_named(store, name).user_id,
                lambda found: changed_user(found, change, now=now, by=me()),
            )
        )
        members = store.people.members(user_id=user.user_id)
    warn(change.warnings)
    show_user(user, members, as_json=as_json)


@users.command()
@common
@click.argument("name", metavar="USER")
def block(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Refuse all keys of a user from now on; `unblock` takes it back."""
    _set_blocked(config_path, name, is_blocked=True, as_json=as_json)


@users.command()
@common
@click.argument("name", metavar="USER")
def unblock(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Accept the keys of a blocked user again."""
    _set_blocked(config_path, name, is_blocked=False, as_json=as_json)


@users.command()
@common
@click.argument("name", metavar="USER")
@click.option("--with-keys", is_flag=True, help="Delete their keys too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    config_path: Path,
    name: str,
    with_keys: bool,  # noqa: FBT001 - click's
    yes: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Delete a user for good, from teams too."""
    with opened(config_path) as store:
        user_id = user_named(store, name).user_id
        if not yes:
            what = f"{name} and all of their keys" if with_keys else name
            click.confirm(f"Delete {what} for good?", abort=True, err=True)
        gone = done(
            lambda: store.people.delete_user(user_id, by=me(), with_keys=with_keys)
        )
    if not gone:
        refuse(f"The user {name!r} is gone: somebody deleted them just now.")
    if as_json:
        out().json({"deleted_users": [user_id]})
    else:
        err().line(f"Deleted: {name}.")


def _read(options: dict[str, Any]) -> UserRequest:
    return understood(read_user(fields_of(options, USER_FIELDS)), _named)


def _set_blocked(
    config_path: Path, name: str, *, is_blocked: bool, as_json: bool
) -> None:
    now = time.time()
    with opened(config_path) as store:
        user = there(
            store.people.update_user(
                user_named(store, name).user_id,
                lambda found: blocked(found, is_blocked=is_blocked, now=now, by=me()),
            )
        )
        members = store.people.members(user_id=user.user_id)
    show_user(user, members, as_json=as_json)
