"""
A request described on the command line: headers, a curl command, or a raw file.

Placeholders such as `<anthropic.api_key>` stand for a made-up value of that shape,
so that nobody has to type a real secret to ask where it would go.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

from byok.core.carriers import CARRIERS
from byok.core.facts import Headers
from byok.core.supposed import PLACEHOLDERS, UnknownPlaceholderError, filled
from byok.policy.classes import GATEWAY, find_credential
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.lookalikes import lookalikes

_ENVIRONMENT = re.compile(r"@env:([A-Za-z_][A-Za-z0-9_]*)\Z")


class RequestInputError(ValueError):
    """The described request cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInput:
    """A request as described: what was left out is None."""

    method: str | None = None
    path: str | None = None
    query: bytes = field(default=b"", repr=False)
    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()


def parse_header(
    text: str,
    environment: Mapping[str, str],
    class_table: ClassTable = NOTHING_DECLARED,
) -> RequestInput:
    """
    Read one `Name: value`, with placeholders and `@env:NAME` filled in.

    *class_table* says what a secret looks like that ought not to be typed.
    """
    name, colon, value = text.partition(":")
    # White space behind a name is a fault that the gateway answers.
    name = name.lstrip().lower()
    if not colon or not name.strip():
        raise RequestInputError(
            'a header is written as "Name: value", for example'
            ' -H "x-api-key: <anthropic.api_key>"'
        )
    value = value.strip()
    warnings: tuple[str, ...] = ()
    shaped = class_table.find_credential(_bytes(value))
    if shaped or _is_given_key(name, value):
        warnings = (_typed_secret(name, value),)
    value = _filled(name, value, environment)
    return RequestInput(
        headers=((name.encode("latin-1", "replace"), _bytes(value)),),
        warnings=warnings,
    )


def _is_given_key(name: str, value: str) -> bool:
    """May *value* be a byok key that an admin chose, which has no shape of its own?"""
    carries = name.encode("utf-8", "replace") in CARRIERS
    return carries and bool(lookalikes(((b"", _bytes(value)),)))


def _bytes(text: str) -> bytes:
    # What was no UTF-8 on the command line or in a file goes on as it came.
    return text.encode("utf-8", "surrogateescape")


def _typed_secret(name: str, value: str) -> str:
    return (
        f"W301 the value of {name} has the shape of a real credential and stands on"
        " the command line, where other users of this machine can read it; write"
        f" @env:NAME or a placeholder such as {_placeholder_for(value)}"
    )


def _placeholder_for(value: str) -> str:
    cls = find_credential(_bytes(value)) or GATEWAY
    short = cls.removeprefix("credential.provider.").removeprefix("credential.")
    return f"<{short}>" if short in PLACEHOLDERS else "<anthropic.api_key>"


def _filled(name: str, value: str, environment: Mapping[str, str]) -> str:
    variable = _ENVIRONMENT.search(value)
    if variable:
        wanted = variable.group(1)
        if wanted not in environment:
            raise RequestInputError(f"the environment variable {wanted} is not set")
        value = value[: variable.start()] + environment[wanted]
    try:
        return filled(name, value)
    except UnknownPlaceholderError as error:
        raise RequestInputError(str(error)) from None


def parse_curl(
    command: str,
    environment: Mapping[str, str],
    class_table: ClassTable = NOTHING_DECLARED,
) -> RequestInput:
    """Read a `curl ...` command as a shell would split it."""
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError as error:
        raise RequestInputError(f"the curl command is not complete: {error}") from None
    if not words or words[0].rpartition("/")[2] != "curl":
        raise RequestInputError("a curl command begins with the word curl")
    read = partial(parse_header, environment=environment, class_table=class_table)
    out = RequestInput()
    rest = iter(words[1:])
    for word in rest:
        option, _, attached = word.partition("=")
        if word.startswith("--") and attached:
            out = _with_curl_option(out, option, attached, read)
        elif word in _CURL_WITH_VALUE:
            out = _with_curl_option(out, word, next(rest, ""), read)
        elif word[:2] in _CURL_SHORT and len(word) > len("-H"):
            out = _with_curl_option(out, word[:2], word[2:], read)
        elif not word.startswith("-"):
            out = _with_url(out, word)
    if out.path is None:
        raise RequestInputError("the curl command names no URL")
    return out


_CURL_BODY = ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--json")
_CURL_SHORT = ("-H", "-d", "-X", "-o", "-u", "-A", "-m", "-x", "-b", "-e")
_CURL_WITH_VALUE = (
    *_CURL_BODY,
    *_CURL_SHORT,
    "--header",
    "--request",
    "--url",
    "--output",
    "--user",
    "--user-agent",
    "--max-time",
    "--connect-timeout",
    "--proxy",
    "--cookie",
    "--referer",
    "--cacert",
)


def _with_curl_option(
    out: RequestInput,
    option: str,
    value: str,
    read: Callable[[str], RequestInput],
) -> RequestInput:
    if option in ("-H", "--header"):
        return merged(out, read(value))
    if option in ("-A", "--user-agent"):
        return merged(out, read(f"user-agent: {value}"))
    if option in ("-b", "--cookie"):
        return merged(out, read(f"cookie: {value}"))
    if option in ("-X", "--request"):
        return replace(out, method=value.upper())
    if option == "--url":
        return _with_url(out, value)
    if option in _CURL_BODY:
        if value.startswith("@"):
            raise RequestInputError(
                "a body in a file is given with --body, not inside the curl command"
            )
        out = replace(out, body=(out.body or b"") + _bytes(value))
        return replace(out, method=out.method or "POST")
    return out


def _with_url(out: RequestInput, url: str) -> RequestInput:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        raise RequestInputError("the curl command's URL cannot be read") from None
    return replace(out, path=parts.path or "/", query=_bytes(parts.query))


def parse_raw(data: bytes, environment: Mapping[str, str]) -> RequestInput:
    """Read a raw HTTP/1.1 request as a file may hold it, LF or CRLF."""
    head, _, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.decode("utf-8", "surrogateescape").split("\n")
    words = first.split()
    if len(words) not in (2, 3):
        raise RequestInputError(
            "the first line is METHOD TARGET HTTP/1.1, for example"
            " POST /v1/messages HTTP/1.1"
        )
    path, _, query = words[1].partition("?")
    out = RequestInput(
        method=words[0], path=path, query=_bytes(query), body=body or None
    )
    for line in lines:
        if line.strip():
            # What stands in a file is not on a command line.
            out = merged(out, replace(parse_header(line, environment), warnings=()))
    return out


def merged(first: RequestInput, second: RequestInput) -> RequestInput:
    """Return *first* with what *second* adds; scalars of *second* win."""
    return RequestInput(
        method=second.method or first.method,
        path=second.path or first.path,
        query=second.query or first.query,
        headers=(*first.headers, *second.headers),
        body=second.body if second.body is not None else first.body,
        warnings=(*first.warnings, *second.warnings),
    )
