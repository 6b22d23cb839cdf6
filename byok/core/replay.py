"""
A recorded decision made again: the same kind of request, under other rules.

Values were never kept, so each header gets a made-up one of the recorded class, in
the recorded place. Rules ask for nothing else of a value, but for the members that
a filter drops and what a client's address would be.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from byok.core.belonging import NOBODYS, Belonging
from byok.core.body import read_head
from byok.core.errors import Refusal
from byok.core.exchange import (
    MASTER_KEY_ID,
    SINGLE_USER,
    Caller,
    Decided,
    Gateway,
    decide,
)
from byok.core.explain import Setting, destination, explain
from byok.core.facts import Headers, RequestFacts
from byok.core.keys import VirtualKey
from byok.core.record_text import explanation_of
from byok.core.records import HIDDEN, Json, items
from byok.core.routes import RELAYED
from byok.core.secret import Secret
from byok.policy import classes, names

_OUR_KEY = "replayed-gateway-key-" + "x" * 32
_OPAQUE = b"replayed-opaque-value-" + b"x" * 32
_PREFIXES = {cls: prefix for prefix, cls in reversed(classes.CREDENTIAL_SHAPES)}
_ROUTES = {route.id: route for route in RELAYED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A request like the recorded one, and what of it had to be guessed."""

    facts: RequestFacts
    caller: Caller
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that another configuration does differently, and by which rule."""

    slot: str
    before: str
    after: str
    rule: str = ""
    origin: str = ""

    def __str__(self) -> str:
        by = f"  by {self.rule}" if self.rule else ""
        where = f"  {self.origin}" if self.origin else ""
        return f"{self.slot}: {self.before} -> {self.after}{by}{where}"

    def shown(self) -> dict[str, object]:
        """Return the change as JSON data."""
        return {
            "slot": self.slot,
            "before": self.before,
            "after": self.after,
            "rule": self.rule or None,
            "origin": self.origin or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a configuration makes of a recorded request."""

    explanation: Mapping[str, object]
    changes: tuple[Change, ...]


def rebuild(
    record: Json, *, key: VirtualKey | None = None, belongs: Belonging = NOBODYS
) -> Rebuilt | str:
    """
    Return a request like that of *record*, or why there can be none.

    *key* is the caller's key as it is now, where it still is, and *belongs* its user
    and its team.
    """
    request = _object(record["request"])
    route = _ROUTES.get(str(request["route"]))
    if "deployment" not in request or route is None:
        return "it was refused before its headers were looked at"
    model = str(request["model"])
    if model == HIDDEN:
        return "the name of its model was not recorded"
    assumed = ["values of headers are made up from their recorded classes"]
    rows = [each for each in items(record["headers"]) if each["name"] != HIDDEN]
    left_out = len(items(record["headers"])) - len(rows)
    left_out += int(str(record["more_headers"]))
    if left_out:
        assumed.append(f"{left_out} headers that were not recorded are left out")
    caller = _caller(record, key, belongs)
    if caller.record is None and not (caller.is_master or caller is SINGLE_USER):
        assumed.append(
            f"the key {caller.name} is not there any more; it may use every model"
        )
    stream = bool(request["stream"])
    body = json.dumps({"model": model, "max_tokens": 1, "stream": stream}).encode()
    head = read_head(body)
    if isinstance(head, Refusal):
        return head.message
    facts = RequestFacts(
        method=str(request["method"]),
        route=route,
        query=b"",
        headers=_headers(rows),
        head=head,
        body=body,
    )
    return Rebuilt(facts=facts, caller=caller, assumed=tuple(assumed))


def replay(
    record: Json,
    rebuilt: Rebuilt,
    gateway: Gateway,
    *,
    config_digest: str = "",
    assumed: Sequence[str] = (),
) -> Replayed:
    """Decide the *rebuilt* request of *record* by *gateway*, and compare."""
    result = decide(rebuilt.facts, rebuilt.caller, gateway)
    setting = Setting(
        config_digest=config_digest,
        decision_id=str(record["id"]),
        assumed=(*rebuilt.assumed, *assumed),
    )
    explanation = explain(rebuilt.facts, rebuilt.caller, result, setting)
    found = changes(explanation_of(record), explanation)
    if isinstance(result, Decided):
        return Replayed(explanation=explanation, changes=found)
    # Refused before its headers were looked at: that alone is the change.
    refusals = tuple(each for each in found if each.slot == "request")
    return Replayed(explanation=explanation, changes=refusals)


def changes(before: Json, after: Json) -> tuple[Change, ...]:
    """
    Return what differs between two explanations of one request.

    What counts is what happens: where it goes, who pays, what each header becomes.
    That another rule or line decides the same is no difference.
    """
    found = [
        *_request_changes(before, after),
        *_slot_changes(before, after),
        *_injection_changes(before, after),
        *_credential_changes(before, after),
    ]
    return tuple(found)


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _caller(record: Json, key: VirtualKey | None, belongs: Belonging) -> Caller:
    known = _object(record["caller"])
    key_id = str(known["key_id"])
    if key_id == SINGLE_USER.key_id:
        return SINGLE_USER
    carrier = str(known["auth_header"] or "")
    secret = Secret(_OUR_KEY)
    if key is not None:
        return Caller.of_key(key, carrier, secret, belongs)
    tags = known["tags"]
    return Caller(
        key_id=key_id,
        alias="" if known["key"] == key_id else str(known["key"]),
        carrier=carrier,
        secret=secret,
        user=str(known["user"] or ""),
        team=str(known["team"] or ""),
        tags=frozenset(map(str, tags if isinstance(tags, Sequence) else ())),
        is_master=key_id == MASTER_KEY_ID,
    )


def _headers(rows: Sequence[Json]) -> Headers:
    nominated = [
        str(row["name"])
        for row in rows
        if row["class"] == classes.HOP_BY_HOP
        and str(row["name"]).encode("latin-1") not in names.HOP_BY_HOP
    ]
    return tuple(
        (name, ", ".join(nominated or ["close"]).encode("latin-1"))
        if name == b"connection"
        else (name, _value(name, row))
        for row in rows
        for name in [str(row["name"]).encode("latin-1")]
    )


def _value(name: bytes, row: Json) -> bytes:
    """Make up a value that is classified as the recorded one was."""
    cls, how = str(row["class"]), row["how"]
    if not row["length"]:
        return b""
    if "value" in row:
        return str(row["value"]).encode("utf-8")
    if cls == classes.GATEWAY and how == "value":
        return _in_place(name, _OUR_KEY.encode(), own=True)
    if how == "shape":
        token = _PREFIXES.get(cls, _OPAQUE) + b"x" * 40
        return _in_place(name, token, own=row["slot"] != "foreign")
    if cls.startswith(classes.PROVIDER_CREDENTIAL_PREFIX):
        return _in_place(name, _OPAQUE, own=row["slot"] == "own")
    if cls == classes.AMBIGUOUS and how == "value":
        return b"\xff"
    return b"x"


def _in_place(name: bytes, token: bytes, *, own: bool) -> bytes:
    """Write *token* as its provider reads it in the header *name*, or does not."""
    if not own:
        # Two words are no credential, wherever they stand.
        return b"a, " + token
    return b"Bearer " + token if name == b"authorization" else token


def _request_changes(before: Json, after: Json) -> list[Change]:
    out: list[Change] = []
    old, new = _answer(before), _answer(after)
    if old != new:
        refusal = _object(after["refusal"])
        rule = str(refusal.get("rule") or "")
        out.append(Change(slot="request", before=old, after=new, rule=rule))
    was, now = (destination(_object(each["request"])) for each in (before, after))
    if was and now and was != now:
        out.append(Change(slot="destination", before=was, after=now))
    return out


def _answer(explanation: Json) -> str:
    refusal = explanation["refusal"]
    if not isinstance(refusal, Mapping):
        return "allow"
    return f"deny {refusal['status']} {refusal['code']}"


def _slot_changes(before: Json, after: Json) -> list[Change]:
    old, new = _numbered(before["slots"]), _numbered(after["slots"])
    leave = before["refusal"] is None and after["refusal"] is None
    out: list[Change] = []
    for place, row in new.items():
        earlier = old.get(place)
        if earlier is None:
            continue
        was, now = _fate(earlier, leaves=leave), _fate(row, leaves=leave)
        if was == now:
            continue
        rule = items(row["determining"])[0]
        out.append(
            Change(
                slot=str(row["slot"]),
                before=was,
                after=now,
                rule=str(rule["rule"]),
                origin=str(rule["origin"] or ""),
            )
        )
    return out


def _numbered(slots: object) -> dict[tuple[str, int], Json]:
    """Return the slots by their name and how many of that name came before."""
    seen: Counter[str] = Counter()
    out: dict[tuple[str, int], Json] = {}
    for row in items(slots):
        name = str(row["slot"])
        out[name, seen[name]] = row
        seen[name] += 1
    return out


def _fate(row: Json, *, leaves: bool) -> str:
    """Say what becomes of a field, and under which name it *leaves*."""
    verdict = str(row["verdict"])
    name = str(row["slot"]).removeprefix("header:")
    drops = [str(each) for each in items(row["drops"])]
    if verdict == "filter":
        return f"filter {', '.join(sorted(drops))}"
    sent = row["sent_as"] if leaves else None
    return f"{verdict} as {sent}" if sent and sent != name else verdict


def _injection_changes(before: Json, after: Json) -> list[Change]:
    old = {str(each["slot"]): each for each in items(before["injections"])}
    new = {str(each["slot"]): each for each in items(after["injections"])}
    out: list[Change] = []
    for slot in sorted(old.keys() | new.keys()):
        was, now = _put_in(old.get(slot)), _put_in(new.get(slot))
        if was != now:
            rule: Json = {}
            if slot in new:
                rule = items(new[slot]["determining"])[0]
            out.append(
                Change(
                    slot=slot,
                    before=was,
                    after=now,
                    rule=str(rule.get("rule", "")),
                    origin=str(rule.get("origin", "")),
                )
            )
    return out


def _put_in(injection: Json | None) -> str:
    return "inject" if injection is not None and injection["applied"] else "nothing"


def _credential_changes(before: Json, after: Json) -> list[Change]:
    old, new = before["credential"], after["credential"]
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return []
    out: list[Change] = []
    for slot, name in (("credential", "source"), ("payer", "payer")):
        was, now = old[name] or "nobody", new[name] or "nobody"
        if was != now:
            out.append(Change(slot=slot, before=str(was), after=str(now)))
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All recorded requests for which the same things change."""

    changes: tuple[Change, ...]
    ids: tuple[str, ...]


def grouped(replayed: Mapping[str, Replayed]) -> tuple[Group, ...]:
    """Put decisions together by what changes; those without a change are left out."""
    ids: dict[tuple[Change, ...], list[str]] = {}
    for name, each in replayed.items():
        if each.changes:
            ids.setdefault(each.changes, []).append(name)
    groups = [Group(changes=what, ids=tuple(which)) for what, which in ids.items()]
    return tuple(sorted(groups, key=lambda group: -len(group.ids)))
