"""What `byok keys` prints: tables for people, the key alone for scripts."""

import json
import sys
import time
from collections.abc import Mapping, Sequence

from byok.cli.key_options import option_named
from byok.cli.render import Style, Styled, Text, err, out
from byok.core.key_answers import NOTHING, Spent, moment, shown
from byok.core.key_requests import KeyChange, weak_key_warning
from byok.core.keys import VirtualKey, is_in_force
from byok.core.secret import Secret

_HEADS = ("ALIAS", "ID", "KEY", "STATE", "EXPIRES", "MODELS", "USER", "TEAM")


def show_list(
    found: Sequence[VirtualKey], spent: Mapping[str, Spent], *, as_json: bool
) -> None:
    """Print a table of keys; programs are told what each has *spent*, too."""
    if as_json:
        keys = [shown(key, spent.get(key.token_id, NOTHING)) for key in found]
        out().json({"keys": keys, "total_count": len(found)})
    elif found:
        now = time.time()
        out().table([_row(key, now) for key in found], heads=_HEADS)
    else:
        err().line("There are no keys. `byok keys create --alias NAME` makes one.")


def _row(record: VirtualKey, now: float) -> list[Text]:
    return [
        Styled(record.key_alias or "-", Style.STRONG),
        record.token_id,
        record.key_name,
        _state(record, now),
        moment(record.expires_at) or "never",
        ",".join(record.models) or "all",
        record.user_id or "-",
        record.team_id or "-",
    ]


def _state(record: VirtualKey, now: float) -> Styled:
    if record.blocked:
        return Styled("blocked", Style.BAD)
    if not is_in_force(record, now):
        return Styled("expired", Style.WARN)
    return Styled("active", Style.GOOD)


def show_record(record: VirtualKey, spent: Spent, *, as_json: bool) -> None:
    """Print one key, but for the key itself."""
    if as_json:
        out().json(shown(record, spent))
        return
    rows: list[list[Text]] = [["state", _state(record, time.time())]]
    for name, value in shown(record, spent).items():
        if name not in {"token", "blocked"} and value not in (None, [], {}):
            rows.append([Styled(name, Style.FAINT), _text(value)])
    out().table(rows)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return (
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    )


def show_key(
    key: Secret, record: VirtualKey, change: KeyChange | None, *, as_json: bool
) -> None:
    """Print a new *key*: alone on standard output, about it on standard error."""
    weak = weak_key_warning(key)
    warnings = [*([weak] if weak else []), *(change.warnings if change else ())]
    if as_json:
        out().json({"key": key.reveal(), **shown(record), "warnings": warnings})
        return
    warn(warnings)
    out().line(key.reveal())
    screen = err()
    screen.line(f"This is the key {record.key_alias or record.token_id}.")
    screen.line("It is shown this once: give it to its owner, and keep no copy.")
    screen.line("In Claude Code:")
    screen.line(
        f'  export ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: {key.reveal()}"'
        if sys.stderr.isatty()
        else '  export ANTHROPIC_CUSTOM_HEADERS="x-litellm-api-key: <the key>"'
    )


def warn(warnings: Sequence[str]) -> None:
    """Print *warnings* where they are in nobody's way."""
    for warning in warnings:
        err().line(Styled("warning ", Style.WARN), option_named(warning))
