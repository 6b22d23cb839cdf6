"""
A document of classes (`kind: Classes`) into what it declares.

Input is plain data with a way to find lines, as for rules. A document adds; where it
says of something built in that it is another thing, that is a problem of its own.
"""

import re
from collections.abc import Mapping, Sequence

from byok.policy import classes
from byok.policy.declared import Alphabet, DeclaredName, DeclaredShape
from byok.policy.match import Glob
from byok.policy.reader import Locate, Path, Problem, Reader
from byok.policy.rules import Tier, Where

KIND = "Classes"

_DOCUMENT_KEYS = ("apiVersion", "kind", "metadata", "names", "shapes")
_METADATA_KEYS = ("name", "owner", "since", "description")
_NAME_KEYS = ("class", "names", "why")
_SHAPE_KEYS = ("class", "prefix", "alphabet", "length", "why")
_ALPHABETS = {each.word: each for each in Alphabet}

# These are what they are by how HTTP or this gateway works, or by having no class.
_CLOSED = frozenset(
    {
        classes.AMBIGUOUS,
        classes.FRAMING,
        classes.HOP_BY_HOP,
        classes.UNCLASSIFIED,
        classes.UNKNOWN_CREDENTIAL,
    }
)
EXTENDABLE = tuple(sorted(classes.CLASSES - _CLOSED))
CREDENTIALS = tuple(each for each in EXTENDABLE if each.startswith("credential."))

_NAME = re.compile(r"[a-z0-9!#$%&'+.^_`|~-]*\*?[a-z0-9!#$%&'+.^_`|~-]*")
_SHORTEST_NAME = 3
_PREFIX = re.compile(r"[A-Za-z0-9._-]{4,24}")
_LENGTHS = range(1, 513)

Declared = tuple[tuple[DeclaredName, ...], tuple[DeclaredShape, ...]]


def is_class_document(data: object) -> bool:
    """Does *data* say that it declares classes?"""
    return isinstance(data, Mapping) and data.get("kind") == KIND


def read_class_document(
    data: object, *, locate: Locate
) -> tuple[Declared, tuple[Problem, ...]]:
    """Read one document of classes."""
    reader = Reader(Tier.PACK, locate, "")
    document = reader.mapping(data, (), _DOCUMENT_KEYS)
    reader.one_of(document.get("apiVersion"), ("apiVersion",), ("byok/v1",))
    reader.one_of(document.get("kind"), ("kind",), (KIND,))
    metadata = reader.mapping(
        document.get("metadata", {}), ("metadata",), _METADATA_KEYS
    )
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        reader.problem("E202", ("metadata",), "a document needs metadata.name")
    names = [
        name
        for path, item in _items(reader, document, "names")
        for name in _names(reader, item, path)
    ]
    shapes = [
        shape
        for path, item in _items(reader, document, "shapes")
        for shape in _shapes(reader, item, path)
    ]
    return (tuple(names), tuple(shapes)), tuple(reader.problems)


def contradictions(declared: Declared) -> tuple[tuple[Where, str, Where], ...]:
    """
    Return what is declared twice and differently: where, what, and where before.

    Which of two documents is read first must not decide what a field is.
    """
    names, shapes = declared
    met: dict[str, DeclaredName | DeclaredShape] = {}
    found: list[tuple[Where, str, Where]] = []
    every: list[tuple[str, DeclaredName | DeclaredShape]] = [
        *((f"the name {each.name.text}", each) for each in names),
        *((f"the prefix {each.prefix}", each) for each in shapes),
    ]
    for what, each in every:
        before = met.setdefault(what, each)
        if _said(before) != _said(each):
            found.append((each.where, what, before.where))
    return tuple(found)


def _said(each: DeclaredName | DeclaredShape) -> tuple[object, ...]:
    if isinstance(each, DeclaredName):
        return (each.cls,)
    return each.cls, each.alphabet, each.length


def _items(
    reader: Reader, document: Mapping[str, object], key: str
) -> list[tuple[Path, object]]:
    items = document.get(key, [])
    if not isinstance(items, list | tuple):
        reader.problem("E101", (key,), "a list is needed here")
        return []
    return [((key, index), item) for index, item in enumerate(items)]


def _names(reader: Reader, item: object, path: Path) -> list[DeclaredName]:
    data = reader.mapping(item, path, _NAME_KEYS)
    cls = _class(reader, data, path, EXTENDABLE)
    why = reader.text(data.get("why", ""), (*path, "why"))
    found: list[DeclaredName] = []
    for text in reader.texts(data.get("names"), (*path, "names")):
        at = (*path, "names")
        if not _NAME.fullmatch(text) or len(text.replace("*", "")) < _SHORTEST_NAME:
            reader.problem(
                "E103",
                at,
                "a header's name in lower case is needed, with one * at most",
                "write out at least three letters of it",
            )
            continue
        built_in = classes.class_of_name(text.replace("*", "any").encode("ascii"))
        if cls and built_in not in (classes.UNCLASSIFIED, cls):
            reader.problem(
                "E241",
                at,
                f"{text} is {built_in}, and that is built in",
                "what is built in stays; rules can be about the name itself",
            )
        elif cls:
            found.append(
                DeclaredName(
                    name=Glob(text), cls=cls, where=reader.locate(path), why=why
                )
            )
    return found


def _shapes(reader: Reader, item: object, path: Path) -> list[DeclaredShape]:
    data = reader.mapping(item, path, _SHAPE_KEYS)
    cls = _class(reader, data, path, CREDENTIALS)
    why = reader.text(data.get("why", ""), (*path, "why"))
    word = reader.one_of(
        data.get("alphabet", Alphabet.WORD.word),
        (*path, "alphabet"),
        tuple(_ALPHABETS),
    )
    length = data.get("length", 8)
    if (
        isinstance(length, bool)
        or not isinstance(length, int)
        or length not in _LENGTHS
    ):
        reader.problem(
            "E101",
            (*path, "length"),
            f"a number of characters from {_LENGTHS[0]} to {_LENGTHS[-1]} is needed",
        )
        return []
    prefix = data.get("prefix")
    problem = _problem_of_prefix(prefix)
    if problem:
        reader.problem("E242", (*path, "prefix"), *problem)
        return []
    if not cls or not word:
        return []
    return [
        DeclaredShape(
            prefix=str(prefix),
            cls=cls,
            alphabet=_ALPHABETS[word],
            length=length,
            where=reader.locate(path),
            why=why,
        )
    ]


def _problem_of_prefix(prefix: object) -> tuple[str, str] | None:
    """Say what is wrong with *prefix*, without it: it may be somebody's whole key."""
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        return (
            "four to 24 letters, digits, dots, hyphens or underscores are needed",
            "write only what all such credentials begin with",
        )
    for shape, cls in classes.CREDENTIAL_SHAPES:
        text = shape.decode()
        if prefix.startswith(text):
            return (
                f"what begins with {text} is {cls}, and that is built in",
                "what is built in stays; delete this shape",
            )
        if text.startswith(prefix):
            return (
                f"{text} begins so, too, and is {cls}, which is built in",
                "write a longer prefix",
            )
    return None


def _class(
    reader: Reader, data: Mapping[str, object], path: Path, known: Sequence[str]
) -> str:
    word = data.get("class")
    if isinstance(word, str) and word in known:
        return word
    reader.problem(
        "E240",
        (*path, "class"),
        "this is no class that can be added to here",
        f"one of {', '.join(known)}",
    )
    return ""
