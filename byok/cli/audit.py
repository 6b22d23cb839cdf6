"""`byok audit`: who changed what, and whether that is all of it."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from byok.cli.loading import config_option
from byok.cli.render import Style, Styled, Text, err, out
from byok.cli.storing import REFUSED, UNUSABLE, configured, end
from byok.core.audit import AuditEntry
from byok.core.durations import DURATION_HINT, parse_duration
from byok.core.errors import ByokError
from byok.core.key_answers import moment
from byok.store.opening import open_audit
from byok.store.sqlaudit import AuditWanted, SqlAudit

_EPILOG = """\b
Examples:
  byok audit show
  byok audit show --subject key:key_2f8Qm... --json
  byok audit show --actor cli:root --since 7d
  byok audit verify
  byok audit verify --expect 412:5f2b...

\b
Every change of keys, teams, users and members is written down with the change itself.
Each entry holds the hash of the one before, so what is altered or taken out shows.
That the whole chain was made anew shows only against a hash that was noted elsewhere:
keep what `verify` prints, and give it to --expect later.
Exit codes: 0 the chain is whole; 1 it is not; 2 wrong usage, or the config or the
  store cannot be used.
"""
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NOTED = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
_WIDEST = 100


@click.group(epilog=_EPILOG)
def audit() -> None:
    """Show who changed what, and check that nothing of it was altered."""


@audit.command()
@config_option
@click.option(
    "--expect",
    metavar="SEQ:HASH",
    help="What an earlier verify printed; it has to be there still.",
)
@_json_option
def verify(*, config_path: Path, expect: str | None, as_json: bool) -> None:
    """Walk along the whole chain, and print its end to be noted elsewhere."""
    with _opened(config_path) as log:
        found = log.verify(expected=_noted(expect))
    head = f"{found.count}:{found.head}"
    if as_json:
        out().json(
            {
                "whole": found.broken is None,
                "entries": found.count,
                "head": head,
                "broken": found.broken,
            }
        )
    elif found.broken is None:
        err().line(f"{found.count} entries, each as it was written. The end:")
        out().line(head)
    else:
        err().line(Styled("broken ", Style.BAD), f"{found.broken}.")
        err().line(f"Whole as far as entry {found.count}.")
    if found.broken is not None:
        raise SystemExit(REFUSED)


@audit.command()
@config_option
@click.option("--subject", help="Only of this: key:ID, team:ID, user:ID, pin:ID.")
@click.option("--actor", help="Only by this one: cli:root, master-key.")
@click.option("--action", help="Only this: key.create, team.update, ...")
@click.option("--since", metavar="SPAN", help="Only of this long ago: 24h, 7d.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@_json_option
def show(
    *,
    config_path: Path,
    subject: str | None,
    actor: str | None,
    action: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List changes, the newest first."""
    wanted = AuditWanted(
        limit=limit,
        subject=subject,
        actor=actor,
        action=action,
        since=None if since is None else time.time() - _span(since),
    )
    with _opened(config_path) as log:
        found = log.newest(wanted)
    if as_json:
        out().json({"entries": [_data(each) for each in found]})
        return
    if not found:
        err().line("Nothing of that kind was changed.")
        return
    rows: list[list[Text]] = [
        [
            str(each.seq),
            moment(each.at) or "",
            each.actor,
            Styled(each.action, Style.STRONG),
            each.subject,
            _what(each),
        ]
        for each in found
    ]
    out().table(rows, heads=("SEQ", "TIME", "BY", "ACTION", "SUBJECT", "WHAT"))


@contextmanager
def _opened(config_path: Path) -> Iterator[SqlAudit]:
    _, place, _ = configured(config_path)
    try:
        with open_audit(place) as log:
            yield log
    except ByokError as error:
        end(str(error), UNUSABLE)


def _noted(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    found = _NOTED.fullmatch(text.strip().lower())
    if found is None:
        raise click.UsageError("--expect: a number, a colon and 64 hex digits")
    return int(found[1]), found[2]


def _span(text: str) -> float:
    span = parse_duration(text)
    if span is None:
        raise click.UsageError(f"--since: {DURATION_HINT}")
    return span.after(0.0)


def _what(entry: AuditEntry) -> str:
    """Say in few words what changed: of an update, the new values."""
    before, after = _read(entry.before), _read(entry.after)
    if before is None or after is None:
        whole = after if before is None else before
        named = {name: each for name, each in (whole or {}).items() if each}
        for name in ("key_alias", "team_alias", "user_alias", "user_email", "role"):
            if name in named:
                return _short(f"{name}={named[name]}")
        return ""
    return _short(", ".join(f"{name}={_one(each)}" for name, each in after.items()))


def _one(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


def _read(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    read: dict[str, object] = json.loads(text)
    return read


def _data(entry: AuditEntry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "time": moment(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "before": _read(entry.before),
        "after": _read(entry.after),
        "previous": entry.previous,
        "hash": entry.hash,
    }
