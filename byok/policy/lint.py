"""
What is odd about rules, though nothing is wrong with them: the codes L01 to L13.

Here stands what a rule shows by itself. What takes a look at all requests, or at
the deployments, is in `byok.core.lint`.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from byok.policy import classes
from byok.policy.rules import Action, Direction, Rule, Tier, Where
from byok.policy.settings import AUTH_SWITCH, HEADER_SWITCH, SECTIONS

# A rule that has been in shadow for longer has been forgotten.
SHADOW_DAYS = 30
_MONTH = len("2026-11")


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding."""

    name: str
    level: Level
    meaning: str


CODES: dict[str, Code] = {
    each.name: each
    for each in (
        Code("L01", Level.ERROR, "a rule that can never hold"),
        Code("L02", Level.WARNING, "a rule that a lock or the floor always beats"),
        Code("L03", Level.WARNING, "a rule without which nothing would be otherwise"),
        Code("L04", Level.WARNING, "two rules of one tier that disagree"),
        Code("L05", Level.ERROR, "a name that does not exist"),
        Code("L06", Level.WARNING, "a credential forwarded without a word to whom"),
        Code("L07", Level.WARNING, "a credential stripped, and forwarded further in"),
        Code("L08", Level.ERROR, "a rename onto a header that is there already"),
        Code("L09", Level.WARNING, "a rule forgotten in shadow"),
        Code("L10", Level.ERROR, "trust in a host that anybody could be"),
        Code("L11", Level.NOTE, "a refusal that does not say why"),
        Code("L12", Level.WARNING, "headers of any name forwarded for everybody"),
        Code("L13", Level.WARNING, "a login forwarded without its anthropic-beta"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One finding about a rule, or about the deployment that `where` shows."""

    code: str
    level: Level
    rule: str
    where: Where
    message: str
    remedy: str


def oddity(
    code: str,
    rule: Rule,
    message: str,
    remedy: str,
    *,
    level: Level | None = None,
) -> Oddity:
    """Return the finding *code* about *rule*."""
    return Oddity(
        code=code,
        level=level or CODES[code].level,
        rule=rule.id,
        where=rule.where,
        message=f"{rule.id} {message}",
        remedy=remedy,
    )


def is_switch(rule: Rule) -> bool:
    """Is the rule what a switch means, and not written by anybody?"""
    return rule.tier is Tier.SETTINGS and any(
        rule.id.startswith(f"{section}.{switch}")
        for section in SECTIONS
        for switch in (AUTH_SWITCH, HEADER_SWITCH)
    )


def lint_rules(
    rules: Sequence[Rule], *, today: date, shipped: Collection[str] = ()
) -> Iterator[Oddity]:
    """
    Yield what is odd about each rule by itself.

    Rules in the files *shipped* are left alone: they are not their user's.
    """
    for rule in rules:
        if rule.where.file in shipped:
            continue
        if _is_open_handed(rule):
            yield oddity(
                "L06",
                rule,
                "forwards a credential and does not say to which host or provider",
                "Add provider or host to its match; the floor pins it all the same.",
            )
        if rule.shadow and _is_old(rule.since, today):
            yield oddity(
                "L09",
                rule,
                f"has been in shadow since {rule.since}",
                "Put it in force (byok policy promote), or delete it.",
            )
        if rule.action is Action.DENY and not rule.why:
            yield oddity(
                "L11",
                rule,
                "refuses requests and does not say why",
                "Add why: callers are shown it.",
            )
        if _forwards_anything(rule):
            yield oddity(
                "L12",
                rule,
                "forwards headers that nobody has named, for the whole gateway",
                "Name the headers, or forward them for one deployment or team.",
            )


def _is_open_handed(rule: Rule) -> bool:
    match = rule.match
    credentials = [each for each in classes.CLASSES if each.startswith("credential.")]
    covers = any(
        glob.matches(cls) for glob in match.header.cls for cls in credentials
    ) or not (match.header.cls or match.header.name)
    is_bound = match.host or match.provider or match.deployment or match.header.here
    return (
        rule.action is Action.FORWARD
        and rule.direction is Direction.REQUEST
        and covers
        and not is_bound
        and not is_switch(rule)
    )


def _is_old(since: str, today: date) -> bool:
    """Is *since* (2026-11 or 2026-11-24) longer ago than a trial should last?"""
    text = f"{since}-01" if len(since) == _MONTH else since
    try:
        begun = date.fromisoformat(text)
    except ValueError:
        return False
    return today - begun > timedelta(days=SHADOW_DAYS)


def _forwards_anything(rule: Rule) -> bool:
    header = rule.match.header
    return (
        rule.action is Action.FORWARD
        and rule.direction is Direction.REQUEST
        and rule.tier is Tier.SETTINGS
        and not rule.shadow
        and (
            not header.cls
            or any(glob.matches(classes.UNCLASSIFIED) for glob in header.cls)
        )
        and (not header.name or any("*" in glob.text for glob in header.name))
    )
