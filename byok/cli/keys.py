"""`byok keys`: virtual keys from the terminal, on the store itself."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

import click

from byok.cli.key_name import IS_A_KEY
from byok.cli.key_options import fields_of, key_options, option_named
from byok.cli.key_screens import show_key, show_list, show_record, warn
from byok.cli.loading import config_option
from byok.cli.render import err, out
from byok.cli.storing import REFUSED, UNUSABLE, configured, end, me
from byok.cli.text_group import TextGroup
from byok.core.errors import ByokError, Refusal
from byok.core.key_answers import NOTHING, Spent
from byok.core.key_requests import (
    KeyChange,
    changed,
    grace_end,
    new_record,
    read_change,
    read_given_key,
    strangers,
)
from byok.core.keys import (
    KEY_BYTES,
    TOKEN_ID_BYTES,
    Peppers,
    VirtualKey,
    composed,
    is_raw_key,
    new_key,
    new_token_id,
    rotated,
)
from byok.core.secret import Secret
from byok.store.faults import AliasTaken, KeyTaken
from byok.store.keystore import Change, Selection
from byok.store.opening import open_keys
from byok.store.sqlkeys import SqlKeys
from byok.store.sqlpeople import SqlPeople
from byok.store.sqlusage import SqlUsage
from byok.store.usage import By, DaysWanted

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

_PAGE = 500

_EPILOG = """\b
Examples:
  byok keys create --alias anne-laptop --models 'claude-*' --expires 30d
  byok keys list
  byok keys rotate anne-laptop --grace 24h
  byok keys block anne-laptop

\b
A running gateway sees every change within a second.
Exit codes: 0 done; 1 refused (no such key, alias taken); 2 wrong usage, or the
  config or the store cannot be used.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """What a command works on."""

    keys: SqlKeys
    people: SqlPeople
    usage: SqlUsage
    peppers: Peppers
    master_key: Secret | None


@click.group(cls=TextGroup, epilog=_EPILOG)
def keys() -> None:
    """
    Make, list, change and delete virtual keys.

    A key is named by its alias or its token id, never by itself: command lines
    can be read by others.
    """


def _common(command: Command) -> Command:
    """Give *command* the options that all have."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(
        command
    )
    return config_option(command)


@keys.command()
@_common
@key_options
@click.option(
    "--key-file",
    # What is no text holds characters that no key has, and is told so.
    type=click.File(errors="replace"),
    help="Take the key from this file (- is standard input) instead of making one.",
)
def create(
    config_path: Path,
    key_file: TextIO | None,
    as_json: bool,  # noqa: FBT001 - click's
    **options: Any,
) -> None:
    """
    Make a key and print it, this once.

    Standard output gets the key alone, so `byok keys create > key.txt` keeps it.
    """
    now = time.time()
    change = _read(options, now)
    if options["models"] and not change.fields.models:
        # An unset variable of a script would open everything.
        raise click.UsageError("--models is empty. Leave it out to open all models.")
    with _store(config_path) as store:
        key = _given(key_file, store, now) if key_file else _new_key()
        record = new_record(
            change,
            key,
            store.peppers,
            token_id=new_token_id(secrets.token_bytes(TOKEN_ID_BYTES)),
            now=now,
            by=me(),
        )
        _done(lambda: store.keys.insert(record))
        change = _with_strangers(store, change)
    show_key(key, record, change, as_json=as_json)


@keys.command("list")
@_common
@click.option("--user", help="Only keys of this user.")
@click.option("--team", help="Only keys of this team.")
def list_keys(
    config_path: Path,
    user: str | None,
    team: str | None,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """List all keys, the newest first."""
    found: list[VirtualKey] = []
    with _store(config_path) as store:
        selection = Selection(size=_PAGE, user_id=user, team_id=team)
        while page := store.keys.page(selection).keys:
            found += page
            selection = replace(selection, page=selection.page + 1)
        spent = _spent(store) if as_json else {}
    show_list(found, spent, as_json=as_json)


@keys.command()
@_common
@click.argument("name")
def show(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Show one key, but for the key itself."""
    with _store(config_path) as store:
        record = _named(store, name)
        spent = _spent_of(store, record)
    show_record(record, spent, as_json=as_json)


@keys.command()
@_common
@click.argument("name")
@key_options
def update(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
    **options: Any,
) -> None:
    """
    Change what is given and keep the rest.

    An empty value takes a setting away: --models '' opens all models again.
    """
    now = time.time()
    change = _read(options, now)
    with _store(config_path) as store:
        record = _changed(
            store, name, lambda found: changed(found, change, now=now, by=me())
        )
        change = _with_strangers(store, change)
        spent = _spent_of(store, record)
    warn(change.warnings)
    show_record(record, spent, as_json=as_json)


@keys.command()
@_common
@click.argument("name")
def block(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Refuse a key from now on; `unblock` takes it back."""
    _set_blocked(config_path, name, blocked=True, as_json=as_json)


@keys.command()
@_common
@click.argument("name")
def unblock(
    config_path: Path,
    name: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Accept a blocked key again."""
    _set_blocked(config_path, name, blocked=False, as_json=as_json)


@keys.command()
@_common
@click.argument("name")
@click.option(
    "--grace",
    default="",
    metavar="SPAN",
    help="Accept the old key for this long: 24h.  [default: it ends at once]",
)
def rotate(
    config_path: Path,
    name: str,
    grace: str,
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Put a new key in the place of one and print it, this once."""
    now = time.time()
    until = grace_end(grace, now)
    if isinstance(until, Refusal):
        _refuse(until.message.replace("grace_period", "--grace"))
    key = _new_key()
    with _store(config_path) as store:
        record = _changed(
            store,
            name,
            lambda found: replace(
                rotated(found, key, store.peppers, now=now, grace_until=until),
                updated_by=me(),
            ),
        )
    show_key(key, record, None, as_json=as_json)


@keys.command()
@_common
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    config_path: Path,
    names: tuple[str, ...],
    yes: bool,  # noqa: FBT001 - click's
    as_json: bool,  # noqa: FBT001 - click's
) -> None:
    """Delete keys for good, all that are named or none."""
    with _store(config_path) as store:
        named = [_named(store, name) for name in names]
        records = {each.token_id: each for each in named}.values()
        if not yes:
            whose = ", ".join(names)
            click.confirm(f"Delete {whose} for good?", abort=True, err=True)
        ids = [record.token_id for record in records]
        if not _done(lambda: store.keys.delete(ids, by=me())):
            _refuse("Nothing was deleted: one of the keys is gone already.")
    if as_json:
        out().json({"deleted_keys": ids})
    else:
        err().line(f"Deleted: {', '.join(names)}.")


@contextmanager
def _store(config_path: Path) -> Iterator[_Opened]:
    """Open the store of a configuration, or end with what is wrong with either."""
    config, place, environment = configured(config_path)
    for pepper in config.general.key_peppers:
        missing = environment.variable_behind(pepper)
        if missing is not None:
            end(
                f"The environment variable {missing} is not set. It holds the pepper"
                " that keys are kept under; no other secret is needed here.",
                UNUSABLE,
            )
    if config.general.single_user:
        warn([f"{config_path}: has no master key, so nobody is asked for a key."])
    try:
        with open_keys(place, config.general.key_peppers) as store:
            warn(store.warnings)
            yield _Opened(
                keys=store.keys,
                people=store.people,
                usage=store.usage,
                peppers=store.peppers,
                master_key=config.master_key,
            )
    except ByokError as error:
        end(str(error), UNUSABLE)


def _read(options: dict[str, Any], now: float) -> KeyChange:
    change = read_change(fields_of(options), now=now)
    if isinstance(change, Refusal):
        _refuse(option_named(change.message))
    return change


def _with_strangers(store: _Opened, change: KeyChange) -> KeyChange:
    """Warn of a user and a team that are not known."""
    user, team = change.fields.user_id, change.fields.team_id
    found = store.people.team(team) if isinstance(team, str) else None
    told = strangers(
        change,
        is_user=isinstance(user, str) and store.people.user(user) is not None,
        # An alias finds a team as well, but keys go by ids alone.
        is_team=found is not None and found.team_id == team,
    )
    return replace(change, warnings=(*change.warnings, *told))


def _new_key() -> Secret:
    return new_key(secrets.token_bytes(KEY_BYTES))


def _given(file: TextIO, store: _Opened, now: float) -> Secret:
    key = read_given_key(file.read().strip(), master_key=store.master_key)
    if isinstance(key, Refusal):
        _refuse(key.message)
    digests = store.peppers.digests(key.reveal_bytes())
    if store.keys.maybe_by_digest(digests, now=now) is not None:
        _refuse("This key is in use already.")
    return key


def _named(store: _Opened, name: str) -> VirtualKey:
    if is_raw_key(name):
        _refuse(IS_A_KEY)
    record = store.keys.maybe_by_name(name)
    if record is None and composed(name) != name:
        record = store.keys.maybe_by_name(composed(name))
    if record is None:
        _refuse(f"There is no key {name!r}. `byok keys list` shows all.")
    return record


def _changed(store: _Opened, name: str, change: Change) -> VirtualKey:
    token_id = _named(store, name).token_id
    record = _done(lambda: store.keys.update(token_id, change))
    if record is None:
        _refuse(f"The key {name!r} is gone: somebody deleted it just now.")
    return record


def _set_blocked(config_path: Path, name: str, *, blocked: bool, as_json: bool) -> None:
    now = time.time()
    with _store(config_path) as store:
        record = _changed(
            store,
            name,
            lambda found: replace(
                found, blocked=blocked, updated_at=now, updated_by=me()
            ),
        )
        spent = _spent_of(store, record)
    show_record(record, spent, as_json=as_json)


def _spent_of(store: _Opened, record: VirtualKey) -> Spent:
    return _spent(store, key_id=record.token_id).get(record.token_id, NOTHING)


def _spent(store: _Opened, *, key_id: str | None = None) -> dict[str, Spent]:
    """Return what the ledger has of one key, or of each."""
    totals = store.usage.totals(DaysWanted(key_id=key_id), (By.KEY,))
    return {
        str(total.group[0]): Spent(
            real_nano=total.figures.cost_nano,
            notional_nano=total.figures.notional_nano,
        )
        for total in totals
    }


def _done(work: Callable[[], T]) -> T:
    """Do *work*, or end with whose key or alias is in its way."""
    try:
        return work()
    except AliasTaken:
        _refuse("--alias: another key has this alias; choose one of its own.")
    except KeyTaken:
        _refuse("This key is in use already.")


def _refuse(message: str) -> NoReturn:
    end(message, REFUSED)
