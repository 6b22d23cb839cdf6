"""The words of the resolver, and the order in which losers are told."""

from byok.policy.rules import Action, Rule, Tier
from byok.policy.tiers import Overridden, Reason, losers


def rule(name: str, tier: Tier) -> Rule:
    return Rule(id=name, tier=tier, action=Action.FORWARD)


def test_reasons_have_the_words_that_explanations_show():
    assert {each.value for each in Reason} == {
        "floor",
        "lock",
        "narrowest tier",
        "no rule matched",
    }


def test_all_but_the_winner_are_told_broad_tiers_and_small_ids_first():
    winner = rule("a", Tier.KEY)
    second, first = rule("d", Tier.PACK), rule("c", Tier.PACK)
    third, fourth = rule("b", Tier.TEAM), rule("z", Tier.KEY)

    told = losers([fourth, third, winner, second, first], winner, Reason.NARROWEST)

    assert told == (
        Overridden(rule=first, because="narrower tier won"),
        Overridden(rule=second, because="narrower tier won"),
        Overridden(rule=third, because="narrower tier won"),
        Overridden(rule=fourth, because="same tier, as strict, the first by id won"),
    )


def test_who_is_alone_has_beaten_nobody():
    only = rule("a", Tier.KEY)

    assert losers([only], only, Reason.NARROWEST) == ()
