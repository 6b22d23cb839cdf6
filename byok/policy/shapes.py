"""
A memory of requests that look alike, so that most are decided without judging.

Two requests have one shape if their headers have the same names in the same order,
no value could be read as a credential except in headers that are for credentials,
and there each is of the same plain form. What is decided then depends on the shape
alone, but for the values that are copied. Whatever does not fit is decided the long
way, and no value is ever remembered.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from byok.policy import classes
from byok.policy.classes import Classified
from byok.policy.match import Glob
from byok.policy.outcome import Denied, Headers, Injection, Outcome, Verdict
from byok.policy.rules import Action
from byok.policy.slot import CredentialDecision

# Names come from clients: what is remembered of them has a bound.
_LIMIT = 1024

# A value that is one key and nothing else, with or without a scheme.
_PLAIN_KEY = re.compile(rb"(Bearer )?sk-ant-(api|oat)[A-Za-z0-9_-]+")
_BEARER = b"Bearer "
# A secret that holds this mark is counted with it.
_SK = classes.MARKS[0]
_OURS = "ours"

DecideAtLength = Callable[[Headers, Collection[bytes]], Outcome]
DropValues = Callable[[bytes, Sequence[Glob]], bytes | None]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What was decided, and how to lay out the head from the fields' places."""

    kinds: tuple[Classified, ...]
    verdicts: tuple[Verdict, ...]
    injections: tuple[Injection, ...]
    credential: CredentialDecision
    denied: Denied | None
    copies: tuple[int, ...]
    filters: tuple[tuple[int, tuple[Glob, ...]], ...]
    tail: Headers = field(repr=False)


class Shapes:
    """Decides by shape where that is enough, and by *decide* where it is not."""

    __slots__ = ("_decide", "_drop_values", "_gateway_names", "_known", "_special")

    def __init__(
        self,
        decide: DecideAtLength,
        *,
        drop_values: DropValues,
        gateway_names: Collection[bytes],
    ) -> None:
        self._decide = decide
        self._drop_values = drop_values
        self._gateway_names = gateway_names
        self._special: dict[tuple[bytes, ...], tuple[int, ...]] = {}
        self._known: dict[tuple[object, ...], _Shape | None] = {}

    def apply(self, headers: Headers, gateway_secrets: Collection[bytes]) -> Outcome:
        """Decide *headers*, as `Plan.decide` would."""
        key = self._key(headers, gateway_secrets)
        if key is None:
            return self._decide(headers, gateway_secrets)
        shape = self._known.get(key)
        if shape is not None:
            outcome = self._laid_out(shape, headers)
            if outcome is not None:
                return outcome
        outcome = self._decide(headers, gateway_secrets)
        if key not in self._known and len(self._known) < _LIMIT:
            self._known[key] = self._learnt(headers, outcome)
        return outcome

    def _key(
        self, headers: Headers, gateway_secrets: Collection[bytes]
    ) -> tuple[object, ...] | None:
        """Return the shape's key, or None where the values need a closer look."""
        if not headers:
            return None
        names, values = zip(*headers, strict=True)
        text = b"\n".join(values)
        if b"" in values or not text.isascii() or _may_be_basic(text):
            return None
        special = self._special.get(names)
        if special is None:
            special = self._special_of(names)
        codes = []
        inside = b""
        for index in special:
            value = values[index]
            code = _code(value, gateway_secrets)
            if code is None:
                return None
            codes.append(code)
            inside += value + b"\n"
        for mark in classes.MARKS:
            if text.count(mark) != inside.count(mark):
                return None
        for secret in gateway_secrets:
            if _SK not in secret and text.count(secret) != inside.count(secret):
                return None
        return names, *codes

    def _special_of(self, names: tuple[bytes, ...]) -> tuple[int, ...]:
        special = tuple(
            index
            for index, name in enumerate(names)
            if name in self._gateway_names
            or classes.class_of_name(name).startswith("credential.")
        )
        if len(self._special) < _LIMIT:
            self._special[names] = special
        return special

    def _laid_out(self, shape: _Shape, headers: Headers) -> Outcome | None:
        out = [headers[index] for index in shape.copies]
        for at, drop in shape.filters:
            name, value = out[at]
            kept = self._drop_values(value, drop)
            if kept is None:
                return None
            out[at] = (name, kept)
        return Outcome(
            headers=headers,
            kinds=shape.kinds,
            verdicts=shape.verdicts,
            injections=shape.injections,
            credential=shape.credential,
            sends=(*out, *shape.tail),
            denied=shape.denied,
        )

    def _learnt(self, headers: Headers, outcome: Outcome) -> _Shape | None:
        """Return the shape of *outcome*, or None where places do not tell it all."""
        copies: list[int] = []
        filters: list[tuple[int, tuple[Glob, ...]]] = []
        for index, verdict in enumerate(outcome.verdicts):
            if verdict.action is Action.FILTER:
                filters.append((len(copies), verdict.drop))
                copies.append(index)
            elif verdict.action is Action.FORWARD:
                copies.append(index)
        tail = tuple(
            (each.rule.inject.name, each.rule.inject.value)
            for each in outcome.injections
            if each.applied and each.rule.inject is not None
        )
        shape = _Shape(
            outcome.kinds,
            outcome.verdicts,
            outcome.injections,
            outcome.credential,
            outcome.denied,
            tuple(copies),
            tuple(filters),
            tail,
        )
        # The proof of the pudding: renames, placeholders, shadows and fields that
        # take another's place come out otherwise, and are decided at length.
        return shape if self._laid_out(shape, headers) == outcome else None


def _may_be_basic(text: bytes) -> bool:
    # The scheme stands at the beginning of a value; most begin with another letter.
    begins = text[:1] in b"bB" or b"\nb" in text or b"\nB" in text
    return begins and b"basic" in text.lower()


def _code(value: bytes, gateway_secrets: Collection[bytes]) -> str | None:
    """Name the plain form of a credential's *value*; None for any other."""
    if value in gateway_secrets or value.removeprefix(_BEARER) in gateway_secrets:
        return _OURS
    found = _PLAIN_KEY.fullmatch(value)
    if found is None:
        return None
    for secret in gateway_secrets:
        if secret in value:
            return None
    return "bearer" + found[2].decode() if found[1] else found[2].decode()
