"""A backup of a database, by the tool that its makers made for that."""

import os
import shutil
import subprocess
from pathlib import Path

import sqlalchemy as sa

from byok.core.errors import StoreUnavailable
from byok.store.location import Server

PROGRAM = "pg_dump"


def dump(server: Server, copy: Path) -> None:
    """
    Write the database of *server* to the new file *copy*, for `pg_restore`.

    The password goes by the program's environment, which no other user can read,
    and never by its arguments, which all can.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise StoreUnavailable(
            f"{server}: its backup is made by {PROGRAM}, which is not installed here."
            " On Debian: apt-get install postgresql-client"
        )
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"{copy}: no backup can be made here ({error.strerror})."
        ) from error
    url = sa.make_url(server.url)
    environment = {
        name: value for name, value in os.environ.items() if name != "PGPASSWORD"
    }
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    target = url.set(drivername="postgresql", password=None)
    done = subprocess.run(  # noqa: S603 - no shell, and every argument is our own
        [
            program,
            *("--format=custom", "--no-owner", "--no-privileges", "--no-password"),
            f"--file={copy}",
            f"--dbname={target.render_as_string(hide_password=False)}",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        copy.unlink(missing_ok=True)
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise StoreUnavailable(
            f"{server}: the backup failed: {said[-1] if said else done.returncode}"
        )
