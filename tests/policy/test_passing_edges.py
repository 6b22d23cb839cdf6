"""What may be granted at all, and whose grant is named."""

import pytest

from byok.policy import passing
from byok.policy.classes import Classified, How, classify
from byok.policy.match import Glob
from byok.policy.rules import Action, Rule, Tier, Where

UNCLASSIFIED = Classified(cls="unclassified", how=How.DEFAULT)


def grant(name: str, tier: Tier = Tier.PACK, *globs: str) -> Rule:
    return Rule(
        id=name,
        tier=tier,
        action=Action.ALLOW_REQUEST,
        where=Where(file=f"{name}.yaml", line=1),
        grant=tuple(Glob(each) for each in globs or ("*",)),
    )


def test_the_classes_nobody_may_grant_are_these():
    assert set(passing.UNGRANTABLE) == {
        "ambiguous",
        "cookie",
        "credential.gateway",
        "credential.other",
        "credential.provider.anthropic.admin",
        "credential.provider.anthropic.api_key",
        "credential.provider.anthropic.oauth",
        "credential.provider.anthropic.other",
        "credential.provider.azure.api_key",
        "credential.provider.google.api_key",
        "credential.provider.openai.api_key",
        "credential.provider.openrouter.api_key",
        "credential.provider.unknown",
        "framing",
        "gateway-control",
        "hop-by-hop",
    }


@pytest.mark.parametrize("cls", sorted(passing.UNGRANTABLE))
def test_a_grant_of_everything_grants_none_of_them(cls):
    kind = Classified(cls=cls, how=How.NAME)

    assert passing.granting([grant("all")], "x-custom", kind) == ()


@pytest.mark.parametrize(
    ("name", "grantable"),
    [
        (b"x-custom", True),
        (b"anthropic-beta", True),
        (b"x-\xff", True),
        (b"content-type", False),
        (b"content-encoding", False),
        (b"authorization", False),
        (b"cookie", False),
        (b"x_custom", False),
    ],
)
def test_a_name_may_be_granted_unless_it_is_never_to_be_had(name, grantable):
    assert passing.is_grantable(name) is grantable


def test_only_x_pass_asks():
    for name, asked in [
        (b"x-pass-x-a", b"x-a"),
        (b"x-byok-explain", b""),
        (b"x-litellm-tags", b""),
        (b"x-custom", b""),
    ]:
        assert passing.asked_name(name, classify(name, b"1")) == asked


def test_grants_that_cover_the_name_or_the_class_are_kept():
    by_class, by_name = grant("c", Tier.PACK, "unclass*"), grant("n", Tier.KEY, "x-a")

    assert passing.granting(
        [by_class, by_name, grant("o", Tier.KEY, "x-b")], "x-a", UNCLASSIFIED
    ) == (by_class, by_name)
    assert passing.granting([by_class], "content-type", UNCLASSIFIED) == ()


def test_the_broadest_grant_is_named_and_of_equals_the_smaller_id():
    broad, other = grant("b", Tier.PACK), grant("c", Tier.PACK)
    narrow = grant("a", Tier.KEY)

    for grants in ([narrow, other, broad], [other, broad, narrow]):
        asking = passing.asking_rule(grants)
        assert (asking.where, asking.why) == (broad.where, "granted by b")
        assert (asking.tier, asking.action) == (Tier.REQUEST, Action.FORWARD)
