"""
Classes as an operator adds to them: further names, and further shapes of values.

What is built in stands in `names.py` and `classes.py` and is asked first. Whatever is
declared is asked only where that has nothing to say, or to say that more is a
credential: a declaration can add, and never take anything away.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from byok.policy import classes, names
from byok.policy.classes import Classified, How
from byok.policy.match import Glob
from byok.policy.rules import BUILT_IN, Where


class Alphabet(Enum):
    """What a credential is made of behind its prefix: closed, so that it stays fast."""

    WORD = ("word", "A-Za-z0-9_-")
    LETTERS = ("letters", "A-Za-z0-9")
    HEX = ("hex", "A-Fa-f0-9")
    BASE64 = ("base64", "A-Za-z0-9+/=_-")
    TOKEN = ("token", "A-Za-z0-9._~+/=-")

    def __init__(self, word: str, characters: str) -> None:
        self.word = word
        self.characters = characters


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredName:
    """A name, or all names of a pattern with one `*`, in a class."""

    name: Glob
    cls: str
    where: Where = BUILT_IN
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredShape:
    """A credential's beginning, what stands behind it, and how much at least."""

    prefix: str
    cls: str
    alphabet: Alphabet = Alphabet.WORD
    length: int = 8
    where: Where = BUILT_IN
    why: str = ""

    @property
    def pattern(self) -> bytes:
        """The regular expression of such a credential, from its first character on."""
        text = f"{re.escape(self.prefix)}[{self.alphabet.characters}]{{{self.length},}}"
        return text.encode("ascii")


# What the floor strips by name stays what it is, whatever its value looks like.
_STAYS = frozenset(
    {
        classes.AMBIGUOUS,
        classes.COOKIE,
        classes.FRAMING,
        classes.GATEWAY,
        classes.GATEWAY_CONTROL,
        classes.HOP_BY_HOP,
    }
)


class ClassTable:
    """
    All that tells the class of a field: what is built in, and what was declared.

    One is made for each configuration; the core gets it as a value.
    """

    __slots__ = (
        "_exact",
        "_find",
        "_find_lower",
        "_globs",
        "_shape_classes",
        "names",
        "shapes",
    )

    def __init__(
        self,
        declared_names: Sequence[DeclaredName] = (),
        declared_shapes: Sequence[DeclaredShape] = (),
    ) -> None:
        self.names = tuple(declared_names)
        self.shapes = tuple(declared_shapes)
        # The longest pattern first, so that the order of lines never matters.
        ordered = sorted(
            self.names, key=lambda each: (-len(each.name.text), each.name.text)
        )
        self._exact = {
            each.name.text: each.cls for each in ordered if "*" not in each.name.text
        }
        self._globs = tuple(each for each in ordered if "*" in each.name.text)
        longest = sorted(self.shapes, key=lambda each: (-len(each.prefix), each.prefix))
        self._shape_classes = tuple(each.cls for each in longest)
        self._find = self._find_lower = None
        if longest:
            each_one = b"|".join(b"(%s)" % each.pattern for each in longest)
            self._find = re.compile(classes.TOKEN_START + b"(?:%s)" % each_one).search
            self._find_lower = re.compile(b"(?i:%s)" % each_one).search

    @property
    def is_built_in(self) -> bool:
        """Was nothing declared at all?"""
        return not self.names and not self.shapes

    @property
    def marks(self) -> tuple[bytes, ...]:
        """One of these stands in every text that holds a credential of some shape."""
        return (*classes.MARKS, *(each.prefix.encode() for each in self.shapes))

    def find_credential(self, value: bytes) -> str | None:
        """Return the class of the first recognisable credential in *value*."""
        return classes.find_credential(value) or self.find_declared(value)

    def find_declared(self, value: bytes) -> str | None:
        """Return the class of the first declared shape in *value*, Basic or plain."""
        if self._find is None:
            return None
        found = self._find(value)
        if found is None:
            found = self._find(classes.basic_text(value))
        return (
            None if found is None else self._shape_classes[(found.lastindex or 1) - 1]
        )

    def is_in_lower(self, text: bytes) -> bool:
        """Is a declared shape in *text*, in lower case and with no boundary before?"""
        return self._find_lower is not None and self._find_lower(text) is not None

    def class_of_name(self, name: bytes) -> str:
        """Return the class that the lower-case header *name* has by itself."""
        cls = classes.class_of_name(name)
        if cls != classes.UNCLASSIFIED or not self.names:
            return cls
        text = name.decode("latin-1")
        exact = self._exact.get(text)
        if exact is not None:
            return exact
        for each in self._globs:
            if each.name.matches(text):
                return each.cls
        return cls

    def classify(
        self,
        name: bytes,
        value: bytes,
        *,
        gateway_names: Collection[bytes] = names.GATEWAY_CREDENTIALS,
        gateway_secrets: Collection[bytes] = (),
    ) -> Classified:
        """Say what the field *name*: *value* is; what is built in is asked first."""
        kind = classes.classify(
            name, value, gateway_names=gateway_names, gateway_secrets=gateway_secrets
        )
        if self.is_built_in or kind.cls in _STAYS or kind.how is How.SHAPE:
            return kind
        shaped = self.find_declared(value)
        if shaped is not None and _says_more(shaped, kind):
            own = self._is_own_slot(name, value, shaped)
            return Classified(cls=shaped, how=How.SHAPE, own_slot=own)
        if kind.cls != classes.UNCLASSIFIED:
            return kind
        cls = self.class_of_name(name)
        return kind if cls == kind.cls else Classified(cls=cls, how=How.NAME)

    def _is_own_slot(self, name: bytes, value: bytes, cls: str) -> bool:
        if not classes.is_own_slot(name, value, cls):
            return False
        token = classes.without_scheme(value)
        return self._find is not None and self._find(token, 1) is None


def _says_more(shaped: str, kind: Classified) -> bool:
    # `credential.other` is bound to no host: it must not replace a provider's.
    return shaped != classes.OTHER_CREDENTIAL or not kind.is_credential


NOTHING_DECLARED = ClassTable()
