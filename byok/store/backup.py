"""Copies of a SQLite store, taken while it is in use."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from byok.core.errors import StoreUnavailable
from byok.store.engine import is_server
from byok.store.sqlite import file_of


def back_up_before(engine: sa.Engine, revision: str) -> Path | None:
    """
    Copy the store to a file beside it that names *revision*; return that file.

    None where the store is no file: a database server has backups of its own.
    """
    if is_server(engine):
        return None
    path = file_of(engine).path
    copy = backup_path(path, revision)
    copy_file(path, copy)
    return copy


def backup_path(path: Path, revision: str) -> Path:
    """Return where a copy of the store at *path* goes if nobody says where."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return path.with_name(f"{path.name}.backup-{revision}-{now}")


def copy_file(path: Path, copy: Path) -> None:
    """
    Write all that the store at *path* holds to the new file *copy*.

    It may be in use meanwhile. The copy is for its owner alone; where it cannot be
    finished, none is left.
    """
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"{copy}: no backup can be made here ({error.strerror}), so nothing was"
            " changed."
        ) from error
    try:
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        copy.unlink()
        raise StoreUnavailable(
            f"{copy}: the backup failed ({error}), so nothing was changed. It needs as"
            " much room as the store takes."
        ) from error
