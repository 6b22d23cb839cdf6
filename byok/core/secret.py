"""The one type a credential is kept in, and the name it goes by in outputs."""

import hmac
import os
from hmac import compare_digest
from typing import Never, Self, final

# Known to this process only: a fingerprint correlates lines of one run and is
# of no use to somebody who tries candidate keys against an old log.
_PEPPER = os.urandom(32)


# By Python's keyed hashes, so that it holds no value. What comes with a request comes
# with many.
_known: dict[int, str] = {}
_MOST_KNOWN = 4096


def fingerprint(value: bytes) -> str:
    """Name a secret by 8 hex digits that mean nothing outside this process."""
    key = hash(value)
    found = _known.get(key)
    if found is None:
        found = hmac.digest(_PEPPER, value, "sha256").hex()[:8]
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = found
    return found


@final
class Secret:
    """
    A credential: compared in constant time, shown only to who asks by name.

    Every way to turn an object into text or bytes (`str`, `repr`, `format`,
    `%`, `json`, `pickle`) gives length and fingerprint or fails; a copy is the
    object itself, so `dataclasses.asdict` has nothing else to show either.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        encoded = _encoded(value)
        if encoded is None:
            raise ValueError("a secret holds characters that UTF-8 cannot carry")
        self._value: bytes = encoded

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Keep *value* as it is, be it UTF-8 or not."""
        return cls(value.decode("utf-8", "surrogateescape"))

    def reveal(self) -> str:
        """The text itself. Every call is a line worth finding with grep."""
        return self._value.decode("utf-8", "surrogateescape")

    def reveal_bytes(self) -> bytes:
        """The bytes to send. Every call is a line worth finding with grep."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"<secret:len={len(self._value)} fp={fingerprint(self._value)}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a Secret cannot be pickled")

    def __getstate__(self) -> Never:
        raise TypeError("a Secret has no state to give away")


def _encoded(value: str) -> bytes | None:
    # The error of a failed encoding holds the whole text; raising after it is
    # gone keeps it out of the new exception's context.
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
