"""Injects that disagree: whether there is a request for which both hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.clashes import clashes
from byok.core.routing import DeploymentTable
from byok.policy.classes import classify
from byok.policy.match import Context
from byok.policy.rules import Direction, Rule, Tier
from tests.core.asking import RELAY, deployment, rules_at
from tests.policy.rulesets import FEW, PLAIN, matches, read
from tests.support import keys

MAIN = deployment(group="claude-*", api_key=keys.DEPLOYMENT_KEY)
OTHER = deployment("relay", group="relay", origin=RELAY)
CHAT = deployment("open", group="gpt-*", provider="openai")
STRANGE = replace(OTHER, name="strange", model_group="strange", provider="bedrock")
TABLE = DeploymentTable([MAIN, OTHER, CHAT, STRANGE])


def inject(
    value: str,
    *,
    name: str = "x-a",
    when: str = "set",
    tier: Tier = Tier.SETTINGS,
    unless=None,
    lock: bool = False,
    mode: str = "enforce",
    **match,
) -> Rule:
    item = {
        "id": f"r{value}",
        "action": {"inject": {"name": name, "value": value, "when": when}},
        "match": match,
        "lock": lock,
        "mode": mode,
        **({} if unless is None else {"unless": unless}),
    }
    return rules_at(tier, item)[0]


@pytest.mark.parametrize(
    ("one", "other", "example"),
    [
        (inject("1"), inject("2"), ""),
        (inject("1"), inject("1", when="default"), ""),
        (inject("1"), inject("2", team="a"), "team a"),
        (inject("1", team="a*"), inject("2", team="*b"), "team axxb"),
        (inject("1", team=["a", "b"]), inject("2", team=["b", "c"]), "team b"),
        (
            inject("1", model="claude-*"),
            inject("2", deployment="anthropic-main"),
            "model claude-haiku-5-5, deployment anthropic-main",
        ),
        (inject("1", host="*.anthropic.com"), inject("2", provider="anthropic"), ""),
        (inject("1", user="ann"), inject("2", team="a"), "team a, user ann"),
        (
            inject("1", key="key_" + "A" * 22),
            inject("2", key="laptop"),
            "key laptop",
        ),
        (
            inject("1", tags={"any": ["red"]}),
            inject("2", tags={"any": ["blue"]}),
            "tag blue, tag red",
        ),
        (inject("1", client_ip="10.0.0.0/8"), inject("2", client_ip="10.1.0.0/16"), ""),
        (inject("1", credential="client.*"), inject("2", credential="*.oauth"), ""),
        (inject("1", stream=True), inject("2", auth="authorization"), ""),
        # What is left beside the exception.
        (
            inject("1", unless={"team": "a"}),
            inject("2", team=["a", "b"]),
            "team b",
        ),
        (inject("1", lock=True), inject("2", lock=True), ""),
        (inject("1", mode="shadow"), inject("2", mode="shadow"), ""),
    ],
)
def test_two_values_for_one_header_of_one_request_are_a_clash(one, other, example):
    (found,) = clashes([one, inject("3", name="x-b"), other], TABLE)

    assert (found.one, found.other) == (one, other)
    assert found.example == example


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (inject("1"), inject("1")),
        (inject("1"), inject("2", name="x-b")),
        (inject("1"), inject("2", tier=Tier.MODEL)),
        (inject("1"), inject("2", when="append")),
        (inject("1"), replace(inject("2"), direction=Direction.RESPONSE)),
        (inject("1", team="a"), inject("2", team="b")),
        (inject("1", team="a*"), inject("2", team="b*")),
        (inject("1", stream=True), inject("2", stream=False)),
        (inject("1", client_ip="10.0.0.0/8"), inject("2", client_ip="11.0.0.0/8")),
        (
            inject("1", tags={"all": ["red"]}),
            inject("2", tags={"none": ["red"]}),
        ),
        (inject("1", credential="client.*"), inject("2", credential="deployment")),
        # No deployment is both.
        (inject("1", deployment="relay"), inject("2", model="claude-*")),
        (inject("1", deployment="relay"), inject("2", provider="openai")),
        (inject("1", model_group="strange"), inject("2", deployment="strange")),
        (inject("1", route="/v1/messages"), inject("2", provider="openai")),
        # Said with unless.
        (inject("1", unless={"team": "a*"}), inject("2", team="ab")),
        (inject("1", team="ab"), inject("2", unless={"team": "a*"})),
        # The lock decides, and what is in shadow does not decide at all.
        (inject("1", lock=True), inject("2")),
        (inject("1", mode="shadow"), inject("2")),
    ],
)
def test_these_get_along(one, other):
    assert clashes([one, other], TABLE) == ()


def test_with_many_deployments_each_with_a_value_of_its_own_none_disagree():
    every = [deployment(f"d{n}", group=f"m{n}") for n in range(40)]
    rules = [inject(f"{n}", deployment=f"d{n}", tier=Tier.MODEL) for n in range(40)]

    assert clashes(rules, DeploymentTable(every)) == ()


def places(team, stream, tags, key) -> list[Context]:
    return [
        replace(
            PLAIN,
            model=model,
            model_group=found.model_group,
            deployment=found.name,
            host=found.origin.host,
            trusted=found.trusted,
            deployment_key=found.api_key is not None,
            team=team,
            stream=stream,
            tags=frozenset(tags),
            key=key,
        )
        for found, model in ((MAIN, "claude-sonnet-4-5"), (OTHER, "relay"))
    ]


contexts = st.builds(
    places,
    st.sampled_from(["growth", "grow", "x", ""]),
    st.booleans(),
    st.sets(st.sampled_from(["blue", "red"])),
    st.sampled_from(["dev-laptop", "ops-laptop", "key_1"]),
)


@FEW
@given(
    matches(header=False),
    matches(header=False),
    st.one_of(st.none(), matches(header=False)),
    contexts,
    st.sampled_from(["client.oauth", "deployment", "none"]),
)
def test_where_two_hold_for_a_request_they_are_found(one, other, unless, some, source):
    def rule(number, match, **more):
        action = {"inject": {"name": "x-a", "value": str(number)}}
        item = {"id": f"r{number}", "match": match, "action": action, **more}
        return read(Tier.SETTINGS, item)[0]

    first = rule(1, one, **({} if unless is None else {"unless": unless}))
    second = rule(2, other)
    nothing = "", classify(b"x-a", b"")
    meet = any(
        first.match.holds(*nothing, each, source)
        and second.match.holds(*nothing, each, source)
        and not (
            first.unless is not None and first.unless.holds(*nothing, each, source)
        )
        for each in some
    )

    if meet:
        assert len(clashes([first, second], TABLE)) == 1
