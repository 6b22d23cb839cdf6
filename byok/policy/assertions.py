"""
What the users of a policy say must never happen: `assert` in a policy file.

An assertion decides nothing. It is a sentence about all requests, for
`byok policy prove` to prove or to refute (P8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from byok.policy.grammar import read_match
from byok.policy.match import Glob, HostGlob, Match
from byok.policy.reader import Locate, Path, Problem, Reader
from byok.policy.rules import BUILT_IN, Tier, Where

KEY = "assert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """No field of the classes `send` goes to a host in `to` where `when` holds."""

    id: str
    send: tuple[Glob, ...]
    to: tuple[HostGlob, ...] = ()
    when: Match = field(default_factory=Match)
    where: Where = BUILT_IN

    def is_about(self, host: str) -> bool:
        """Does it forbid anything at *host*?"""
        return not self.to or any(each.matches(host) for each in self.to)

    def covers(self, cls: str) -> bool:
        """Is a field of the class *cls* among what may not be sent?"""
        return any(each.matches(cls) for each in self.send)


def read_assertions(
    document: object, *, locate: Locate
) -> tuple[tuple[Assertion, ...], tuple[Problem, ...]]:
    """Read what one policy document asserts; the rest of it is not looked at."""
    data = document if isinstance(document, Mapping) else {}
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    reader = Reader(Tier.PACK, locate, name if isinstance(name, str) else "")
    found = _assertions(reader, data[KEY], (KEY,)) if KEY in data else ()
    return found, tuple(reader.problems)


def _assertions(reader: Reader, items: object, path: Path) -> tuple[Assertion, ...]:
    if not isinstance(items, list | tuple):
        reader.problem("E101", path, "a list of assertions is needed here")
        return ()
    found: dict[str, Assertion] = {}
    for index, item in enumerate(items):
        each = _assertion(reader, item, (*path, index))
        if each is None:
            continue
        if each.id in found:
            reader.problem(
                "E201",
                (*path, index, "id"),
                f"this id stands already at {found[each.id].where}",
                "ids of assertions are unique in a document",
            )
        found[each.id] = each
    return tuple(found.values())


def _assertion(reader: Reader, item: object, path: Path) -> Assertion | None:
    data = reader.mapping(item, path, ("id", "never"))
    name = data.get("id")
    if not isinstance(name, str) or not name:
        reader.problem("E202", path, "an assertion needs an id")
        return None
    name = reader.text(name, (*path, "id"))
    at = (*path, "never")
    never = data.get("never")
    if not isinstance(never, Mapping) or "send" not in never:
        reader.problem("E203", path, "an assertion needs never, with send in it")
        return None
    reader.mapping(never, at, ("send", "to", "when"))
    # The same words as in a match, so the same reading.
    asked = read_match(reader, {"header": {"class": never["send"]}}, at)
    places = read_match(reader, {"host": never["to"]}, at) if "to" in never else Match()
    when = (
        read_match(reader, never["when"], (*at, "when")) if "when" in never else Match()
    )
    return Assertion(
        id=f"{reader.namespace}.{name}" if reader.namespace else name,
        send=asked.header.cls,
        to=places.host,
        when=when,
        where=reader.locate(path),
    )
