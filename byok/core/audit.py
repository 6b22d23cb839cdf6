"""
Who changed what: entries that each hold the hash of the one before.

One that is altered, taken out or put in breaks the chain there and for good. What
the chain cannot show is that all of it was made anew, or that its end is missing:
for that, the hash of an entry is noted elsewhere, and looked for later.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum

from byok.policy.reader import holds_credential

GENESIS = "0" * 64
WITHHELD = "<withheld>"

_VERSION = 1
_SECRETIVE = re.compile(
    r"(?i)(?:^|[_-])(?:key|token|secret|password|credentials?|pepper|authorization)s?$"
)
# One of this gateway's keys that an admin gave has no other shape. The name that
# lists show, `sk-...` and four letters, is none.
_OURS = re.compile(r"(?i)(?<![a-z0-9])sk-[a-z0-9_-]{4}")
_STAMPS = frozenset({"updated_at", "updated_by"})

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change, as it is kept. *before* and *after* are JSON, or None."""

    seq: int
    at: float
    actor: str
    action: str
    subject: str
    before: str | None
    after: str | None
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """
    What a walk along the chain found.

    *broken* says what is wrong with which entry; the walk ends there.
    """

    count: int
    head: str
    broken: str | None = None


def chained(
    *,
    seq: int,
    at: float,
    actor: str,
    action: str,
    subject: str,
    before: Json | None,
    after: Json | None,
    previous: str,
) -> AuditEntry:
    """Return the entry that follows the one whose hash is *previous*."""
    plain = AuditEntry(
        seq=seq,
        at=at,
        actor=_storable(actor),
        action=action,
        subject=_storable(subject),
        before=_text(before),
        after=_text(after),
        previous=previous,
        hash="",
    )
    return AuditEntry(
        **{each.name: getattr(plain, each.name) for each in fields(AuditEntry)}
        | {"hash": hash_of(plain)}
    )


def hash_of(entry: AuditEntry) -> str:
    """Return the hash that *entry* has to have."""
    told = json.dumps(
        [
            _VERSION,
            entry.seq,
            entry.at,
            entry.actor,
            entry.action,
            entry.subject,
            entry.before,
            entry.after,
            entry.previous,
        ],
        separators=(",", ":"),
    )
    return hashlib.sha256(told.encode("ascii")).hexdigest()


def verify(
    entries: Iterable[AuditEntry],
    *,
    count: int | None = None,
    expected: tuple[int, str] | None = None,
) -> Verified:
    """
    Walk along *entries*, the oldest first, and say whether they are whole.

    *count* is how many there have to be, where that is known. *expected* is number
    and hash of an entry that somebody noted elsewhere.
    """
    seq, head = 0, GENESIS
    for entry in entries:
        broken = _broken(entry, seq, head)
        if broken is not None:
            return Verified(count=seq, head=head, broken=broken)
        seq, head = entry.seq, entry.hash
        if expected is not None and seq == expected[0] and head != expected[1]:
            return Verified(
                count=seq,
                head=head,
                broken=f"entry {seq} is not the one whose hash was noted: the chain was"
                " made anew",
            )
    last = max(count or 0, expected[0] if expected else 0)
    broken = f"entries {seq + 1} to {last} are missing" if seq < last else None
    return Verified(count=seq, head=head, broken=broken)


def told_changes(before: object, after: object) -> tuple[Json | None, Json | None]:
    """
    Return what an entry says of two dataclass records: no digest, and no secret.

    The fields in which they differ, as they were and as they are; all of one, where
    the other is None.
    """
    was, now = _told(before), _told(after)
    if was is None or now is None:
        return was, now
    names = [name for name in now if was[name] != now[name] and name not in _STAMPS]
    return {name: was[name] for name in names}, {name: now[name] for name in names}


def _told(record: object) -> Json | None:
    if record is None:
        return None
    names = getattr(type(record), "__dataclass_fields__", {})
    return {
        name: _without_secrets(getattr(record, name))
        for name in names
        if not name.endswith("digest")
    }


def _holds_secret(text: str) -> bool:
    return _OURS.search(text) is not None or holds_credential(text)


def _without_secrets(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return WITHHELD if _holds_secret(value) else value
    if isinstance(value, Mapping):
        return {
            WITHHELD if _holds_secret(str(name)) else str(name): (
                WITHHELD
                if isinstance(each, str) and _SECRETIVE.search(str(name))
                else _without_secrets(each)
            )
            for name, each in value.items()
        }
    if isinstance(value, Sequence):
        return [_without_secrets(each) for each in value]
    return value


def _broken(entry: AuditEntry, seq: int, head: str) -> str | None:
    if entry.seq != seq + 1:
        if entry.seq <= seq:
            return f"entry {entry.seq} is there twice"
        missing = f"entries {seq + 1} to {entry.seq - 1} are"
        if entry.seq == seq + 2:
            missing = f"entry {seq + 1} is"
        return f"{missing} missing"
    if entry.previous != head:
        return f"entry {entry.seq} does not follow the one before it"
    if entry.hash != hash_of(entry):
        return f"entry {entry.seq} was altered"
    return None


def _text(value: Json | None) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)


def _storable(text: str) -> str:
    # What UTF-8 or a database has no place for.
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
