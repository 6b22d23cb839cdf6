"""
Words that may be keys of this gateway, though nothing about them shows it.

A key that byok made is known by its shape. One that an admin chose begins with `sk-`
as many do and is told from others by the store alone. So the store is asked: about
every such word, and about nothing else.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from byok.policy.classes import CREDENTIAL_SHAPES, TOKEN_START, basic_text
from byok.policy.outcome import Headers

MARK = b"sk-"
"""What every virtual key begins with; without it there is nothing to look for."""

LONGEST = 256
"""Characters of a virtual key at most; a longer word is none."""

_WORD = re.compile(
    TOKEN_START
    + rb"(?!(?:%s)[A-Za-z0-9_-])"
    % b"|".join(re.escape(prefix) for prefix, _ in CREDENTIAL_SHAPES)
    + rb"([\x21-\x7e]+)"
)
# The same with less of what may stand around it.
_NARROWER = (re.compile(rb"[^,;|&\"'`<>()\[\]{}\\]+"), re.compile(rb"[A-Za-z0-9_-]+"))


def lookalikes(headers: Headers, query: bytes = b"") -> tuple[bytes, ...]:
    """
    Return the words of *headers* and *query* that may be virtual keys, each once.

    Such a word begins with `sk-`, where a token may begin, and has no shape that says
    whose it is. It is read in three ways: up to white space, up to what separates
    items of a list, and as letters, digits, `-` and `_`. Basic credentials are read
    decoded, and the query as it came and percent-decoded.
    """
    text = b"\n".join([value for _, value in headers])
    if _may_be_basic(text):
        text += b"\n" + b"\n".join(basic_text(value) for _, value in headers)
    if query:
        text += b"\n" + query
        if b"%" in query:
            text += b"\n" + unquote_to_bytes(query)
    if MARK not in text:
        return ()
    return tuple(dict.fromkeys(_words(text)))


def _words(text: bytes) -> Iterator[bytes]:
    at = text.find(MARK)
    while at >= 0:
        found = _WORD.match(text, at)
        if found is not None:
            word = found.group(1)
            readings = (word, *(part.match(word)[0] for part in _NARROWER))  # type: ignore[index]
            yield from (each for each in readings if len(each) <= LONGEST)
        at = text.find(MARK, at + len(MARK))


def _may_be_basic(text: bytes) -> bool:
    # The scheme stands at the beginning of a value; most begin with another letter.
    begins = text[:1] in (b"b", b"B") or b"\nb" in text or b"\nB" in text
    return begins and b"basic" in text.lower()
