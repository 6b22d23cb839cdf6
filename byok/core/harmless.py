"""
Fields that were looked at before, and need not be looked at again.

Most of a request's fields are the same as in the request before it: what was found
of them once holds for the next. What cannot be said of a field alone, without the
caller or the configuration, must not be remembered here.
"""

from collections.abc import Iterable

from byok.policy.outcome import Headers

_Field = tuple[bytes, bytes]


class Harmless:
    """
    Remembers fields by Python's keyed 64-bit hashes, so that it holds no value.

    At most *most* of them: then it begins anew, and only time is lost.
    """

    __slots__ = ("_most", "_seen")

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._seen: set[int] = set()

    def unknown(self, fields: Iterable[_Field]) -> Headers:
        """Return those of *fields* that are not remembered, in their order."""
        seen = self._seen
        return tuple([field for field in fields if hash(field) not in seen])

    def note(self, field: _Field) -> None:
        """Remember *field*."""
        if len(self._seen) >= self._most:
            self._seen.clear()
        self._seen.add(hash(field))
