"""Where the pepper of key digests comes from: the config, or a file by the store."""

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from byok.core.errors import StoreUnavailable
from byok.core.keys import Peppers
from byok.core.secret import Secret
from byok.store.faults import PepperLost
from byok.store.location import Place, Server

SHORTEST = 16
_PEPPER_BYTES = 32


def pepper_path(store: Path) -> Path:
    """Return the file that holds the generated pepper of *store*."""
    return store.with_name(f"{store.name}.pepper")


def open_peppers(
    store: Place, configured: tuple[Secret, ...], *, counts: Mapping[str, int]
) -> tuple[Peppers, tuple[str, ...]]:
    """
    Return the peppers for the keys of *store*, and warnings for its operator.

    Those *configured* are used alone, the first for new keys. Without any, the
    pepper is made once and kept in a file beside the store: without that file
    all keys are void. *counts* is how many keys were made with which pepper; a
    store none of whose keys could ever be found is an error, as a wrong pepper
    would look like everybody mistyping their key. There is no place beside a
    database, so its pepper has to be configured.
    """
    warnings: list[str] = []
    if configured:
        if any(len(pepper) < SHORTEST for pepper in configured):
            raise StoreUnavailable(
                f"general_settings.key_pepper: at least {SHORTEST} characters, please; "
                "`openssl rand -hex 32` makes a good one."
            )
        peppers = Peppers(*configured)
    elif isinstance(store, Server):
        raise _without_pepper(store)
    else:
        path = pepper_path(store)
        if not path.exists():
            if counts:
                raise PepperLost(_lost(store, counts))
            _make(path)
        warnings += _readable_by_others(path)
        peppers = Peppers(_read(path))
    lost = {name: count for name, count in counts.items() if name not in peppers.ids}
    if lost and len(lost) == len(counts):
        raise PepperLost(_lost(store, counts))
    if lost:
        count = sum(lost.values())
        made, them = ("key was", "it") if count == 1 else ("keys were", "them")
        warnings.append(
            f"{store}: {count} {made} made with a pepper that is no longer listed and "
            "can never be found; list it again in general_settings.key_pepper, or "
            f"rotate {them}."
        )
    return peppers, tuple(warnings)


def read_peppers(store: Place, configured: tuple[Secret, ...]) -> Peppers:
    """Return the peppers of *store* as they are; raises StoreUnavailable without."""
    if configured:
        return Peppers(*configured)
    if isinstance(store, Server):
        raise _without_pepper(store)
    return Peppers(_read(pepper_path(store)))


def _without_pepper(store: Server) -> StoreUnavailable:
    return StoreUnavailable(
        f"{store}: keys in a database need general_settings.key_pepper, the same for"
        " every node; `openssl rand -hex 32` makes a good one."
    )


def _lost(store: Place, counts: Mapping[str, int]) -> str:
    if isinstance(store, Server):
        remedy = "Configure the pepper that they were made with"
    else:
        remedy = _remedy(pepper_path(store), counts)
    count = sum(counts.values())
    none = "its one key was not" if count == 1 else f"none of its {count} keys was"
    away = (
        "name another database" if isinstance(store, Server) else "move the store away"
    )
    return (
        f"{store}: {none} made with this pepper, so none would be found. {remedy}; or "
        f"{away} to begin with an empty one."
    )


def _remedy(path: Path, counts: Mapping[str, int]) -> str:
    if path.exists():
        with suppress(StoreUnavailable):
            if Peppers(_read(path)).current_id in counts:
                return f"Add file:{path} to general_settings.key_pepper, at its end"
    return f"Put {path} back as it was"


def _make(path: Path) -> None:
    # Written under another name and linked: whoever finds the file finds all of
    # it, and of two processes that start at once both use the first one's.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_PEPPER_BYTES) + "\n")
            file.flush()
            os.fsync(handle)
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot make the pepper file ({error.strerror}). Make the "
            "directory writable, or set general_settings.key_pepper."
        ) from error


def _read(path: Path) -> Secret:
    try:
        pepper = Secret.from_bytes(path.read_bytes().strip())
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot read the pepper ({error.strerror})."
        ) from error
    if len(pepper) < SHORTEST:
        raise StoreUnavailable(
            f"{path}: holds no pepper. Put the file back as it was: without it no key "
            "can be found."
        )
    return pepper


def _readable_by_others(path: Path) -> list[str]:
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        return [f"{path}: readable by others than its owner; chmod 600 it."]
    return []
