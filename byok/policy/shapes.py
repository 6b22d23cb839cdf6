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
from operator import itemgetter
from typing import TypeVar

from byok.policy import classes
from byok.policy.declared import ClassTable
from byok.policy.match import Glob
from byok.policy.outcome import Headers, Outcome, Ruling, outcome_of
from byok.policy.rules import Action

# Names come from clients: what is remembered of them has a bound, in number, in
# fields and in bytes. The oldest goes first, so that nobody can fill it for good.
_MOST_FORMS = 1024
_MOST_SHAPES = 64
_MOST_FIELDS = 64
_MOST_BYTES = 4096

_BEARER = b"Bearer "
# What values begin with that are one key and nothing else, with or without a scheme,
# and the letter of each such form.
_PLAIN_KEYS = {
    b"sk-ant-api": "a",
    b"sk-ant-oat": "o",
    b"Bearer sk-ant-api": "A",
    b"Bearer sk-ant-oat": "O",
}
_SHORT = len(b"sk-ant-api")
_LONG = len(b"Bearer sk-ant-api")
# What such a key is made of, so that no other token can begin inside it.
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
# Searches for a literal are what is fastest over a few hundred bytes; `in` takes
# twice as long.
_FIND_BASIC = re.compile(rb"basic").search
# A secret that holds this mark is found with it.
_SK = classes.MARKS[0]
_OURS = "g"

Values = tuple[bytes, ...]
_T = TypeVar("_T")
DecideAtLength = Callable[[Headers, Collection[bytes]], Outcome]
DropValues = Callable[[bytes, Sequence[Glob]], bytes | None]


@dataclass(frozen=True, slots=True)
class _Filter:
    """A list that loses members: where it stands, and what those begin with."""

    inbound: int
    outgoing: int
    drop: tuple[Glob, ...]
    heads: Values


@dataclass(frozen=True, slots=True)
class _Shape:
    """What was decided, and how to lay out the head from the fields' places."""

    ruling: Ruling
    copied: Callable[[Headers], Headers] = field(repr=False)
    filters: tuple[_Filter, ...]
    tail: Headers = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Form:
    """The names of a request in their order: which are for credentials."""

    names: Values
    credentials: tuple[int, ...]
    others: Callable[[Values], Values]
    shapes: dict[str, _Shape | None] = field(default_factory=dict)


class Shapes:
    """Decides by shape where that is enough, and by *decide* where it is not."""

    __slots__ = (
        "_class_table",
        "_decide",
        "_drop_values",
        "_find_marks",
        "_forms",
        "_gateway_names",
        "_last",
    )

    def __init__(
        self,
        decide: DecideAtLength,
        *,
        drop_values: DropValues,
        gateway_names: Collection[bytes],
        class_table: ClassTable,
    ) -> None:
        self._class_table = class_table
        # What tells a shape, and quickly that there is none.
        self._find_marks = tuple(
            re.compile(re.escape(mark)).search for mark in class_table.marks
        )
        self._decide = decide
        self._drop_values = drop_values
        self._gateway_names = gateway_names
        self._forms: dict[Values, _Form] = {}
        # The form of the request before: most that share a plan are of one form.
        self._last = _Form((), (), _picker(()))

    def apply(self, headers: Headers, gateway_secrets: Collection[bytes]) -> Outcome:
        """Decide *headers*, as `Plan.decide` would."""
        if not headers:
            return self._decide(headers, gateway_secrets)
        names, values = zip(*headers)  # noqa: B905 - pairs, and `strict` takes time
        form = self._last
        if form.names != names:
            # Only now is it worth its price to hash all names.
            form = self._last = self._forms.get(names) or self._form_of(names)
        others = form.others(values)
        codes = None
        if all(others) and self._are_harmless(b"\n".join(others), gateway_secrets):
            codes = _codes(form.credentials, values, gateway_secrets)
        if codes is None:
            return self._decide(headers, gateway_secrets)
        shape = form.shapes.get(codes)
        if shape is not None:
            outcome = self._laid_out(shape, headers)
            if outcome is not None:
                return outcome
        outcome = self._decide(headers, gateway_secrets)
        if codes not in form.shapes and len(form.shapes) < _MOST_SHAPES:
            form.shapes[codes] = self._learnt(headers, outcome)
        return outcome

    def _are_harmless(self, text: bytes, gateway_secrets: Collection[bytes]) -> bool:
        """Is there no credential in *text*, which is values line by line?"""
        # What may encode one is not looked into, and what is not ASCII is ambiguous.
        if not text.isascii() or _FIND_BASIC(text.lower()):
            return False
        marked = False
        for find in self._find_marks:
            if find(text):
                marked = True
                if self._class_table.find_credential(text) is not None:
                    return False
        for secret in gateway_secrets:
            if (marked or _SK not in secret) and secret in text:
                return False
        return True

    def _form_of(self, names: Values) -> _Form:
        credentials = tuple(
            index
            for index, name in enumerate(names)
            if name in self._gateway_names
            or self._class_table.class_of_name(name).startswith("credential.")
        )
        others = [index for index in range(len(names)) if index not in credentials]
        form = _Form(names, credentials, _picker(others))
        if len(names) <= _MOST_FIELDS and sum(map(len, names)) <= _MOST_BYTES:
            if len(self._forms) >= _MOST_FORMS:
                del self._forms[next(iter(self._forms))]
            self._forms[names] = form
        return form

    def _laid_out(self, shape: _Shape, headers: Headers) -> Outcome | None:
        sends = shape.copied(headers)
        for each in shape.filters:
            name, value = headers[each.inbound]
            for head in each.heads:
                if head in value:
                    kept = self._drop_values(value, each.drop)
                    if kept is None:
                        return None
                    at = each.outgoing
                    sends = (*sends[:at], (name, kept), *sends[at + 1 :])
                    break
        return outcome_of(shape.ruling, headers, sends + shape.tail)

    def _learnt(self, headers: Headers, outcome: Outcome) -> _Shape | None:
        """Return the shape of *outcome*, or None where places do not tell it all."""
        copied: list[int] = []
        filters: list[_Filter] = []
        for index, verdict in enumerate(outcome.verdicts):
            if verdict.action is Action.FILTER:
                heads = {glob.text.partition("*")[0] for glob in verdict.drop}
                found = tuple(head.encode() for head in heads)
                filters.append(_Filter(index, len(copied), verdict.drop, found))
                copied.append(index)
            elif verdict.action is Action.FORWARD:
                copied.append(index)
        tail = tuple(
            (each.rule.inject.name, each.rule.inject.value)
            for each in outcome.injections
            if each.applied and each.rule.inject is not None
        )
        shape = _Shape(outcome.ruling, _picker(copied), tuple(filters), tail)
        # What a filter leaves depends on values, in the world of the shadow rules too.
        if any(each.would == Action.FILTER.word for each in outcome.shadow):
            return None
        # The proof of the pudding: renames, placeholders and fields that take
        # another's place come out otherwise, and are decided at length.
        return shape if self._laid_out(shape, headers) == outcome else None


def _codes(
    places: tuple[int, ...], values: Values, gateway_secrets: Collection[bytes]
) -> str | None:
    """Return a letter for each credential at *places*; None where one is not plain."""
    codes = ""
    for at in places:
        value = values[at]
        if value in gateway_secrets:
            codes += _OURS
            continue
        code, token = _PLAIN_KEYS.get(value[:_SHORT]), value[_SHORT:]
        if code is None:
            if value.removeprefix(_BEARER) in gateway_secrets:
                codes += _OURS
                continue
            code, token = _PLAIN_KEYS.get(value[:_LONG]), value[_LONG:]
        if code is None or not token or token.translate(None, _LETTERS):
            return None
        for secret in gateway_secrets:
            if secret in value:
                return None
        codes += code
    return codes


def _picker(places: Sequence[int]) -> Callable[[tuple[_T, ...]], tuple[_T, ...]]:
    """Return what takes the fields at *places*, the fast way where there is one."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda fields: tuple(fields[at] for at in places)
