"""What is built into the policy language, as tables: the floor and the classes."""

from collections.abc import Iterable
from dataclasses import dataclass

from byok.policy import classes, floor, names
from byok.policy.declared import ClassTable
from byok.policy.floor import FLOOR, OTHERS_IN_THE_CLEAR
from byok.policy.match import HeaderMatch, Match

# What the floor decides about the request as a whole, where no single field says it.
_WHOLE = (
    (
        floor.SINGLE_CREDENTIAL,
        "strip",
        "every credential but the one that was chosen",
        "exactly one credential leaves",
    ),
    (
        floor.PLAINTEXT,
        "deny",
        "any credential, where the destination is reached by plain http",
        OTHERS_IN_THE_CLEAR.why,
    ),
    (
        "floor.log-cap",
        "log: hash",
        "every credential, in the record of a decision",
        "no rule can make a log show one",
    ),
    (
        "floor.egress-guard",
        "drop",
        "a request that holds, by value, what may not leave",
        "the last look before anything is sent; a trip is a defect of byok",
    ),
)

_BY_NOTHING = {
    classes.UNCLASSIFIED: "everything else",
    classes.AMBIGUOUS: "a name with _, a value outside ASCII",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownClass:
    """A class of headers: by what values and names it is known, where it travels."""

    name: str
    values: tuple[str, ...]
    names: tuple[str, ...]
    travels_in: tuple[str, ...]

    @property
    def known_by(self) -> str:
        """All it is known by, in one line."""
        known = ", ".join((*self.values, *self.names))
        return known or _BY_NOTHING.get(self.name, "")


def floor_rows() -> list[tuple[str, str, str, str]]:
    """Return each rule of the floor: its name, what it does, to what, and why."""
    return [
        *((rule.id, rule.action.word, box(rule.match), rule.why) for rule in FLOOR),
        *_WHOLE,
    ]


def known_classes() -> list[KnownClass]:
    """Return every class there is, by name."""
    return [
        KnownClass(
            name=cls,
            values=tuple(
                f"{shape.decode()}..."
                for shape, shaped in classes.CREDENTIAL_SHAPES
                if shaped == cls
            ),
            names=tuple(_names_of(cls)),
            travels_in=tuple(each.decode() for each in classes.OWN_SLOTS.get(cls, {})),
        )
        for cls in sorted(classes.CLASSES)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredRow:
    """What an operator added to a class, and where that is written."""

    cls: str
    known_by: str
    origin: str
    why: str


def declared_rows(table: ClassTable) -> list[DeclaredRow]:
    """Return all that *table* has over what is built in, by class."""
    rows = [
        DeclaredRow(
            cls=each.cls, known_by=each.name.text, origin=str(each.where), why=each.why
        )
        for each in table.names
    ]
    rows += [
        DeclaredRow(
            cls=each.cls,
            known_by=f"{each.prefix}... ({each.length} or more of"
            f" {each.alphabet.characters})",
            origin=str(each.where),
            why=each.why,
        )
        for each in table.shapes
    ]
    return sorted(rows, key=lambda row: (row.cls, row.known_by))


def _names_of(cls: str) -> Iterable[str]:
    every = (
        names.OF_A_CLASS
        | names.GATEWAY_CREDENTIALS
        | names.AMBIGUOUS_CREDENTIALS
        | names.NAMED_CREDENTIALS.keys()
    )
    for name in sorted(every):
        if classes.class_of_name(name) == cls:
            yield name.decode()
    for prefix in names.PREFIXES_OF_A_CLASS:
        if classes.class_of_name(prefix + b"any") == cls:
            yield f"{prefix.decode()}*"
    for suffix in names.OTHER_CREDENTIAL_SUFFIXES:
        if cls == classes.OTHER_CREDENTIAL:
            yield f"*{suffix.decode()}"


def box(match: Match) -> str:
    """Say in words which fields a built-in rule is about."""
    parts = [*_header_words(match.header)]
    parts += [f"model group {each.text}" for each in match.model_group]
    if match.deployment_key is not None:
        word = "with" if match.deployment_key else "without"
        parts.append(f"at a deployment {word} a key of its own")
    return ", ".join(parts)


def _header_words(header: HeaderMatch) -> Iterable[str]:
    if header.name:
        yield "named " + " or ".join(each.text for each in header.name)
    if header.cls:
        yield "class " + " or ".join(each.text for each in header.cls)
    if header.here is not None:
        place = "trusted" if header.here else "not trusted"
        yield f"where the destination is {place} for it"
    if header.own is not None:
        place = "its own" if header.own else "another"
        yield f"in {place} header"
