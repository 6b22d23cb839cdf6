"""`byok pins`: whose provider keys are whose, and how one is let go of."""

import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from byok.cli.loading import config_option, loaded
from byok.cli.render import Style, Styled, Text, err, out
from byok.config import Config
from byok.core.errors import ByokError
from byok.core.key_answers import moment
from byok.core.pinning import digest_begins_with
from byok.policy.reader import holds_credential
from byok.store.location import store_place
from byok.store.opening import open_pins
from byok.store.peek import peek_key
from byok.store.sqlpins import Pin, SqlPins

REFUSED = 1
UNUSABLE = 2

_EPILOG = """\b
Examples:
  byok pins list
  byok pins list --owner user:anne --json
  byok pins show pin_5d41402abc4b2a76
  byok pins release pin_5d41402abc4b2a76

\b
A pin is called as in the refusal that a developer got, and in the log. The key itself
is not kept: there is a digest, which leads nowhere without the pepper.
A running gateway notices a release within a minute, and logs it (pin-released) when
the key is used next.
Exit codes: 0 done; 1 there is no such pin, or nobody owns it; 2 wrong usage, or the
  config or the store cannot be used.
"""
_NOTHING = (
    "No provider key is known. Keys are learned where general_settings.byok has"
    " bind_keys or allow_orgs."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog=_EPILOG)
def pins() -> None:
    """
    List the provider keys that are bound to an owner, and release them.

    With general_settings.byok.bind_keys a provider key belongs to the user, or the
    byok key, that used it first; allow_orgs notes the organisation of each.
    """


@pins.command("list")
@config_option
@click.option("--owner", help="Only of this owner: user:NAME or key:ID.")
@_json_option
def list_pins(*, config_path: Path, owner: str | None, as_json: bool) -> None:
    """List what was learned about provider keys, the latest first."""
    config = loaded(config_path)
    with _opened(config) as store:
        found = store.all(owner=owner)
    if as_json:
        out().json({"pins": [_data(each) for each in found]})
        return
    if not found:
        err().line(f"No provider key of {owner} is known." if owner else _NOTHING)
        return
    rows: list[list[Text]] = [
        [Styled(each.name, Style.STRONG), _owner(config, each), *_more(each)]
        for each in found
    ]
    out().table(rows, heads=("PIN", "OWNER", "ORGANIZATION", "LEARNED"))


@pins.command()
@config_option
@click.argument("name", metavar="PIN")
@_json_option
def show(*, config_path: Path, name: str, as_json: bool) -> None:
    """Show one: whose it is, and who released it."""
    beginning = _beginning(name)
    config = loaded(config_path)
    with _opened(config) as store:
        found = store.named(beginning)
    if found is None:
        _no_such(name)
    if as_json:
        out().json(_data(found))
    else:
        _show(config, found)


@pins.command()
@config_option
@click.argument("names", nargs=-1, required=True, metavar="PIN...")
@_json_option
def release(*, config_path: Path, names: tuple[str, ...], as_json: bool) -> None:
    """
    Take keys from their owners: whoever uses one next owns it.

    All that are named or none. What is known of a key's organisation stays.
    """
    beginnings = {name: _beginning(name) for name in names}
    config = loaded(config_path)
    with _opened(config) as store:
        for name, beginning in beginnings.items():
            pin = store.named(beginning)
            if pin is None:
                _no_such(name)
            if pin.known.owner is None:
                _end(f"Nobody owns {name}, so nothing was released.", REFUSED)
        by = _me()
        before = [
            found
            for each in beginnings.values()
            if (found := store.release(each, by=by, now=time.time())) is not None
        ]
    if as_json:
        released = [
            {"pin": each.name, "was_owned_by": each.known.owner} for each in before
        ]
        out().json({"released": released, "by": by})
        return
    for each in before:
        out().line(
            Styled("released ", Style.GOOD),
            f"{each.name}, which was bound to {_owner(config, each)}",
        )


def _beginning(name: str) -> bytes:
    beginning = digest_begins_with(name)
    if beginning is not None:
        return beginning
    if holds_credential(name):
        # Command lines can be read by others, and it may be somebody's.
        _end("That is a key, and no pin. `byok pins list` shows all pins.", UNUSABLE)
    raise click.UsageError(
        "a PIN is pin_ and 16 hex digits; `byok pins list` shows all"
    )


@contextmanager
def _opened(config: Config) -> Iterator[SqlPins]:
    path = store_place(config.store_url, base=config.directory)
    try:
        with open_pins(path) as store:
            yield store
    except ByokError as error:
        _end(str(error), UNUSABLE)


def _owner(config: Config, pin: Pin) -> str:
    """Return the owner as people know it: a byok key by its alias."""
    owner = pin.known.owner
    if owner is None:
        return f"- (released by {pin.known.released_by})" if _is_released(pin) else "-"
    kind, _, name = owner.partition(":")
    if kind != "key":
        return owner
    path = store_place(config.store_url, base=config.directory)
    record = peek_key(path, name)
    alias = record.key_alias if record else None
    return f"{owner} ({alias})" if alias else owner


def _is_released(pin: Pin) -> bool:
    return pin.known.released_by is not None


def _more(pin: Pin) -> tuple[str, str]:
    return pin.known.organization or "-", moment(pin.learned_at) or "-"


def _show(config: Config, pin: Pin) -> None:
    organization, learned = _more(pin)
    said = {
        "pin": pin.name,
        "owner": _owner(config, pin),
        "organization": organization,
        "learned": learned,
        "released": moment(pin.released_at),
    }
    rows: list[list[Text]] = [
        [Styled(name, Style.FAINT), value] for name, value in said.items() if value
    ]
    out().table(rows)


def _data(pin: Pin) -> dict[str, object]:
    return {
        "pin": pin.name,
        "owner": pin.known.owner,
        "organization": pin.known.organization,
        "learned_at": moment(pin.learned_at),
        "released_by": pin.known.released_by,
        "released_at": moment(pin.released_at),
    }


def _no_such(name: str) -> NoReturn:
    _end(f"There is no {name}. `byok pins list` shows all.", REFUSED)


def _end(message: str, code: int) -> NoReturn:
    err().line(message)
    sys.exit(code)


def _me() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):
        return "cli"
