"""`byok db`: the store as a whole, whether it is a file or a database server."""

from pathlib import Path

import click

from byok.cli.loading import config_option
from byok.cli.render import Style, Styled, Text, err, out
from byok.cli.storing import REFUSED, UNUSABLE, configured, end
from byok.core.errors import ByokError
from byok.store.schema import State, Upgraded
from byok.store.upkeep import Status, back_up, status_of, upgrade_store

_EPILOG = """\b
Examples:
  byok db status
  byok db backup before-upgrade.db
  byok db upgrade
  byok db upgrade --json -c /etc/byok/config.yaml

\b
A SQLite file is upgraded by the first gateway or command of a new release that opens
it, after a copy was put beside it. A PostgreSQL database waits for `byok db upgrade`:
gateways of the former release go on with it until they are replaced.
Exit codes: 0 done, or all is well; 1 the store has to be upgraded, is of a later
  byok, or is not whole; 2 wrong usage, or the config or the store cannot be used.
"""
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_WHAT_TO_DO = {
    State.EMPTY: "The first start of a gateway makes it; so does: byok db upgrade",
    State.BEHIND: "Run: byok db upgrade",
    State.NEWER: "Install the byok that wrote it, or put back a backup.",
    State.HALF_MADE: "Put back a backup: nothing can be made whole from what is here.",
}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@click.group(epilog=_EPILOG)
def db() -> None:
    """Look at the store, upgrade its tables, and make backups."""


@db.command()
@config_option
@_json_option
def status(*, config_path: Path, as_json: bool) -> None:
    """Say how the store is, and change nothing."""
    _, place, _ = configured(config_path)
    try:
        found = status_of(place)
    except ByokError as error:
        end(str(error), UNUSABLE)
    if as_json:
        out().json(_data(found))
    else:
        _show(found)
    if found.state is not State.CURRENT:
        raise SystemExit(REFUSED)


@db.command()
@config_option
@click.option("--no-backup", is_flag=True, help="Make no copy of a SQLite file first.")
@_json_option
def upgrade(*, config_path: Path, no_backup: bool, as_json: bool) -> None:
    """
    Bring the tables up to this release, all or nothing.

    An empty store gets its tables. A SQLite file is copied first; of a PostgreSQL
    database make a backup yourself: byok db backup.
    """
    _, place, _ = configured(config_path)
    try:
        done = upgrade_store(place, with_backup=not no_backup)
        found = status_of(place)
    except ByokError as error:
        end(str(error), UNUSABLE)
    if as_json:
        out().json(_upgraded(done, found))
    elif done is None:
        out().line(f"{found.place}: up to date at revision {found.revision}.")
    else:
        out().line(Styled("done ", Style.GOOD), str(done))


@db.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path), required=False)
@_json_option
def backup(*, config_path: Path, file: Path | None, as_json: bool) -> None:
    """
    Write a copy of the store to FILE, which must not be there yet.

    It may be in use meanwhile. Without FILE the copy is put beside a SQLite file, or
    into this directory. That of a PostgreSQL database is made by pg_dump and put
    back by pg_restore. Keep the pepper too, elsewhere: without it no key is valid.
    """
    _, place, _ = configured(config_path)
    try:
        copy = back_up(place, file)
    except ByokError as error:
        end(str(error), UNUSABLE)
    size = copy.stat().st_size
    if as_json:
        out().json({"store": str(place), "backup": str(copy), "size_bytes": size})
    else:
        err().line(f"{place}: {_size(size)} written to the file that follows.")
        out().line(str(copy))


def _show(found: Status) -> None:
    is_well = found.state is State.CURRENT
    rows: list[list[Text]] = [
        [Styled("store", Style.FAINT), found.place],
        [
            Styled("state", Style.FAINT),
            Styled(found.state.value, Style.GOOD if is_well else Style.BAD),
        ],
        [
            Styled("revision", Style.FAINT),
            f"{found.revision or '-'} (this byok: {found.newest})",
        ],
    ]
    if found.missing:
        rows.append([Styled("missing", Style.FAINT), ", ".join(found.missing)])
    if found.size_bytes is not None:
        rows.append([Styled("size", Style.FAINT), _size(found.size_bytes)])
    rows += [
        [Styled(f"rows in {name}", Style.FAINT), str(count)]
        for name, count in found.rows.items()
    ]
    out().table(rows)
    if not is_well:
        err().line(_WHAT_TO_DO[found.state])


def _data(found: Status) -> dict[str, object]:
    return {
        "store": found.place,
        "kind": found.kind,
        "state": found.state.value,
        "revision": found.revision,
        "newest_revision": found.newest,
        "missing": list(found.missing),
        "size_bytes": found.size_bytes,
        "rows": dict(found.rows),
    }


def _upgraded(done: Upgraded | None, found: Status) -> dict[str, object]:
    return {
        "store": found.place,
        "upgraded": done is not None,
        "before": found.revision if done is None else done.before,
        "after": found.revision,
        "backup": str(done.backup) if done and done.backup else None,
    }


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:  # noqa: PLR2004 - that is what the next unit is
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"
