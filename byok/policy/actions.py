"""The action grammar: what a rule does, and what no rule may do."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from http import HTTPStatus
from typing import Final

from byok.policy import classes
from byok.policy.passing import UNGRANTABLE
from byok.policy.reader import Path, Reader
from byok.policy.rules import Action, Denial, Injected, LogLevel, Rule, Tier, When

_ERROR_KINDS = frozenset(
    {
        "authentication_error",
        "permission_error",
        "invalid_request_error",
        "not_found_error",
        "rate_limit_error",
        "billing_error",
    }
)
_UNTOUCHABLE = frozenset(
    {classes.FRAMING, classes.HOP_BY_HOP, classes.GATEWAY_CONTROL, classes.COOKIE}
)
# One of each stands in a head: a second one, or one of somebody's choice, would let
# two readers take one request for two.
_ONE_OF_THEM = frozenset({b"anthropic-version", b"content-type"})
_LISTS = frozenset({"anthropic-beta", "openai-beta", "accept", "baggage"})
_CLIENT_ERRORS = range(400, 500)
_WORDS = ("forward", "strip", "redact")
_REFERENCES = ("os.environ/", "file:")


def read_action(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    if isinstance(value, str):
        if value in _WORDS:
            return replace(rule, action=_BY_WORD[value])
        if value in _PARAMETERS:
            reader.problem(
                "E108",
                path,
                f"{value} needs parameters: action: {{{value}: ...}}",
                "see the policy reference for what it takes",
            )
            return rule
        _unknown(reader, path, value)
        return rule
    if not isinstance(value, Mapping) or len(value) != 1:
        reader.problem(
            "E108",
            path,
            f"an action is one of {', '.join(_WORDS)}, or one of"
            f" {', '.join(_PARAMETERS)} with its parameters",
        )
        return rule
    (word, body), *_ = value.items()
    parse = _PARAMETERS.get(word)
    if parse is None:
        _unknown(reader, path, str(word))
        return rule
    return parse(reader, body, (*path, word), rule)


def _unknown(reader: Reader, path: Path, word: str) -> None:
    known = [*_WORDS, *_PARAMETERS]
    close = get_close_matches(word, known, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    reader.problem("E108", path, "unknown action", remedy)


def _rename(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    data = reader.mapping(value, path, ("to",))
    target = _header_name(reader, data.get("to"), (*path, "to"))
    if target in _ONE_OF_THEM:
        reader.problem(
            "E113",
            (*path, "to"),
            f"a client's field may not become {target.decode()}: of that there is one,"
            " and it says how the rest is read",
            f"forward {target.decode()} itself, or put in a value of yours by inject",
        )
    return replace(rule, action=Action.RENAME, rename_to=target)


def _inject(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    data = reader.mapping(value, path, ("name", "value", "secret", "when"))
    secret = "secret" in data
    name = _header_name(reader, data.get("name"), (*path, "name"), secret=secret)
    if secret:
        return _inject_secret(reader, data, path, rule, name)
    raw = data.get("value")
    text = raw if isinstance(raw, str) else ""
    if not isinstance(raw, str) or not text.isascii() or not text.isprintable():
        reader.problem("E109", (*path, "value"), "a line of plain ASCII text is needed")
        text = ""
    if text.startswith(_REFERENCES):
        reader.problem(
            "E109",
            (*path, "value"),
            "a value leaves as it is written, and a reference would leave as a text",
            "write `secret:` instead of `value:`, in a deployment's own rule",
        )
    text = reader.text(text, (*path, "value"))
    word = reader.one_of(
        data.get("when", "set"), (*path, "when"), tuple(when.value for when in When)
    )
    return replace(
        rule,
        action=Action.INJECT,
        inject=Injected(name=name, value=text.encode(), when=When(word or "set")),
    )


def _inject_secret(
    reader: Reader, data: Mapping[str, object], path: Path, rule: Rule, name: bytes
) -> Rule:
    if reader.tier is not Tier.MODEL:
        reader.problem(
            "E211",
            (*path, "secret"),
            "a secret may be injected by a deployment's own rules only",
            "move the rule to litellm_params.policies of the deployment",
        )
    if "value" in data:
        reader.problem("E212", path, "give a value or a secret, not both")
    reference = data["secret"]
    if not isinstance(reference, str) or not reference.startswith(_REFERENCES):
        reader.problem(
            "E213",
            (*path, "secret"),
            "a secret is named by reference, os.environ/NAME or file:PATH",
        )
        reference = ""
    word = reader.one_of(
        data.get("when", "set"), (*path, "when"), tuple(when.value for when in When)
    )
    injected = Injected(
        name=name, value=b"", when=When(word or "set"), reference=reference
    )
    return replace(rule, action=Action.INJECT, inject=injected)


def _allow_request(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    grant = reader.globs(value, path)
    for glob in grant:
        if any(cls in UNGRANTABLE and glob.matches(cls) for cls in classes.CLASSES):
            reader.problem(
                "E214",
                path,
                "a request may not ask for credentials, cookies, framing, hop-by-hop"
                " or gateway headers; name classes or headers one by one",
            )
    return replace(rule, action=Action.ALLOW_REQUEST, grant=grant)


def _log(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    words = tuple(level.word for level in LogLevel)
    word = reader.one_of(value, path, words)
    levels = {level.word: level for level in LogLevel}
    level = levels[word] if word else LogLevel.CLASS
    return replace(rule, action=Action.LOG, log=level)


def _filter(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    data = reader.mapping(value, path, ("drop",))
    drop = reader.globs(data.get("drop"), (*path, "drop"))
    for glob in rule.match.header.name:
        if glob.text not in _LISTS:
            reader.problem(
                "E110",
                path,
                "filter works on list-valued headers named one by one",
                "known lists: " + ", ".join(sorted(_LISTS)),
            )
    if not rule.match.header.name:
        reader.problem("E110", path, "filter needs match.header.name")
    return replace(rule, action=Action.FILTER, drop=drop)


def _deny(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    data = reader.mapping(value, path, ("status", "type", "message"))
    return replace(
        rule, action=Action.DENY, denial=_denial(reader, data, path, status=403)
    )


def _require(reader: Reader, value: object, path: Path, rule: Rule) -> Rule:
    data = reader.mapping(value, path, ("header", "status", "type", "message"))
    name = _header_name(reader, data.get("header"), (*path, "header"))
    return replace(
        rule,
        action=Action.REQUIRE,
        require=name,
        denial=_denial(reader, data, path, status=400),
    )


def _denial(
    reader: Reader, data: Mapping[str, object], path: Path, *, status: int
) -> Denial:
    code = data.get("status", status)
    if (
        not isinstance(code, int)
        or isinstance(code, bool)
        or code not in _CLIENT_ERRORS
    ):
        reader.problem("E111", (*path, "status"), "a status from 400 to 499 is needed")
        code = status
    default = (
        "invalid_request_error"
        if code == HTTPStatus.BAD_REQUEST
        else "permission_error"
    )
    kind = data.get("type", default)
    if not isinstance(kind, str) or kind not in _ERROR_KINDS:
        reader.problem(
            "E105", (*path, "type"), f"one of {', '.join(sorted(_ERROR_KINDS))}"
        )
        kind = default
    message = reader.text(data.get("message", ""), (*path, "message"))
    return Denial(status=code, kind=kind, message=message)


def _header_name(
    reader: Reader, value: object, path: Path, *, secret: bool = False
) -> bytes:
    """
    Return a header name that policy may write, or say why it may not.

    A *secret* of the operator's own may stand in a header that is known to carry
    some credential, though in no provider's.
    """
    if not isinstance(value, str) or not value or not _is_token(value):
        reader.problem("E112", path, "a header name is needed")
        return b"x-invalid"
    name = value.lower().encode()
    cls = classes.class_of_name(name)
    permitted = secret and cls == classes.OTHER_CREDENTIAL
    if cls in _UNTOUCHABLE or (cls.startswith("credential.") and not permitted):
        reader.problem(
            "E113",
            path,
            f"policy may not write or require a header of class {cls}",
            _INSTEAD.get(cls, _NO_CREDENTIAL),
        )
    return name if reader.text(value, path) else b"x-invalid"


def _is_token(text: str) -> bool:
    # RFC 9110 section 5.6.2, without `_`, which other servers read as `-`.
    return text.isascii() and all(
        char.isalnum() or char in "!#$%&'*+-.^`|~" for char in text
    )


_NO_CREDENTIAL = (
    "write another name; whose credential leaves is decided by rules that forward,"
    " and by api_key of the deployment"
)
_INSTEAD = {
    classes.FRAMING: "delete the rule; the gateway writes this header itself",
    classes.HOP_BY_HOP: "delete the rule; the gateway writes this header itself",
    classes.GATEWAY_CONTROL: "write another name; these speak to the gateway",
    classes.COOKIE: "write another name; cookies are nobody's here",
}

_BY_WORD = {action.word: action for action in Action}
_PARAMETERS: Final = {
    "rename": _rename,
    "inject": _inject,
    "filter": _filter,
    "deny": _deny,
    "require": _require,
    "allow_request": _allow_request,
    "log": _log,
}


def writable_name(name: str) -> bool:
    """May policy, or a deployment's `extra_headers`, write the header *name*?"""
    cls = classes.class_of_name(name.lower().encode("latin-1", "replace"))
    return (
        bool(name)
        and _is_token(name)
        and cls not in _UNTOUCHABLE
        and not cls.startswith("credential.")
    )
