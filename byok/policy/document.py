"""
Policy data into rules: the reading of documents and of inline `policies` lists.

Input is plain data (already free of duplicate keys) with a way to find the line
of each path in it. Nothing is raised for bad data: every problem is collected,
so that all of a file's mistakes are told at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from byok.policy.actions import read_action
from byok.policy.grammar import read_match
from byok.policy.match import Match
from byok.policy.reader import Locate, Path, Problem, Reader
from byok.policy.rules import (
    LOCKABLE,
    Action,
    Direction,
    Rule,
    Tier,
    When,
    Where,
)

__all__ = ["Locate", "Path", "Problem", "read_document", "read_rules"]

TIERS: Final = {
    "pack": Tier.PACK,
    "settings": Tier.SETTINGS,
    "model_group": Tier.MODEL_GROUP,
    "model": Tier.MODEL,
    "team": Tier.TEAM,
    "user": Tier.USER,
    "key": Tier.KEY,
}
MODES: Final = ("enforce", "shadow")

_ABOUT_REQUEST = frozenset({Action.INJECT, Action.REQUIRE})
_RULE_KEYS = ("id", "why", "match", "unless", "action", "lock", "mode", "direction")
RESPONSE_ACTIONS = frozenset(
    {Action.FORWARD, Action.STRIP, Action.REDACT, Action.RENAME, Action.INJECT}
)
_METADATA_KEYS = ("name", "owner", "since", "description")
_DOCUMENT_KEYS = ("apiVersion", "kind", "metadata", "tier", "mode", "rules", "assert")


def read_rules(
    items: object,
    *,
    tier: Tier,
    locate: Locate,
    namespace: str = "",
    path: Path = (),
    bound: Match | None = None,
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """
    Read a list of rules of one *tier*.

    *namespace* is put before every id (`base.protocol`); *locate* gives the line
    of a path that starts with *path*; *bound* is the box that the place where
    the list stands implies, such as its deployment.
    """
    reader = Reader(tier, locate, namespace)
    if not isinstance(items, list | tuple):
        reader.problem("E101", path, "a list of rules is needed here")
        return (), tuple(reader.problems)
    rules: list[Rule] = []
    seen: dict[str, Where] = {}
    for index, item in enumerate(items):
        rule = _rule(reader, item, (*path, index), bound)
        if rule is None:
            continue
        if rule.id in seen:
            reader.problem(
                "E201",
                (*path, index, "id"),
                f"this id stands already at {seen[rule.id]}",
                "ids are unique in one tier",
            )
        seen[rule.id] = rule.where
        rules.append(rule)
    return tuple(rules), tuple(reader.problems)


def _rule(reader: Reader, item: object, path: Path, bound: Match | None) -> Rule | None:
    data = reader.mapping(item, path, _RULE_KEYS)
    if not isinstance(item, Mapping):
        return None
    name = data.get("id")
    if not isinstance(name, str) or not name:
        reader.problem("E202", path, "a rule needs an id")
        return None
    if not name.isprintable():
        # It stands in lines of logs and of explanations, and in headers.
        reader.problem(
            "E202",
            (*path, "id"),
            "an id is one line of printable characters",
            "letters, digits, hyphens and dots read best",
        )
        return None
    name = reader.text(name, (*path, "id"))
    if "action" not in data:
        reader.problem("E203", path, "a rule needs an action")
        return None
    why = reader.text(data.get("why", ""), (*path, "why"))
    match = read_match(reader, data.get("match", {}), (*path, "match"))
    unless = (
        read_match(reader, data["unless"], (*path, "unless"))
        if "unless" in data
        else None
    )
    lock = reader.boolean(data.get("lock", False), (*path, "lock")) or False
    rule = Rule(
        id=f"{reader.namespace}.{name}" if reader.namespace else name,
        tier=reader.tier,
        action=Action.STRIP,
        where=reader.locate(path),
        match=_bounded(reader, match, bound, path),
        unless=unless,
        lock=lock,
        why=why,
        direction=read_direction(reader, data, path),
        shadow=_is_shadow(reader, data, path),
    )
    rule = read_action(reader, data["action"], (*path, "action"), rule)
    _check_answer(reader, rule, path)
    rule = _with_lawful_lock(reader, rule, path)
    if _asks_in_vain(rule):
        reader.problem(
            "E206",
            (*path, "match"),
            f"{rule.action.word} does not look at a field that came, so a condition"
            " on one could never hold",
            "remove header from match and unless",
        )
    return rule


def _check_answer(reader: Reader, rule: Rule, path: Path) -> None:
    if rule.direction is not Direction.RESPONSE:
        return
    if rule.action not in RESPONSE_ACTIONS:
        reader.problem(
            "E208",
            (*path, "action"),
            f"{rule.action.word} is about a request; on the way back there are"
            " forward, strip, redact, rename and inject",
        )
    if rule.inject and rule.inject.reference:
        reader.problem(
            "E209",
            (*path, "action", "inject", "secret"),
            "a secret may not be put into an answer, where the client would read it",
            "give a value that anybody may read, or remove direction: response",
        )


def _with_lawful_lock(reader: Reader, rule: Rule, path: Path) -> Rule:
    if not rule.lock:
        return rule
    if reader.tier is Tier.KEY:
        reader.problem(
            "E207",
            (*path, "lock"),
            "a key's own rules cannot lock: there is nobody narrower",
        )
    if rule.action not in LOCKABLE:
        reader.problem(
            "E204",
            (*path, "lock"),
            f"{rule.action.word} cannot be locked: a lock may only take away",
        )
        return replace(rule, lock=False)
    if rule.inject is not None and rule.inject.when is not When.SET:
        reader.problem(
            "E204",
            (*path, "lock"),
            f"an inject with when: {rule.inject.when.value} cannot be locked: what"
            " came would take the place of what others put in",
            "write when: set, or remove the lock",
        )
        return replace(rule, lock=False)
    return rule


def read_direction(reader: Reader, data: Mapping[str, object], path: Path) -> Direction:
    """Return which way the fields travel that *data* is about."""
    words = tuple(each.value for each in Direction)
    word = data.get("direction", Direction.REQUEST.value)
    return Direction(reader.one_of(word, (*path, "direction"), words) or words[0])


def _is_shadow(reader: Reader, data: Mapping[str, object], path: Path) -> bool:
    mode = reader.one_of(data.get("mode", MODES[0]), (*path, "mode"), MODES)
    return mode == "shadow"


def _asks_in_vain(rule: Rule) -> bool:
    """Does *rule*, which is about the request, ask something of a field?"""
    asks = not rule.match.header.is_empty
    excepts = rule.unless is not None and not rule.unless.header.is_empty
    if rule.action is Action.DENY:
        # With a field in its match it is about that field, and may except some.
        # Asking whether one is there at all, it is about the request.
        excepts = excepts and rule.match.header.present is None
        return excepts and not asks
    return rule.action in _ABOUT_REQUEST and (asks or excepts)


def _bounded(reader: Reader, match: Match, bound: Match | None, path: Path) -> Match:
    if bound is None:
        return match
    for name in ("deployment", "model_group", "team", "key"):
        if getattr(match, name) and getattr(bound, name):
            reader.problem(
                "E205",
                (*path, "match", name),
                f"{name} is given by the place where this rule stands",
            )
    return replace(
        match,
        deployment=bound.deployment or match.deployment,
        model_group=bound.model_group or match.model_group,
        team=bound.team or match.team,
        key=bound.key or match.key,
    )


def read_document(
    data: object, *, locate: Locate
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """Read one policy document (`kind: Policy`): a pack or a policy file."""
    reader = Reader(Tier.PACK, locate, "")
    document = reader.mapping(data, (), _DOCUMENT_KEYS)
    reader.one_of(document.get("apiVersion"), ("apiVersion",), ("byok/v1",))
    reader.one_of(document.get("kind"), ("kind",), ("Policy",))
    mode = reader.one_of(document.get("mode", MODES[0]), ("mode",), MODES)
    metadata = reader.mapping(
        document.get("metadata", {}), ("metadata",), _METADATA_KEYS
    )
    texts = {
        key: reader.text(value, ("metadata", key))
        for key, value in metadata.items()
        if key in _METADATA_KEYS
    }
    name = texts.get("name", "")
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        reader.problem("E202", ("metadata",), "a document needs metadata.name")
    elif not name.isprintable():
        reader.problem(
            "E202",
            ("metadata", "name"),
            "a name is one line of printable characters, since it begins every id",
        )
    if "rules" not in document:
        reader.problem("E114", (), "a document needs rules")
    tier = reader.one_of(document.get("tier", "pack"), ("tier",), tuple(TIERS))
    rules, problems = read_rules(
        document.get("rules", []),
        tier=TIERS[tier or "pack"],
        locate=locate,
        namespace=name,
        path=("rules",),
    )
    if mode == "shadow":
        rules = tuple(replace(rule, shadow=True) for rule in rules)
    rules = tuple(replace(rule, since=texts.get("since", "")) for rule in rules)
    return rules, (*reader.problems, *problems)


def with_secrets(
    rules: Sequence[Rule], look_up: Callable[[str, Where], bytes | None]
) -> tuple[Rule, ...]:
    """
    Return *rules* with the values that stand elsewhere put in.

    *look_up* gets a reference and its place, and returns None where it has told
    what is wrong with it.
    """
    out: list[Rule] = []
    for rule in rules:
        if rule.inject is None or rule.inject.value or not rule.inject.reference:
            out.append(rule)
            continue
        value = look_up(rule.inject.reference, rule.where)
        if value is not None:
            out.append(replace(rule, inject=replace(rule.inject, value=value)))
    return tuple(out)
