"""
What is odd about rules among others: found by trying one request of each cell.

A rule that never decides, that only ever loses, or without which all would be the
same is one that somebody believes in and that does nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches

from byok.core.keys import VirtualKey
from byok.core.lint_walk import Linter, all_rules
from byok.core.walk import LIMIT, Subject, Walk, matches_of
from byok.policy.cells import Texts, UnsettledError
from byok.policy.lint import Level, Oddity, lint_rules, oddity
from byok.policy.match import Glob
from byok.policy.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    The names that exist beside deployments; None where nobody knows them.

    `records` are the keys that there are, with the team and tags of each.
    """

    teams: frozenset[str] | None = None
    keys: frozenset[str] | None = None
    records: tuple[VirtualKey, ...] = ()


def lint(
    subject: Subject,
    *,
    today: date,
    known: Known,
    shipped: Collection[str] = (),
    limit: int = LIMIT,
) -> tuple[tuple[Oddity, ...], bool]:
    """
    Return everything odd about the rules of *subject*, and whether all was looked at.

    Rules in the files *shipped* are left alone, but for what others do to them.
    """
    subject = replace(subject, records=_records(subject, known))
    rules = all_rules(subject)
    found = [
        *lint_rules(rules, today=today, shipped=shipped),
        *_names(subject, rules, known, shipped),
        *_trust(subject),
    ]
    unknown = {each.rule for each in found if each.code == "L05"}
    is_whole = True
    try:
        linter = Linter(Walk(subject, limit=limit), shipped, unknown)
        found += linter.found()
    except UnsettledError:
        is_whole = False
    unique = dict.fromkeys(found)
    ordered = sorted(
        unique, key=lambda each: (each.where.file, each.where.line, each.code)
    )
    return tuple(ordered), is_whole


def _records(subject: Subject, known: Known) -> tuple[VirtualKey, ...]:
    """
    Return the keys that are looked at one by one: with rules, or named by some.

    Of such a key it is known whose it is, so it is no key of just any team.
    """
    matches = matches_of(subject.gateway.plans.rules)
    named = {glob.text for match in matches for glob in match.key}
    every = {each.token_id: each for each in subject.records}
    for each in known.records:
        if named & {each.token_id, each.key_alias}:
            every.setdefault(each.token_id, each)
    return tuple(every.values())


# -- L05, L10: what deployments say ---------------------------------------------------


def _names(
    subject: Subject, rules: Sequence[Rule], known: Known, shipped: Collection[str]
) -> Iterator[Oddity]:
    found = subject.gateway.table.deployments
    words: dict[str, tuple[frozenset[str] | None, Level]] = {
        "deployment": (frozenset(each.name for each in found), Level.ERROR),
        "model_group": (frozenset(each.model_group for each in found), Level.ERROR),
        "provider": (frozenset(each.provider for each in found), Level.ERROR),
        "model": (None, Level.ERROR),
        # These may be made while the gateway runs.
        "team": (known.teams, Level.WARNING),
        "key": (known.keys, Level.WARNING),
    }
    hosts = frozenset(each.origin.host for each in found)
    for rule in rules:
        if rule.where.file in shipped:
            continue
        for match in matches_of((rule,)):
            for name, (there, level) in words.items():
                for glob in getattr(match, name):
                    if name == "model":
                        exists = _is_served(subject, glob)
                    else:
                        exists = there is None or any(map(glob.matches, there))
                    if not exists:
                        yield _no_such(rule, name, glob.text, there or (), level)
            for host in match.host:
                if not any(map(host.matches, hosts)):
                    yield _no_such(rule, "host", host.text, hosts, Level.ERROR)


def _is_served(subject: Subject, glob: Glob) -> bool:
    table = subject.gateway.table
    groups = [Glob(each.model_group) for each in table.deployments]
    return any(
        glob.matches(each) and table.find(each) is not None
        for each in Texts([glob, *groups]).candidates()
    )


def _no_such(
    rule: Rule, name: str, text: str, there: Collection[str], level: Level
) -> Oddity:
    near = get_close_matches(text, sorted(there), n=1)
    return oddity(
        "L05",
        rule,
        f"asks for the {name} {text}, which does not exist",
        f"Did you mean {near[0]}?" if near else "Correct the name, or delete it.",
        level=level,
    )


def _trust(subject: Subject) -> Iterator[Oddity]:
    for found in subject.gateway.table.deployments:
        if not found.trust_note or found.origin.scheme == "https":
            continue
        level = Level.WARNING if found.plaintext_ok else Level.ERROR
        yield Oddity(
            code="L10",
            level=level,
            rule=found.name,
            where=found.where,
            message=f"{found.name} is trusted with clients' credentials"
            f" ({found.trust_note}) and reached by {found.origin.scheme}",
            remedy="Give it an https api_base.",
        )
