"""From the `store` setting to where keys are kept: a file, or a database server."""

from dataclasses import dataclass, field
from pathlib import Path

from byok.core.databases import database_problem, is_database, without_password
from byok.store.faults import BadStoreUrl

_SQLITE = "sqlite:///"
_EXAMPLE = (
    "write sqlite:///byok.db, relative to the config file, or sqlite:////abs/path"
)
_EXAMPLE_OF_SERVER = "write postgresql://byok@db.internal/byok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """
    A database of a PostgreSQL server.

    Its text is what may be shown; the *url* holds the password.
    """

    url: str = field(repr=False)

    def __str__(self) -> str:
        return without_password(self.url)


Place = Path | Server
"""Where a store is."""


def store_place(url: str, *, base: Path) -> Place:
    """
    Return what *url* names: a SQLite file, relative to *base*, or a database.

    No message quotes the URL: that of a database may hold a password.
    """
    if is_database(url):
        problem = database_problem(url)
        if problem:
            raise BadStoreUrl(f"store: the address {problem}; {_EXAMPLE_OF_SERVER}.")
        return Server(url=url)
    if not url.startswith(_SQLITE):
        raise BadStoreUrl(
            f"store: not the URL of SQLite or PostgreSQL; {_EXAMPLE}; or"
            f" {_EXAMPLE_OF_SERVER}."
        )
    name = url.removeprefix(_SQLITE)
    if not name or name.startswith((":memory:", "file:")) or name.endswith("/"):
        raise BadStoreUrl(
            f"store: names no file, and keys in memory are gone at the next start; "
            f"{_EXAMPLE}."
        )
    if "?" in name or "\0" in name:
        raise BadStoreUrl(f"store: options after the path mean nothing; {_EXAMPLE}.")
    return base / name
