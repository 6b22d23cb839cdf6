"""Reads what an admin sends, strictly: JSON bodies and query strings."""

import json
from collections.abc import Collection, Sequence
from urllib.parse import parse_qsl

from byok.core.errors import Refusal
from byok.core.facts import Headers, present
from byok.core.key_requests import refuse_unknown

MAX_BODY_BYTES = 262_144

Object = dict[str, object]

TOO_LARGE = Refusal(
    status=413,
    kind="request_too_large",
    code="admin.too-large",
    message=f"A request about keys has at most {MAX_BODY_BYTES} bytes.",
)


def read_object(headers: Headers, body: bytes) -> Object | Refusal:
    """
    Read *body* as one JSON object; no body at all is an empty one.

    Duplicate names, NaN and half a surrogate pair are refused: another reader
    of the same bytes, or the database, would understand something else.
    """
    if len(body) > MAX_BODY_BYTES:
        return TOO_LARGE
    if not body:
        return {}
    content_type = (present(headers, b"content-type") or b"").partition(b";")[0]
    if content_type.strip().lower() != b"application/json":
        return Refusal(
            status=415,
            kind="invalid_request_error",
            code="admin.content-type",
            message='Send the body as JSON, with "Content-Type: application/json".',
        )
    return _parse(body)


def read_query(query: bytes, known: Collection[str]) -> dict[str, str] | Refusal:
    """Read a query string whose parameters are among *known*, each once."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=50,
        )
    except ValueError:
        return _bad("The query string cannot be read as UTF-8 parameters.")
    values = dict(pairs)
    refusal = refuse_unknown([name for name in values if name not in known], known)
    if refusal is not None:
        return refusal
    if len(values) < len(pairs):
        return _bad("A query parameter was given twice.")
    return {name: value for name, value in values.items() if value}


def _parse(body: bytes) -> Object | Refusal:
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except _DuplicateName:
        return _bad("A name stands twice in one object of the body.")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        return _bad(f"The body is not JSON: look at {place}.")
    except UnicodeError:
        return _bad("The body is not UTF-8, or holds half a surrogate pair.")
    except (ValueError, RecursionError):
        return _bad("The body is not JSON that can be read: too deep, or no number.")
    if not isinstance(value, dict):
        return _bad("The body is JSON but no object: begin it with {.")
    return value


class _DuplicateName(ValueError):
    """A name stands twice in one object."""


def _object(pairs: Sequence[tuple[str, object]]) -> Object:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _DuplicateName
    return value


def _no_constant(_: str) -> object:
    # JSON has no NaN and no infinity; Python's reader would accept them.
    raise ValueError("not a JSON number")


def _bad(message: str) -> Refusal:
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="admin.bad-request",
        message=message,
    )
