"""
The edge: requests that are refused before anybody asks who sent them.

Each check closes a gap between two readers of the same bytes, one of them byok,
the other a server in front of it or behind it. Nothing is repaired.
"""

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from byok.core.carriers import shown
from byok.core.errors import Refusal
from byok.policy import classes, names, passing
from byok.policy.classes import find_credential, holds_gateway_credential
from byok.policy.outcome import Headers

# Names in their order of which nothing is to be said, by Python's keyed hashes: most
# requests have the same ones. Of the rest, these have values that matter.
_plain_forms: set[int] = set()
_MOST_FORMS = 4096
_TELLING = frozenset({b"connection", b"content-encoding"})

_TIMED_OUT = 408
_NOT_ALLOWED = 405

# RFC 3986 section 3.4, and what clients leave as it is; `#` would end the query.
_QUERY = re.compile(rb"[\x21\x22\x24-\x7e]*")
# RFC 9110 section 5.6.2.
_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
# Names one by one on lines, none of which could be written in two ways.
_PLAIN_NAMES = re.compile(rb"[a-z0-9!#$%&'*+.^`|~-]+(?:\n[a-z0-9!#$%&'*+.^`|~-]+)*")
# Two readers could differ on how often it asks, and for what.
_ASKED_TWICE = passing.PREFIX * 2
# What every key of the gateway begins with, where a word of a name may begin, and
# more behind it than a word of a name has.
_KEY = re.compile(rb"(?:\A|[^a-z0-9])sk-[a-z0-9_-]{12}")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def check_edge(headers: Headers, query: bytes) -> Refusal | None:
    """Refuse what two readers could take for two different requests."""
    form = hash(tuple([name for name, _ in headers]))
    if form in _plain_forms:
        return _check_values(headers) or _check_query(query)
    refusal = (
        _check_names(headers)
        or _check_values(headers)
        or _check_singletons(headers)
        or _check_connection(headers)
        or _check_encoding(headers)
        or _check_query(query)
    )
    if refusal is None and not any(name in _TELLING for name, _ in headers):
        if len(_plain_forms) >= _MOST_FORMS:
            _plain_forms.clear()
        _plain_forms.add(form)
    return refusal


def refuse_unreadable(
    status: int, code: str, message: str, *, methods: Collection[bytes]
) -> Refusal:
    """Return the refusal of what is no request, where *methods* are what is one."""
    # RFC 9110 15.5.6 wants the methods beside every 405.
    allowed = (("allow", ", ".join(sorted(map(bytes.decode, methods)))),)
    return Refusal(
        status=status,
        kind="timeout_error" if status == _TIMED_OUT else "invalid_request_error",
        code=code,
        message=message,
        headers=allowed if status == _NOT_ALLOWED else (),
    )


_KEY_AS_NAME = Refusal(
    status=400,
    kind="invalid_request_error",
    code="edge.header-name",
    message=(
        "The name of a header holds what looks like a key. Write `Name: key`, the name"
        " first, and replace the key if it was a real one."
    ),
)


def _refuse(code: str, message: str, *, status: int = 400) -> Refusal:
    return Refusal(
        status=status, kind="invalid_request_error", code=code, message=message
    )


def check_names(headers: Headers, secrets: Collection[bytes]) -> Refusal | None:
    """
    Refuse a header that is named by one of the gateway's own *secrets*.

    Names are kept in records and sent on as they are, so that a key must not be one.
    They come in lower case, and are looked at in that.
    """
    text = b"\n".join([name for name, _ in headers])
    lowered = [secret.lower() for secret in secrets]
    return _KEY_AS_NAME if holds_gateway_credential(text, lowered) else None


def names_a_key(text: bytes) -> bool:
    """Does *text*, which is a name of something, hold what looks like a byok key?"""
    return _KEY.search(text.lower()) is not None


def _check_names(headers: Headers) -> Refusal | None:
    # Looked at all at once; one by one only where there is something to find.
    text = b"\n".join([name for name, _ in headers])
    if (
        _PLAIN_NAMES.fullmatch(text)
        and text.count(b"\n") == len(headers) - 1
        and _ASKED_TWICE not in text
        and (b"sk-" not in text or not _KEY.search(text))
    ):
        return None
    for name, _ in headers:
        if not _NAME.fullmatch(name):
            return _refuse(
                "edge.header-name",
                "A header name holds a character that"
                " is not allowed there (RFC 9110 5.6.2).",
            )
        if _KEY.search(name):
            return _KEY_AS_NAME
        if name.startswith(_ASKED_TWICE):
            return _refuse(
                "edge.header-name",
                "A header asks by x-pass- for a header that asks by x-pass- itself."
                " Write x-pass- once, before the name that is to be sent.",
            )
        if b"_" in name and name.replace(b"_", b"-") in names.INTERPRETED:
            return _refuse(
                "edge.header-name",
                f"The header {name.decode()} is written with an underscore. Other"
                " servers read that as a hyphen; write it with hyphens.",
            )
    return None


def _check_values(headers: Headers) -> Refusal | None:
    text = b"".join([value for _, value in headers])
    if text.isascii() and len(text.translate(None, _CONTROLS)) == len(text):
        return None
    for name, value in headers:
        if _CONTROL.search(value):
            return _refuse(
                "edge.header-value",
                f"There is a control character in {shown(name)}.",
            )
        if _NOT_ASCII.search(value) and _is_interpreted(name):
            # A key pasted with a letter outside ASCII is a wrong key; the carrier
            # says so with a 401. Anything else here cannot mean what it says.
            if classes.class_of_name(name).startswith("credential."):
                continue
            return _refuse(
                "edge.header-value",
                f"There is a byte outside ASCII in {shown(name)}.",
            )
    return None


def _is_interpreted(name: bytes) -> bool:
    return name in names.INTERPRETED


def _check_singletons(headers: Headers) -> Refusal | None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in names.SINGLETONS:
            if name in seen:
                return _refuse(
                    "edge.repeated-header",
                    f"Two values came for {shown(name)}; one reader would take the"
                    " first and another the last. Send it once.",
                )
            seen.add(name)
    return None


def _check_connection(headers: Headers) -> Refusal | None:
    for name, value in headers:
        if name != b"connection":
            continue
        for option in value.lower().split(b","):
            token = option.strip()
            if _may_not_be_nominated(token):
                # Dropping a nominated key would silently move the bill to the
                # deployment's owner.
                return _refuse(
                    "edge.connection-nomination",
                    f"Connection may not name {shown(token)}: that would take it off"
                    " the request. Remove it from Connection.",
                )
    return None


def _may_not_be_nominated(token: bytes) -> bool:
    cls = classes.class_of_name(token)
    return (
        cls.startswith("credential.")
        or cls in (classes.FRAMING, classes.COOKIE)
        or token == b"transfer-encoding"
    )


def nominated(headers: Headers) -> frozenset[bytes]:
    """Return the names that `Connection` takes off this hop (RFC 9110 7.6.1)."""
    return frozenset(
        token.strip()
        for name, value in headers
        if name == b"connection"
        for token in value.lower().split(b",")
        if token.strip() and token.strip() not in names.CONNECTION_OPTIONS
    )


def _check_encoding(headers: Headers) -> Refusal | None:
    for name, value in headers:
        if name == b"content-encoding" and value.lower() not in (b"", b"identity"):
            return _refuse(
                "edge.content-encoding",
                "A compressed request body cannot be read here: send it as it is,"
                " without Content-Encoding.",
                status=415,
            )
    return None


def check_query_bytes(query: bytes) -> Refusal | None:
    """Refuse a *query* with bytes that RFC 3986 has percent-encoded."""
    if _QUERY.fullmatch(query):
        return None
    return _refuse(
        "edge.query",
        "The query holds bytes that have to be percent-encoded (RFC 3986).",
    )


def _check_query(query: bytes) -> Refusal | None:
    if query and (find_credential(query) or find_credential(unquote_to_bytes(query))):
        return refuse_query()
    return None


def refuse_query() -> Refusal:
    """Return the refusal of a query that holds a credential."""
    return _refuse(
        "edge.credential-in-query",
        "The query holds a credential. Queries end up in logs: send it in its"
        " header (a byok key in x-litellm-api-key, any other in the provider's own),"
        " and replace the key that was exposed.",
    )
