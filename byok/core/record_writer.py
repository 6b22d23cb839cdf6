"""
Records as the text that is kept of them, written fast where most of it is known.

Requests of one shape differ in little: who asked and when, how long the values were,
how it ended. The rest of their records is written once and kept, with holes for what
differs. Whatever else may depend on a request is written at length.
"""

from dataclasses import dataclass

import msgspec
from msgspec import json

from byok.core.exchange import Decided
from byok.core.records import (
    FINDABLE,
    Deciding,
    RecordBuilder,
    caller_shown,
    came,
    end_shown,
    items,
)
from byok.core.routing import Deployment
from byok.core.secret import fingerprint
from byok.core.written import Pattern, Written
from byok.policy.outcome import Ruling

_MOST_MET = 512
_HOLE = msgspec.Raw(b"\x00")
_BEARER = b"Bearer "
# In the order in which they stand in a row.
_OF_VALUE = ("length", "fingerprint")
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """
    A record with holes: for the length of each field at `places`, among others, and
    for the fingerprint of those that have one.

    `words` are all of it that a request could have put a credential into, the
    `longest` of them that long, and `credentials` the fields that are some.
    """

    shared: Pattern
    places: tuple[tuple[int, bool], ...]
    credentials: tuple[int, ...]
    words: bytes
    longest: int


@dataclass(slots=True)
class _Met:
    """What was met once; it is kept alive as long as its identity is a key."""

    ruling: Ruling
    deployment: Deployment
    pattern: _Known | None = None


class RecordWriter:
    """Writes records of decisions, most of them into the pattern of one before."""

    def __init__(self) -> None:
        self._builder = RecordBuilder()
        self._met: dict[_Key, _Met] = {}

    def write(self, deciding: Deciding) -> Written:
        """Return the record of *deciding*, which is JSON."""
        result = deciding.result
        if not isinstance(result, Decided) or result.refusal is not None:
            return Written(_encoded(self._builder.build(deciding)))
        key = _key(deciding, result)
        known = self._met.get(key)
        if known is None:
            # What was decided at length has a ruling of its own, which does not come
            # again. The second record of one ruling is worth a pattern.
            if len(self._met) >= _MOST_MET:
                del self._met[next(iter(self._met))]
            self._met[key] = _Met(result.outcome.ruling, result.deployment)
        elif known.pattern is None:
            known.pattern = self._pattern(deciding, result)
        elif not _is_repeated(known.pattern, deciding, result):
            return _filled(known.pattern, deciding, result)
        return Written(_encoded(self._builder.build(deciding)))

    def _pattern(self, deciding: Deciding, result: Decided) -> _Known | None:
        """Return a pattern, or None where a record holds something of the values."""
        record, places = self._builder.place(deciding)
        rows = items(record["headers"])
        words = _words(deciding, result)
        if any("value" in row for row in rows):
            return None
        if any(_is_in(value, words) for value in came(deciding)):
            return None
        hashed = ["fingerprint" in row for row in rows]
        holed = {
            **record,
            "id": _HOLE,
            "time": _HOLE,
            "caller": _HOLE,
            "headers": [
                {name: _HOLE if name in _OF_VALUE else row[name] for name in row}
                for row in rows
            ],
            "outcome": _HOLE,
        }
        kinds = enumerate(result.outcome.kinds)
        return _Known(
            # JSON holds no such byte but where it was put.
            shared=Pattern.of(_encoded(holed).replace("\x00", "\n")),
            places=tuple(zip(places, hashed, strict=True)),
            credentials=tuple(at for at, kind in kinds if kind.is_credential),
            words=words,
            longest=max(map(len, words.split(b"\n"))),
        )


def _filled(pattern: _Known, deciding: Deciding, result: Decided) -> Written:
    headers = result.outcome.headers
    filling = [
        _encoded(deciding.id),
        str(round(deciding.at, 3)),
        _encoded(caller_shown(deciding.caller)),
    ]
    for at, hashed in pattern.places:
        value = headers[at][1]
        filling.append(str(len(value)))
        if hashed:
            filling.append(f'"{fingerprint(value)}"')
    filling.append(_encoded(end_shown(deciding.end)))
    return Written("\n".join(filling), pattern.shared)


def _key(deciding: Deciding, result: Decided) -> _Key:
    """Return all that a pattern depends on, but for what its holes are for."""
    facts = deciding.facts
    head = facts.head
    return (
        id(result.outcome.ruling),
        id(result.deployment),
        facts.method,
        facts.route.id,
        None if head is None else head.model,
        head is not None and head.stream,
        result.upstream_model,
        deciding.config_digest,
        deciding.generation,
        len(deciding.sent),
        # Answers to requests of one ruling differ.
        tuple(
            (each.slot, each.would, each.rule and (each.rule.tier, each.rule.id))
            for each in deciding.answer_shadow
        ),
    )


def _words(deciding: Deciding, result: Decided) -> bytes:
    """Return all of a record that a request could have put a credential into."""
    head = deciding.facts.head
    words = [result.upstream_model, (head.model if head else None) or ""]
    words += [each.slot for each in deciding.shadow]
    names = [name for name, _ in (*result.outcome.headers, *deciding.sent)]
    texts = [word.encode("utf-8", "surrogateescape") for word in words]
    return b"\n".join([*names, *texts]).lower()


def _is_repeated(pattern: _Known, deciding: Deciding, result: Decided) -> bool:
    """Is a credential that came with this request in a word of its record, too?"""
    caller, headers = deciding.caller, result.outcome.headers
    values = [headers[at][1] for at in pattern.credentials]
    if caller.secret is not None:
        values.append(caller.secret.reveal_bytes())
    if caller.others:
        values += [other.reveal_bytes() for other in caller.others]
    for value in values:
        # Few are as short as that.
        if len(value) - len(_BEARER) <= pattern.longest and _is_in(
            value.removeprefix(_BEARER), pattern.words
        ):
            return True
    return False


def _is_in(value: bytes, words: bytes) -> bool:
    return len(value) >= FINDABLE and value.lower() in words


def _encoded(value: object) -> str:
    return json.encode(value).decode("utf-8")
