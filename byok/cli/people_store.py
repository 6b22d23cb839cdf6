"""The teams and users of a configuration, for `byok teams` and `byok users`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

from byok.cli.storing import REFUSED, UNUSABLE, configured, end
from byok.core.errors import ByokError, Refusal
from byok.core.people import Team, User
from byok.core.people_requests import read_name
from byok.store.opening import OpenPeople, open_people
from byok.store.people import NameTaken, NobodyThere, StillUsed

T = TypeVar("T")


@contextmanager
def opened(config_path: Path) -> Iterator[OpenPeople]:
    """Open the store of a configuration, or end with what is wrong with either."""
    _, place, _ = configured(config_path)
    try:
        with open_people(place) as store:
            yield store
    except ByokError as error:
        end(str(error), UNUSABLE)


def refuse(message: str) -> NoReturn:
    """End, since what was asked for cannot be."""
    end(message, REFUSED)


def understood(found: T | Refusal, say: Callable[[str], str] = str) -> T:
    """Return what was *found*, or end with why it was refused."""
    if isinstance(found, Refusal):
        refuse(say(found.message))
    return found


def team_named(store: OpenPeople, name: str) -> Team:
    """Find a team by id or alias, or end."""
    team = store.people.team(understood(read_name("TEAM", name)))
    if team is None:
        refuse(f"There is no team {name!r}. `byok teams list` shows all.")
    return team


def user_named(store: OpenPeople, name: str) -> User:
    """Find a user by id, or end."""
    user = store.people.user(understood(read_name("USER", name)))
    if user is None:
        refuse(f"There is no user {name!r}. `byok users list` shows all.")
    return user


def done(work: Callable[[], T]) -> T:
    """Do *work*, or end with who is in its way."""
    try:
        return work()
    except NameTaken:
        refuse("Another has this id or alias; choose one of its own.")
    except NobodyThere:
        refuse("The team or the user is gone: somebody deleted it just now.")
    except StillUsed as error:
        keys = "key belongs" if error.keys == 1 else "keys belong"
        refuse(
            f"{error.keys} {keys} to it, and would lose its limits. `--with-keys`"
            " deletes them too; `byok keys update --team` or --user moves one."
        )


def there(found: T | None) -> T:
    """Return what was changed, or end where somebody deleted it meanwhile."""
    if found is None:
        refuse("It is gone: somebody deleted it just now.")
    return found
