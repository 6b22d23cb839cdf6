"""One test for many requests: every credential, deployment and caller it is about."""

import pytest

from byok.core.policy_tests import wide
from byok.core.policy_tests.cases import Given
from byok.core.policy_tests.wide import (
    LIMIT,
    SOMEBODY,
    TooWideError,
    named_in,
    requests_of,
)
from byok.core.routing import DeploymentTable
from byok.core.supposed import PLACEHOLDERS
from byok.policy.rules import Rule, Tier
from tests.core.asking import deployment
from tests.core.policy_tests.papers import DEPLOYMENTS, report, rules, suite

ALL = """\
forall:
  - headers: {%s}
    given: {%s}
    expect: {verdict: allow}
"""


def requests(text: str, *more: Rule, deployments=DEPLOYMENTS) -> list[Given]:
    (case,) = suite(text).cases
    return list(requests_of(case, DeploymentTable(deployments), more))


def test_a_plain_test_is_for_one_request():
    (found,) = requests(
        "tests: [{name: a, given: {key: k}, expect: {verdict: allow}}]\n"
    )

    assert found == Given(key="k", deployment_at=found.deployment_at)


def test_a_wide_word_stands_for_each_placeholder():
    found = requests(ALL % ("authorization: <any credential>", "deployment: main"))

    assert [each.headers for each in found] == [
        (("authorization", f"<{word}>"),) for word in PLACEHOLDERS
    ]


def test_wide_words_multiply():
    text = "x-one: <any anthropic credential>, x-two: a <any provider credential>"
    found = requests(ALL % (text, "deployment: main"))

    some, others = (
        wide.WIDE[f"any {each} credential"] for each in ("anthropic", "provider")
    )
    assert len(found) == len(some) * len(others)
    assert found[0].headers == (
        ("x-one", "<anthropic.api_key>"),
        ("x-two", "a <anthropic.api_key>"),
    )
    assert "gateway" not in others


def test_every_deployment_is_asked_on_a_route_that_it_answers():
    found = requests(ALL % ("x-foo: 1", ""))

    assert [(each.deployment, each.route, each.model) for each in found] == [
        ("main", None, "claude-sonnet-4-5"),
        ("cheap-relay", None, "cheap"),
        ("gpt", "/v1/chat/completions", "gpt-claude-haiku-5-5"),
    ]


def test_a_deployment_of_a_provider_that_is_not_served_is_left_out():
    other = deployment("other")
    unserved = type(other)(
        name="z",
        model_group="z",
        upstream_model="z",
        provider="zebra",
        origin=other.origin,
    )

    found = requests(ALL % ("x-foo: 1", ""), deployments=(other, unserved))

    assert [each.deployment for each in found] == ["other"]


def test_what_is_given_stays():
    text = "route: /v1/messages/count_tokens, model: m, deployment: main, tags: []"
    (found,) = requests(ALL % ("x-foo: 1", text))

    assert (found.route, found.model, found.tags) == (
        "/v1/messages/count_tokens",
        "m",
        (),
    )
    (with_body,) = requests(ALL % ("x-foo: 1", "deployment: main, body: '{}'"))
    assert (with_body.model, with_body.body) == (None, "{}")


def test_callers_are_those_that_rules_name_and_somebody_else():
    more = rules(
        Tier.TEAM,
        {
            "id": "a",
            "match": {"key": ["alice", "ci-*"], "team": "growth"},
            "unless": {"tags": {"any": ["ok"], "all": ["a"], "none": ["b"]}},
            "action": "strip",
        },
        {"id": "b", "match": {"user": "bob"}, "action": "strip"},
    )
    found = requests(ALL % ("x-foo: 1", "deployment: main"), *more)

    assert {each.key for each in found} == {SOMEBODY, "alice", "ci-some"}
    assert {each.team for each in found} == {"", "growth"}
    assert {each.user for each in found} == {"", "bob"}
    assert {each.tags for each in found} == {(), ("a",), ("b",), ("ok",)}
    assert len(found) == 3 * 2 * 2 * 4


def test_defaults_say_who_somebody_is():
    text = "defaults: {key: dev, team: t, user: u, tags: [x]}\n"
    (found,) = requests(text + ALL % ("x-foo: 1", "deployment: main"))

    assert (found.key, found.team, found.user, found.tags) == ("dev", "t", "u", ("x",))


def test_a_name_that_only_looks_like_a_pattern_is_itself():
    (rule,) = rules(Tier.TEAM, {"id": "a", "match": {"team": "a*b"}, "action": "strip"})

    assert named_in([rule], "team") == ("asomeb",)


def test_a_test_for_too_many_requests_is_not_run():
    text = ", ".join(f"x-{each}: <any credential>" for each in "abcdefg")

    with pytest.raises(TooWideError, match=f"at most {LIMIT}"):
        requests(ALL % (text, ""))
    (result,) = report(ALL % (text, "")).results
    assert not result.ok
    assert result.error.startswith("this stands for ")
    assert result.error_at == result.case.where
