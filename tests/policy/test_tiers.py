"""Who wins, and what is said of those that did not."""

import pytest

from byok.policy.rules import Action, Rule, Tier, Where
from byok.policy.tiers import Reason, loses_because, resolve


def rule(
    name: str, tier: Tier, action: Action = Action.FORWARD, *, lock: bool = False
) -> Rule:
    return Rule(id=name, tier=tier, action=action, lock=lock)


def test_nothing_said_means_no():
    assert resolve([]) == (None, Reason.DEFAULT)


def test_the_floor_beats_locks_and_narrower_tiers():
    floor = rule("floor", Tier.FLOOR, Action.STRIP)

    winner = resolve(
        [
            rule("key", Tier.KEY),
            rule("lock", Tier.PACK, Action.DENY, lock=True),
            floor,
        ]
    )

    assert winner == (floor, Reason.FLOOR)


def test_of_two_locks_the_broader_wins_even_if_it_is_milder():
    broad = rule("broad", Tier.PACK, Action.REDACT, lock=True)

    winner = resolve([rule("narrow", Tier.TEAM, Action.DENY, lock=True), broad])

    assert winner == (broad, Reason.LOCK)


def test_a_lock_beats_plain_rules_of_every_tier():
    lock = rule("lock", Tier.TEAM, Action.STRIP, lock=True)

    winner = resolve([rule("pack", Tier.PACK, Action.DENY), rule("k", Tier.KEY), lock])

    assert winner == (lock, Reason.LOCK)


def test_without_locks_the_narrowest_tier_wins():
    narrow = rule("narrow", Tier.KEY)

    winner = resolve([rule("broad", Tier.SETTINGS, Action.DENY), narrow])

    assert winner == (narrow, Reason.NARROWEST)


ORDER = [
    Action.FORWARD,
    Action.FILTER,
    Action.RENAME,
    Action.REDACT,
    Action.STRIP,
    Action.DENY,
]


@pytest.mark.parametrize("milder", range(len(ORDER) - 1))
def test_inside_a_tier_the_most_severe_action_wins(milder):
    severe = rule("b", Tier.TEAM, ORDER[milder + 1])

    assert resolve([rule("a", Tier.TEAM, ORDER[milder]), severe])[0] is severe


def test_rename_weighs_as_much_as_inject_and_require_as_deny():
    assert Action.RENAME.severity == Action.INJECT.severity
    assert Action.REQUIRE.severity == Action.DENY.severity


def test_of_equals_in_a_tier_the_smaller_id_is_named():
    first, second = (rule(each, Tier.TEAM, Action.STRIP) for each in "ab")

    assert resolve([second, first])[0] is first


def test_losers_are_told_why():
    lock = rule("lock", Tier.TEAM, Action.STRIP, lock=True)
    above = rule("above", Tier.PACK)
    below = rule("below", Tier.KEY)
    same = rule("same", Tier.TEAM)

    assert loses_because(below, lock, Reason.LOCK) == "lock above"
    assert loses_because(above, lock, Reason.LOCK) == "locked in a narrower tier"
    assert loses_because(same, lock, Reason.LOCK) == "same tier, not locked"
    denies = rule("denies", Tier.TEAM, Action.DENY, lock=True)
    assert loses_because(lock, denies, Reason.LOCK) == "same tier, stricter won"
    strips = rule("strips", Tier.TEAM, Action.STRIP)
    assert loses_because(strips, same, Reason.NARROWEST) == "same tier, stricter won"
    twin = rule("twin", Tier.TEAM, Action.STRIP)
    assert loses_because(twin, strips, Reason.NARROWEST) == (
        "same tier, as strict, the first by id won"
    )
    assert loses_because(above, below, Reason.NARROWEST) == "narrower tier won"
    floor = rule("floor", Tier.FLOOR, Action.STRIP)
    assert loses_because(above, floor, Reason.FLOOR) == "floor"


def test_a_place_is_a_file_and_a_line_if_there_is_one():
    assert str(Where(file="a.yaml", line=3)) == "a.yaml:3"
    assert str(Where(file="built-in")) == "built-in"
