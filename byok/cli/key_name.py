"""How a virtual key is named where others can read along: not by itself."""

import click

from byok.core.keys import is_raw_key
from byok.policy.classes import find_credential

IS_A_KEY = (
    "That is a key, and others can read command lines, as can whoever reads the"
    " shell's history. Name it by its alias or its token id: `byok keys list` shows"
    " both. Replace the key if it is in use: `byok keys rotate`."
)

_BY_REFERENCE = (
    " To try the key itself, send it by reference, without --key:"
    " -H 'x-litellm-api-key: @env:NAME'."
)


def key_name(
    context: click.Context, _option: click.Parameter, value: str | None
) -> str | None:
    """Return the alias or id of `--key`; what is none is refused and not repeated."""
    if value is None:
        return None
    if is_raw_key(value) or find_credential(value.encode("utf-8", "replace")):
        takes_headers = any(each.name == "headers" for each in context.command.params)
        raise click.BadParameter(IS_A_KEY + (_BY_REFERENCE if takes_headers else ""))
    if not value.isprintable():
        raise click.BadParameter("That is no alias and no id of a key.")
    return value
