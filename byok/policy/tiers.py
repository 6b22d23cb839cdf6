"""
Who wins: the trusted core, small enough to check by reading it.

Floor rules beat all. Then locks: the broadest tier holding one wins. Then plain
rules: the narrowest tier wins. Inside one tier the most severe action wins, so
that the order of lines and files never matters. Nothing said means no.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from byok.policy.rules import Rule, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden:
    """A rule that matched and did not decide."""

    rule: Rule
    because: str


class Reason(Enum):
    """Why the winner won."""

    FLOOR = "floor"
    LOCK = "lock"
    NARROWEST = "narrowest tier"
    DEFAULT = "no rule matched"


def resolve(matching: Sequence[Rule]) -> tuple[Rule | None, Reason]:
    """
    Return the rule that decides among those that match one slot, and why it does.

    Of two rules of equal severity in one tier the one with the smaller id decides:
    ids are unique in a tier, so this too is free of order.
    """
    if not matching:
        return None, Reason.DEFAULT
    floor = [rule for rule in matching if rule.tier is Tier.FLOOR]
    locks = [rule for rule in matching if rule.lock]
    if floor:
        deciding, reason = floor, Reason.FLOOR
    elif locks:
        broadest = min(rule.tier for rule in locks)
        deciding = [rule for rule in locks if rule.tier is broadest]
        reason = Reason.LOCK
    else:
        narrowest = max(rule.tier for rule in matching)
        deciding = [rule for rule in matching if rule.tier is narrowest]
        reason = Reason.NARROWEST
    most = max(rule.severity for rule in deciding)
    severest = [rule for rule in deciding if rule.severity == most]
    return min(severest, key=lambda rule: rule.id), reason


def loses_because(loser: Rule, winner: Rule, reason: Reason) -> str:
    """Say in a few words why *loser* did not decide."""
    if loser.tier is winner.tier:
        if reason is Reason.LOCK and not loser.lock:
            return "same tier, not locked"
        if loser.severity == winner.severity:
            return "same tier, as strict, the first by id won"
        return "same tier, stricter won"
    if reason is Reason.FLOOR:
        return "floor"
    if reason is Reason.LOCK:
        return "lock above" if winner.tier < loser.tier else "locked in a narrower tier"
    return "narrower tier won"


def losers(
    matching: Sequence[Rule], winner: Rule, reason: Reason
) -> tuple[Overridden, ...]:
    """Return the *matching* rules that did not decide, broad tiers first."""
    return tuple(
        Overridden(rule=rule, because=loses_because(rule, winner, reason))
        for rule in sorted(matching, key=lambda r: (r.tier, r.id))
        if rule is not winner
    )
