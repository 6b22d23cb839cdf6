"""
A field of each kind that an answer can have, as rules about answers see them.

The counterpart of `specimens` on the way back. There a field is told by its name
alone, and what never goes back was taken off before any rule is asked.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from byok.core.answer_headers import KNOWN, KNOWN_PREFIXES, relayed_headers
from byok.core.specimens import BY_NAME
from byok.core.walk import matches_of
from byok.policy import slot
from byok.policy.cells import Texts
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.match import Glob
from byok.policy.outcome import Headers
from byok.policy.rules import Direction, Rule

# Where one name is as good as another, these read best.
_READABLE = ("x-custom", "anthropic-organization-id", "anthropic-ratelimit-requests")
ORG = "org"


def about_answers(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return those of *rules* that are in force and about answers."""
    return tuple(
        rule
        for rule in rules
        if rule.direction is Direction.RESPONSE and not rule.shadow
    )


def answer_fields(
    rules: Iterable[Rule],
    source: str,
    *class_tables: ClassTable,
) -> tuple[Headers, ...]:
    """
    Return a field for each kind that *rules* can tell apart, by itself.

    What *class_tables* declare are kinds of their own. The fields are those that go
    back where the credential of *source* was sent.
    """
    written = [
        name
        for rule in rules
        for name in (rule.rename_to, rule.inject.name if rule.inject else b"")
        if name
    ]
    patterns = [
        glob for match in matches_of(tuple(rules)) for glob in match.header.name
    ]
    patterns += [Glob(name.decode("latin-1"), exact=True) for name in written]
    return tuple(
        found
        for name in _names(
            tuple(dict.fromkeys(patterns)), class_tables or (NOTHING_DECLARED,)
        )
        if (found := goes_back(((name, b"value-of-" + name),), source))
    )


def goes_back(fields: Headers, source: str) -> Headers:
    """Return what of *fields* rules are asked about, where *source* pays."""
    is_org = slot.PAYERS[source] == ORG
    return relayed_headers(fields, nominated=(), org_pays=is_org)


@lru_cache(maxsize=64)
def _names(
    patterns: tuple[Glob, ...], class_tables: tuple[ClassTable, ...]
) -> tuple[bytes, ...]:
    asked = Texts(patterns)
    found: dict[object, bytes] = {}
    declared = tuple(each.name for table in class_tables for each in table.names)
    for text in _candidates((*patterns, *declared)):
        name = text.encode()
        cell = (
            asked.signature(text),
            *(table.class_of_name(name) for table in class_tables),
            *(bool(goes_back(((name, b""),), each)) for each in slot.PAYERS),
        )
        found.setdefault(cell, name)
    return tuple(found.values())


def _candidates(patterns: Iterable[Glob]) -> Iterator[str]:
    texts = Texts(
        (
            *patterns,
            *BY_NAME,
            *(Glob(name.decode()) for name in KNOWN),
            *(Glob(f"{prefix.decode()}*") for prefix in KNOWN_PREFIXES),
        )
    )
    for text in (*_READABLE, *texts.candidates(), *texts.candidates(infix="_")):
        if text and text.isascii():
            yield text
