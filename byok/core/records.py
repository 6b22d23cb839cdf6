"""
The record of one decision: what stays of it when the request is gone.

It is enough to explain the decision again, and to decide the same kind of request
by other rules. It holds names, classes, rules and lengths. A value is in it only
where a `log` rule says so, and a credential's never.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from byok.core.errors import Refusal
from byok.core.exchange import Caller, Decided, credential_field
from byok.core.facts import Headers, RequestFacts
from byok.core.secret import fingerprint
from byok.policy import slot
from byok.policy.classes import (
    CREDENTIAL_SHAPES,
    Classified,
    How,
    without_scheme,
)
from byok.policy.declared import NOTHING_DECLARED
from byok.policy.outcome import Difference, Injection, Verdict
from byok.policy.plan import DEFAULT_DENY, sent_field
from byok.policy.rules import Action, LogLevel, Rule
from byok.policy.tiers import Overridden

VERSION = 1

MOST_FIELDS = 100
"""How many fields of a request are recorded; further ones are counted."""

HIDDEN = "[hidden]"
"""Stands for a name that is a credential: somebody put one in the wrong place."""

_MOST_TEXT = 128
# A shorter one is part of many words.
FINDABLE = 6
_MOST_MESSAGE = 512
_MOST_CELLS = 4096
_MOST_RULES = 32

# In a name there is no boundary to tell a key by: `x-sk-...` is one, too.
_LOWER_SHAPE = re.compile(
    b"(?:%b)[a-z0-9_-]{16}"
    % b"|".join(re.escape(prefix.lower()) for prefix, _ in CREDENTIAL_SHAPES)
)

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How the exchange ended, as far as that is known."""

    status: int | None = None
    error: str | None = None
    ending: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """
    One decision as it was made: for whom, about what, and what came of it.

    `sent` are the headers that left, none where the request was refused;
    `answer_shadow` is what shadow rules would have made of the answer.
    """

    id: str
    at: float
    facts: RequestFacts
    caller: Caller
    result: Decided | Refusal
    sent: Headers = field(default=(), repr=False)
    answer_shadow: tuple[Difference, ...] = ()
    config_digest: str = ""
    generation: str = ""
    end: End = field(default_factory=End)

    @property
    def refusal(self) -> Refusal | None:
        """What the request is answered with instead of being sent, if so."""
        return self.result if isinstance(self.result, Refusal) else self.result.refusal

    @property
    def shadow(self) -> tuple[Difference, ...]:
        """What shadow rules would have changed, there and back."""
        decided = self.result if isinstance(self.result, Decided) else None
        return (*(decided.outcome.shadow if decided else ()), *self.answer_shadow)


class RecordBuilder:
    """
    Writes records of decisions.

    What is the same for all fields of one cell is worked out once: a client sends
    the same twenty headers at each turn.
    """

    def __init__(self) -> None:
        self._cells: dict[tuple[object, ...], _Cell] = {}

    def build(self, deciding: Deciding) -> dict[str, object]:
        """Return the record as JSON data (schemas/decision-v1.schema.json)."""
        return self.place(deciding)[0]

    def place(self, deciding: Deciding) -> tuple[dict[str, object], tuple[int, ...]]:
        """Return the record, and which field each of its headers is."""
        places: tuple[int, ...] = ()
        result = deciding.result
        hidden = _Hidden(deciding)
        record: dict[str, object] = {
            "version": VERSION,
            "id": deciding.id,
            "time": round(deciding.at, 3),
            "config_digest": deciding.config_digest or None,
            "generation": deciding.generation or deciding.config_digest or None,
            "caller": caller_shown(deciding.caller),
            "request": _request(deciding, hidden),
            "verdict": "deny" if deciding.refusal else "allow",
            "refusal": _refusal(deciding.refusal),
            "headers": [],
            "more_headers": 0,
            "injections": [],
            "credential": None,
            "shadow": [],
            "sends": [],
            "outcome": end_shown(deciding.end),
        }
        if isinstance(result, Decided):
            places = self._tell(record, deciding, result, hidden)
        return record, places

    def _tell(
        self,
        record: dict[str, object],
        deciding: Deciding,
        result: Decided,
        hidden: "_Hidden",
    ) -> tuple[int, ...]:
        outcome = result.outcome
        own = outcome.credential.index
        chosen = None
        if result.refusal is None:
            chosen = credential_field(deciding.facts, result)
        rows: list[dict[str, object]] = []
        places: list[int] = []
        for index, (name, value) in enumerate(outcome.headers[:MOST_FIELDS]):
            cell = self._cell(index, result, hidden)
            if cell.level is LogLevel.DROP:
                continue
            row = cell.row.copy()
            row["length"] = len(value)
            if result.refusal is not None:
                row["sent_as"] = None
            elif index == own:
                row["sent_as"] = chosen[0].decode("latin-1") if chosen else None
            elif cell.depends:
                sent = sent_field((name, value), outcome.verdicts[index])
                row["sent_as"] = None if sent is None else row["name"]
            if cell.level is LogLevel.HASH and value:
                row["fingerprint"] = fingerprint(value)
            elif cell.level is LogLevel.FULL:
                row["value"] = hidden.text(value.decode("utf-8", "replace"))
            rows.append(row)
            places.append(index)
        record["headers"] = rows
        record["more_headers"] = len(outcome.headers) - len(rows)
        record["injections"] = [_injection(each) for each in outcome.injections]
        record["credential"] = _credential(result, chosen)
        record["shadow"] = [_shadow(each, hidden) for each in deciding.shadow]
        record["sends"] = sorted({hidden.name(name) for name, _ in deciding.sent})
        return tuple(places)

    def _cell(self, index: int, result: Decided, hidden: "_Hidden") -> "_Cell":
        """Return what the field at *index* shares with all others of its cell."""
        outcome = result.outcome
        name = outcome.headers[index][0]
        kind, verdict = outcome.kinds[index], outcome.verdicts[index]
        source = outcome.credential.source
        key = name, kind.cls, kind.own_slot, id(verdict), source
        cell = self._cells.get(key) if hidden.is_clean else None
        # An id is a verdict's own as long as it lives, and the cell keeps it alive.
        # How a class was found out may differ between fields of one verdict.
        if cell is None or cell.how is not kind.how:
            cell = _Cell(
                verdict=verdict,
                how=kind.how,
                level=result.plan.log_level(name, kind, source),
                row=_row(hidden.name(name), kind, verdict, hidden),
                depends=verdict.action is Action.FILTER,
            )
            if len(self._cells) >= _MOST_CELLS:
                self._cells.clear()
            if hidden.is_clean:
                self._cells[key] = cell
        return cell


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """The row of all fields that no rule tells apart; some depend on their value."""

    verdict: Verdict
    how: How
    level: LogLevel
    row: dict[str, object]
    depends: bool


def came(deciding: Deciding) -> list[bytes]:
    """Return the credentials that came with a request, of whatever kind."""
    caller, result = deciding.caller, deciding.result
    values = [secret.reveal_bytes() for secret in caller.others]
    if caller.secret is not None:
        values.append(caller.secret.reveal_bytes())
    if isinstance(result, Decided):
        values += [
            without_scheme(result.outcome.headers[index][1])
            for index, kind in enumerate(result.outcome.kinds)
            if kind.cls.startswith("credential.")
        ]
    return values


class _Hidden:
    """What must not come out as part of a name or a word of this request."""

    __slots__ = ("_class_table", "_values", "is_clean")

    def __init__(self, deciding: Deciding) -> None:
        result = deciding.result
        self._class_table = (
            result.plan.class_table if isinstance(result, Decided) else NOTHING_DECLARED
        )
        # Names arrive in lower case, and a credential in one of them is so too.
        self._values = tuple(
            {value.lower() for value in came(deciding) if len(value) >= FINDABLE}
        )
        names = [name for name, _ in deciding.facts.headers]
        self.is_clean = not self._holds(b"\n".join(names))

    def name(self, name: bytes) -> str:
        """Return the name of a field, shortened, unless it is a credential."""
        if not self.is_clean and self._holds(name):
            return HIDDEN
        return name.decode("latin-1")[:_MOST_TEXT]

    def text(self, text: str) -> str:
        """Return *text*, shortened, unless a credential is in it."""
        encoded = text.encode("utf-8", "surrogateescape")
        return HIDDEN if self._holds(encoded) else text[:_MOST_TEXT]

    def _holds(self, text: bytes) -> bool:
        lower = text.lower()
        return (
            self._class_table.find_credential(text) is not None
            or self._class_table.is_in_lower(lower)
            or _LOWER_SHAPE.search(lower) is not None
            or any(value in lower for value in self._values)
        )


def _row(
    name: str, kind: Classified, verdict: Verdict, hidden: _Hidden
) -> dict[str, object]:
    rule = verdict.rule
    sent = sent_field((name.encode("latin-1"), b""), verdict)
    row: dict[str, object] = {
        "name": name,
        "class": kind.cls,
        "how": kind.how.value,
        "slot": _slot(kind),
        "length": 0,
        "verdict": verdict.action.word,
        "sent_as": None if sent is None else hidden.name(sent[0]),
        "reason": f"compat:{rule.compat}"
        if rule is not None and rule.compat
        else verdict.reason.value,
        **(rule_shown(rule) if rule is not None else _NO_RULE),
    }
    if verdict.beside:
        row["beside"] = [rule_shown(each) for each in verdict.beside[:_MOST_RULES]]
    if verdict.drop:
        row["drops"] = [glob.text for glob in verdict.drop]
    if verdict.over:
        row["over"] = [_overridden(each) for each in verdict.over[:_MOST_RULES]]
    return row


def _slot(kind: Classified) -> str | None:
    if not kind.is_provider_credential:
        return None
    return "own" if kind.own_slot else "foreign"


_NO_RULE: Json = {"rule": DEFAULT_DENY, "tier": None, "origin": None, "why": ""}


def rule_shown(rule: Rule) -> dict[str, object]:
    """Return how a rule stands in a record: its id, tier, place and reason."""
    return {
        "rule": rule.id,
        "tier": rule.tier.word,
        "origin": str(rule.where),
        "why": rule.why,
    }


def _overridden(each: Overridden) -> Json:
    return {
        "rule": each.rule.id,
        "would": each.rule.action.word,
        "origin": str(each.rule.where),
        "because": each.because,
    }


def caller_shown(caller: Caller) -> Json:
    """Return how a caller stands in a record."""
    return {
        "key_id": caller.key_id,
        "key": caller.name,
        "team": caller.team or None,
        "user": caller.user or None,
        "tags": sorted(caller.tags)[:MOST_FIELDS],
        "auth_header": caller.carrier or None,
    }


def end_shown(end: End) -> Json:
    """Return how the end of an exchange stands in a record."""
    return {"status": end.status, "error": end.error, "ending": end.ending}


def _request(deciding: Deciding, hidden: _Hidden) -> Json:
    facts, result = deciding.facts, deciding.result
    model = facts.head.model if facts.head else None
    request: dict[str, object] = {
        "method": facts.method,
        "route": facts.route.id,
        "model": None if model is None else hidden.text(model),
        "stream": bool(facts.head and facts.head.stream),
    }
    if isinstance(result, Decided):
        found = result.deployment
        request |= {
            "model_group": found.model_group,
            "deployment": found.name,
            "provider": found.provider,
            "upstream_model": hidden.text(result.upstream_model),
            "scheme": found.origin.scheme,
            "host": found.origin.host,
            "origin": str(found.origin),
        }
        if found.via is not None:
            request["via"] = str(found.via)
    return request


def _refusal(refusal: Refusal | None) -> Json | None:
    if refusal is None:
        return None
    return {
        "status": refusal.status,
        "type": refusal.kind,
        "code": refusal.code,
        "rule": refusal.rule,
        "message": refusal.message[:_MOST_MESSAGE],
    }


def _injection(each: Injection) -> Json:
    inject = each.rule.inject
    return {
        "name": each.name,
        "when": inject.when.value if inject else None,
        "applied": each.applied,
        **rule_shown(each.rule),
        "over": [_overridden(over) for over in each.over[:_MOST_RULES]],
    }


def _credential(result: Decided, chosen: tuple[bytes, bytes] | None) -> Json:
    credential = result.outcome.credential
    return {
        "source": credential.source,
        "header": credential.name or None,
        "sent_as": None if chosen is None else chosen[0].decode("latin-1"),
        "class": credential.cls or None,
        "payer": None if credential.source == slot.NONE else credential.payer,
        "policy": str(credential.where),
        "rejected": [
            {"candidate": each.candidate, "because": each.because}
            for each in credential.rejected
        ],
        "trust": result.deployment.trust_note or None,
    }


def _shadow(each: Difference, hidden: _Hidden) -> Json:
    return {
        "slot": hidden.text(each.slot),
        "would": each.would,
        "rule": each.rule.id if each.rule else None,
        "origin": str(each.rule.where) if each.rule else None,
    }


def items(value: object) -> Sequence[Json]:
    """Return a list of a record as what it is, for those who check types."""
    return value if isinstance(value, Sequence) else ()
