"""From the `store` setting to the file that keys are kept in."""

from pathlib import Path

from byok.store.faults import BadStoreUrl

_SQLITE = "sqlite:///"
_EXAMPLE = (
    "write sqlite:///byok.db, relative to the config file, or sqlite:////abs/path"
)


def store_path(url: str, *, base: Path) -> Path:
    """
    Return the SQLite file that *url* names, relative to the directory *base*.

    No message quotes the URL: those of other databases hold a password.
    """
    scheme = url.partition("://")[0].partition("+")[0].lower()
    if scheme in {"postgresql", "postgres"}:
        raise BadStoreUrl(
            f"store: PostgreSQL is not supported yet; {_EXAMPLE}. LiteLLM's database "
            "cannot be shared: byok has tables of its own."
        )
    if not url.startswith(_SQLITE):
        raise BadStoreUrl(f"store: not a SQLite URL; {_EXAMPLE}.")
    name = url.removeprefix(_SQLITE)
    if not name or name.startswith((":memory:", "file:")) or name.endswith("/"):
        raise BadStoreUrl(
            f"store: names no file, and keys in memory are gone at the next start; "
            f"{_EXAMPLE}."
        )
    if "?" in name or "\0" in name:
        raise BadStoreUrl(f"store: options after the path mean nothing; {_EXAMPLE}.")
    return base / name
