"""
A field of each kind: every name and value that policy can tell apart, one each.

A field's class is not said here but found out by the classifier, from the same
bytes that a request would have. What is proved with these fields is proved for
all that the classifier gives the same class.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from byok.core.edge import check_edge
from byok.core.supposed import PLACEHOLDERS
from byok.policy import classes, names
from byok.policy.cells import Texts, UnsettledError
from byok.policy.classes import Classified, How
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.match import Glob
from byok.policy.outcome import Headers
from byok.policy.passing import PREFIX

GATEWAY_WORD = "gateway"
GATEWAY_KEY = PLACEHOLDERS[GATEWAY_WORD]

# A value that servers read in several ways.
NOT_ASCII = "\u00e9".encode()

_BY_VALUE = frozenset({How.SHAPE, How.VALUE})

# Where one name is as good as another, these read best.
_READABLE = ("x-custom", "traceparent", "user-agent", "x-forwarded-for", "x-auth-token")
_SLOTS = frozenset(name for slots in classes.OWN_SLOTS.values() for name in slots)

Wanted = Callable[[str], bool]


class NoSpecimenError(UnsettledError):
    """There are fields of a class of which none can be made up."""

    def __init__(self, missing: Iterable[str]) -> None:
        named = ", ".join(sorted(missing))
        super().__init__(f"no field can be made up of the class {named}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """
    One field that stands for all that policy cannot tell from it.

    `token` is the part of its value whose bytes are looked for in what leaves, and
    `word` the placeholder for it. `beside` has to come with it.
    """

    name: bytes
    value: bytes = field(repr=False)
    kind: Classified
    token: bytes = field(repr=False)
    word: str = ""
    beside: Headers = field(default=(), repr=False)

    @property
    def headers(self) -> Headers:
        """The field, and what has to come with it."""
        return ((self.name, self.value), *self.beside)


# Whatever gives a name its class.
BY_NAME = (
    *(Glob(f"{each.decode()}*") for each in names.PREFIXES_OF_A_CLASS),
    *(Glob(f"*{each.decode()}") for each in names.OTHER_CREDENTIAL_SUFFIXES),
    *(Glob(each.decode()) for each in sorted(names.OF_A_CLASS | names.SINGLETONS)),
)


def specimens(
    patterns: Iterable[Glob],
    *,
    gateway_names: Collection[bytes],
    wanted: Wanted,
    drops: Iterable[Glob] = (),
    lists: Collection[bytes] = (),
    passing: bool = False,
    class_table: ClassTable = NOTHING_DECLARED,
) -> tuple[Specimen, ...]:
    """
    Return a field for each cell of names, classes and slots.

    *patterns* are those that rules have for names; *wanted* says which classes
    matter. *drops* are what filters take from the headers *lists*; with *passing*
    there are also fields that ask to be sent under another name. What *class_table*
    declares over what is built in has fields of its own.

    Raises NoSpecimenError where a class is wanted and no field of it is known: what
    was not tried is not proved.
    """
    every = _every(
        tuple(dict.fromkeys(patterns)),
        frozenset(gateway_names),
        tuple(dict.fromkeys(drops)),
        frozenset(lists),
        passing,
        class_table,
    )
    missing = classes.CLASSES - {each.kind.cls for each in every}
    if any(map(wanted, missing)):
        raise NoSpecimenError(filter(wanted, missing))
    return tuple(each for each in every if wanted(each.kind.cls))


@lru_cache(maxsize=64)
def _every(  # noqa: PLR0917 - all of it is what is remembered by
    patterns: tuple[Glob, ...],
    gateway_names: frozenset[bytes],
    drops: tuple[Glob, ...],
    lists: frozenset[bytes],
    passing: bool,  # noqa: FBT001 - part of what is remembered
    class_table: ClassTable,
) -> tuple[Specimen, ...]:
    cell = same_cell(patterns, gateway_names, class_table)
    found: dict[tuple[object, ...], Specimen] = {}
    members = _members(drops)
    for name in _names(patterns, gateway_names, class_table, passing=passing):
        in_list = members if name.removeprefix(PREFIX) in lists else ()
        for each in _of_name(name, in_list, gateway_names, class_table):
            if check_edge(each.headers, b"") is None:
                found.setdefault(cell(name, each.kind), each)
    return tuple(found.values())


def same_cell(
    patterns: Iterable[Glob],
    gateway_names: Collection[bytes],
    class_table: ClassTable = NOTHING_DECLARED,
) -> Callable[[bytes, Classified], tuple[object, ...]]:
    """Return what gives the cell of a field, by its name and what it is."""
    asked = Texts(patterns)

    def cell(name: bytes, kind: Classified) -> tuple[object, ...]:
        # Where the value has said what it is, the name has no say in it any more.
        if kind.how in _BY_VALUE:
            return *_name_alone(name, asked), kind.cls, kind.own_slot
        by_name = _name_cell(name, asked, gateway_names, class_table)
        return *by_name, kind.cls, kind.own_slot

    return cell


def _names(
    patterns: Sequence[Glob],
    gateway_names: Collection[bytes],
    class_table: ClassTable,
    *,
    passing: bool,
) -> Iterator[bytes]:
    """Yield a name of each cell of names, and of those behind `x-pass-`."""
    asked = Texts(patterns)
    own = (Glob(each.decode("latin-1"), exact=True) for each in sorted(gateway_names))
    declared = (each.name for each in class_table.names)
    texts = Texts((*patterns, *BY_NAME, *declared, *own))
    found: dict[tuple[object, ...], bytes] = {}
    for text in (*_READABLE, *texts.candidates(), *texts.candidates(infix="_")):
        if not text or not text.isascii():
            continue
        name = text.encode()
        for each in (name, PREFIX + name) if passing else (name,):
            if check_edge(((each, b""),), b"") is None:
                cell = _name_cell(each, asked, gateway_names, class_table)
                found.setdefault(cell, each)
    yield from found.values()


def _name_cell(
    name: bytes,
    asked: Texts,
    gateway_names: Collection[bytes],
    class_table: ClassTable,
) -> tuple[object, ...]:
    # What stands behind `x-pass-` is a name that policy looks at as well. Behind a
    # second one it does not: to pass that on is never granted.
    looked_at = [name, name[len(PREFIX) :]] if name.startswith(PREFIX) else [name]
    return tuple(
        part
        for each in looked_at
        for part in (
            *_name_alone(each, asked),
            class_table.class_of_name(each),
            each in gateway_names,
            each.decode("latin-1") in names.NEVER_PASSED,
        )
    )


def _name_alone(name: bytes, asked: Texts) -> tuple[object, ...]:
    # The credential slot knows some fields by name.
    known = name if name in _SLOTS else b""
    return asked.signature(name.decode("latin-1")), known


def _of_name(
    name: bytes,
    members: Sequence[bytes],
    gateway_names: Collection[bytes],
    class_table: ClassTable,
) -> Iterator[Specimen]:
    """Yield fields called *name*: each credential alone and hidden, and others."""
    # Each name has a value of its own, to tell what left from what was put in.
    plain = b",".join((b"value-of-" + name, *members))

    def specimen(value: bytes, token: bytes, word: str = "") -> Specimen:
        kind = class_table.classify(
            name,
            value,
            gateway_names=gateway_names,
            gateway_secrets=(GATEWAY_KEY.encode(),),
        )
        return Specimen(name=name, value=value, kind=kind, token=token, word=word)

    yield specimen(plain, plain)
    for word, text in PLACEHOLDERS.items():
        token = text.encode() if word == GATEWAY_WORD else _marked(text, name)
        # In Authorization a placeholder without a scheme is read as a bearer.
        if name != b"authorization":
            yield specimen(token, token, word)
        yield specimen(b"Bearer " + token, token, word)
        yield specimen(b"key " + token, token, word)
    for shape in class_table.shapes:
        # Every alphabet has the letters that a number in hexadecimal has.
        token = _marked(shape.prefix + "a" * max(shape.length, 8), name)
        if name != b"authorization":
            yield specimen(token, token)
        yield specimen(b"Bearer " + token, token)
        yield specimen(b"key " + token, token)
    key = GATEWAY_KEY.encode()
    yield specimen(
        b"Bearer " + key if name == b"authorization" else key, key, "gateway"
    )
    yield specimen(NOT_ASCII, NOT_ASCII)
    nominating = (b"connection", name)
    if check_edge((nominating,), b"") is None and name not in names.HOP_BY_HOP:
        yield Specimen(
            name=name,
            value=plain,
            kind=Classified(cls=classes.HOP_BY_HOP, how=How.NAME),
            token=plain,
            beside=(nominating,),
        )


def _marked(text: str, name: bytes) -> bytes:
    """Return a credential that is in no other header: which one left can be told."""
    mark = hashlib.sha256(name).hexdigest()[:8]
    return f"{text[: -len(mark)]}{mark}".encode()


def _members(drops: Iterable[Glob]) -> tuple[bytes, ...]:
    """Return a member of a list for each way in which *drops* can take it out."""
    every = tuple(drops)
    return tuple(
        each.encode()
        for each in Texts(every).witnesses()
        if any(glob.matches(each) for glob in every)
        and each.isascii()
        and not set(", ") & set(each)
    )
