"""The options that describe a team or a user, and the fields that they stand for."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from byok.cli.key_options import COUNT, MONEY, Metadata, value_of
from byok.cli.loading import config_option

Command = TypeVar("Command", bound=Callable[..., Any])

TEAM_FIELDS = {"alias": "team_alias"}
USER_FIELDS = {"alias": "user_alias", "email": "user_email", "role": "user_role"}
"""Option -> field of the API, where the two are not spelt alike."""

_LIMITS = (
    click.option(
        "--models",
        multiple=True,
        metavar="A,B",
        help="Models that its keys may open, * as wildcard.  [default: all]",
    ),
    click.option(
        "--metadata",
        multiple=True,
        type=Metadata(),
        help="An entry of metadata; may be repeated.",
    ),
    click.option("--max-budget", type=MONEY, help="Dollars that its keys share."),
    click.option(
        "--soft-budget", type=MONEY, help="From how many dollars on it warns."
    ),
    click.option("--budget-duration", metavar="SPAN", help="How long those are for."),
    click.option("--rpm-limit", type=COUNT, help="Requests a minute, of all keys."),
    click.option("--tpm-limit", type=COUNT, help="Tokens a minute, of all keys."),
    click.option(
        "--max-parallel-requests",
        type=COUNT,
        help="Requests at the same time, of all keys.",
    ),
)


def limit_options(command: Command) -> Command:
    """Give *command* the options that teams and users have alike."""
    for option in reversed(_LIMITS):
        command = option(command)
    return command


def common(command: Command) -> Command:
    """Give *command* the options that all have."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(
        command
    )
    return config_option(command)


def fields_of(
    options: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, object]:
    """Return the fields that *options* stand for; one that is empty empties its own."""
    return {
        names.get(name, name): value_of(name, value)
        for name, value in options.items()
        if value is not None and value != ()
    }


def refuse_empty_models(options: Mapping[str, Any]) -> None:
    """Refuse --models '' where something is made: it would open everything."""
    if options["models"] and not value_of("models", options["models"]):
        # A variable of a script may not have been set.
        raise click.UsageError("--models is empty. Leave it out to open all models.")


def option_named(message: str, names: Mapping[str, str]) -> str:
    """Name the option where *message* begins with the field it stands for."""
    field, colon, rest = message.partition(":")
    if not colon or not field.isidentifier():
        return message
    option = {each: name for name, each in names.items()}.get(field, field)
    return f"--{option.replace('_', '-')}:{rest}"
