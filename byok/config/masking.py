"""
A line of a configuration as it may be printed: secrets in it become references.

It errs on the safe side: a text is taken for a secret by the name it stands under,
by its shape, or because no word is that long.
"""

import re

from byok.config.references import ENVIRONMENT_PREFIX, FILE_PREFIX
from byok.policy.classes import find_credential

_COMMENT = re.compile(r"(?P<before>.*?)(?P<comment>(?:(?<=\s)|\A)#.*)?")
_SECRET_NAME = re.compile(
    r"(?:.*_)?(?:key|keys|token|secret|password|pepper|credentials|url)"
)
_NOT_SECRET = frozenset({"trust_client_credentials"})
_NAMED_SECRET = re.compile(
    r"(?:key|token|secret|password|pepper)\w*['\"]?\s*[:=]", re.IGNORECASE
)
_WORD = re.compile(r"true|false|null|~|-?[0-9]+(?:\.[0-9]+)?", re.IGNORECASE)
_LONG = 16
# Keys and tokens have runs of letters and digits that words do not have.
_RUN = re.compile(r"[A-Za-z0-9]{20}|\bsk-")


def masked(key: str, value: str, *, is_known: bool = True) -> str:
    """Return the *value* of *key*, with its comment, as it may be printed."""
    text, comment = _parted(value)
    tail = f" {harmless(comment)}" if comment else ""
    if text and _is_secret(key, text.strip("'\""), is_known=is_known):
        return f"{_reference(key)}{tail}"
    return f"{text}{tail}"


def harmless(comment: str) -> str:
    """Return *comment* unless it may hold a secret."""
    if is_suspicious(comment) or _NAMED_SECRET.search(comment):
        return "# (a comment that may hold a secret stood here)"
    return comment


def is_suspicious(text: str) -> bool:
    """Does *text* look like it holds a key or token?"""
    return find_credential(text.encode()) is not None or bool(_RUN.search(text))


def _is_secret(key: str, text: str, *, is_known: bool) -> bool:
    if text.startswith((ENVIRONMENT_PREFIX, FILE_PREFIX)):
        return is_suspicious(text.partition("/")[2] or text.partition(":")[2])
    if _WORD.fullmatch(text):
        return False
    if _SECRET_NAME.fullmatch(key.lower()) and key not in _NOT_SECRET:
        return True
    if not is_known and len(text) >= _LONG:
        return True
    return is_suspicious(text) or ("://" in text and "@" in text)


def _reference(key: str) -> str:
    name = re.sub(r"[^A-Z0-9]+", "_", key.upper()).strip("_")[:48]
    return f"{ENVIRONMENT_PREFIX}BYOK_{name}"


def _parted(value: str) -> tuple[str, str]:
    found = _COMMENT.fullmatch(value)
    if found is None:
        return value, ""
    return found["before"].strip(), found["comment"] or ""
