"""The options that describe a key, and the fields they stand for in the key API."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from byok.core.key_forms import KeyFields
from byok.core.key_requests import NEVER

Command = TypeVar("Command", bound=Callable[..., Any])

# Option -> field of the key API, where the two are not spelt alike.
_FIELDS = {
    "alias": "key_alias",
    "expires": "duration",
    "tag": "tags",
    "user": "user_id",
    "team": "team_id",
}


class Metadata(click.ParamType[tuple[str, str]]):
    """One entry of metadata, as NAME=TEXT."""

    name = "name=text"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Split at the first equals sign."""
        name, sign, text = str(value).partition("=")
        if not sign or not name:
            self.fail("write NAME=TEXT", param, ctx)
        return name, text


class OrNothing(click.ParamType[object]):
    """A number, or an empty text that takes the limit away."""

    def __init__(self, number: click.ParamType[Any]) -> None:
        self.name = "number"
        self._number = number

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> object:
        """Leave an empty text as it is."""
        return "" if value == "" else self._number.convert(value, param, ctx)


COUNT = OrNothing(click.IntRange(min=0))
MONEY = OrNothing(click.FloatRange(min=0))

_OPTIONS = (
    click.option("--alias", help="A name for the key, of its own."),
    click.option(
        "--models",
        multiple=True,
        metavar="A,B",
        help="Models it opens, * as wildcard.  [default: all]",
    ),
    click.option(
        "--expires",
        metavar="SPAN",
        help="When it ends: 30d, 12h, 1mo, a moment as 2030-01-31, or never.",
    ),
    click.option("--user", help="Id of the user it belongs to."),
    click.option("--team", help="Id of the team it belongs to."),
    click.option("--tag", multiple=True, help="A tag; may be repeated."),
    click.option(
        "--metadata",
        multiple=True,
        type=Metadata(),
        help="An entry of metadata; may be repeated.",
    ),
    click.option("--max-budget", type=MONEY, help="Dollars it has."),
    click.option("--budget-duration", metavar="SPAN", help="How long those are for."),
    click.option("--rpm-limit", type=COUNT, help="Requests a minute."),
    click.option("--tpm-limit", type=COUNT, help="Tokens a minute."),
    click.option(
        "--max-parallel-requests",
        type=COUNT,
        help="Requests at the same time.",
    ),
)


def key_options(command: Command) -> Command:
    """Give *command* the options that describe a key."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def fields_of(options: Mapping[str, Any]) -> dict[str, object]:
    """
    Return the fields that *options* stand for.

    An option that was not given is left out; one that is empty empties its
    field.
    """
    fields: dict[str, object] = {}
    for name, value in options.items():
        if value is None or value == ():
            continue
        fields[_FIELDS.get(name, name)] = value_of(name, value)
    expires = fields.get("duration")
    if isinstance(expires, str) and expires.count("-") > 1:
        fields["expires"] = fields.pop("duration")
    return fields


def option_named(message: str) -> str:
    """Name the option where *message* begins with the field it stands for."""
    field, _, rest = message.partition(":")
    if field not in KeyFields.__struct_fields__:
        return message
    option = {field: option for option, field in _FIELDS.items()}.get(field, field)
    return f"--{option.replace('_', '-')}:{rest}"


def value_of(name: str, value: Any) -> object:
    """Return what the field has that stands for the option *name*."""
    if name == "models":
        every = [part.strip() for each in value for part in each.split(",")]
        models = [part for part in every if part]
        if not models and any(value):
            raise click.UsageError("--models names no model.")
        return models
    if name == "tag":
        return [tag for tag in value if tag]
    if name == "metadata":
        return dict(value)
    if value == "":
        return None
    return NEVER if name == "expires" and value.lower() == "never" else value
