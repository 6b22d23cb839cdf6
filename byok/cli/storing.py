"""The store of a configuration, for commands that work on it directly."""

import getpass
import sys
from pathlib import Path
from typing import NoReturn

from byok.cli.environment import SupposedEnvironment
from byok.cli.render import err
from byok.config import Config, ConfigError, load
from byok.core.errors import ByokError
from byok.store.location import Place, store_place

REFUSED = 1
UNUSABLE = 2


def configured(path: Path) -> tuple[Config, Place, SupposedEnvironment]:
    """
    Return what stands in *path*, its store, and the environment, or say what is wrong.

    Of its secrets only the store's password has to be there.
    """
    environment = SupposedEnvironment()
    try:
        config = load(path, environ=environment)
    except ConfigError as error:
        end(f"{error}\n`byok validate {path}` says more.", UNUSABLE)
    if config.store_password is not None:
        missing = environment.variable_behind(config.store_password)
        if missing is not None:
            end(
                f"The environment variable {missing} is not set. It holds the password"
                " of the database; no other secret is needed here.",
                UNUSABLE,
            )
    try:
        place = store_place(config.store_url, base=config.directory)
    except ByokError as error:
        end(str(error), UNUSABLE)
    return config, place, environment


def end(message: str, code: int) -> NoReturn:
    """Say *message* and end with *code*."""
    for line in message.splitlines():
        err().line(line)
    sys.exit(code)


def me() -> str:
    """Say who is at the terminal."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):
        return "cli"
