"""Tests of policies run: what is as expected, what is not, and how it is told."""

import shlex
from dataclasses import replace

import pytest

from byok.core.exchange import Decided
from byok.core.policy_tests.cases import Given
from byok.core.policy_tests.expectations import mismatches
from byok.core.policy_tests.report import SHOWN, merged, run
from byok.core.policy_tests.trial import attempt, command, model_of
from byok.policy import classes
from byok.policy.rules import Rule, Tier
from tests.core.asking import Data, deployment
from tests.core.policy_tests.papers import (
    bench,
    report,
    result,
    rules,
    suite,
    told,
)

ONE = """\
tests:
  - name: one
    given: {%s}
    expect: {%s}
"""
KEY = "headers: {x-api-key: <anthropic.api_key>}"
LOGIN = "headers: {authorization: <anthropic.oauth>}"
RELAY = f"deployment: cheap-relay, {LOGIN}"
NO_FOO: Data = {
    "id": "ours.no-foo",
    "match": {"header": {"name": "x-foo"}},
    "action": "strip",
}


def wrong(given: str, expected: str, *more: Rule, **bench) -> list[str]:
    """Return what is not as expected of one request."""
    return told(result(ONE % (given, expected), *more, **bench))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (KEY, "verdict: allow"),
        (KEY, "header: {x-api-key: forward}"),
        (KEY, "credential: {source: client.api_key, payer: user-key}"),
        (LOGIN, "credential: {source: client.oauth, payer: subscription}"),
        (RELAY, "credential: {source: deployment, payer: org}, sends: [x-api-key]"),
        (
            RELAY,
            (
                "header: {authorization: {verdict: strip,"
                " by: floor.credential-host-pin,"
                " class: credential.provider.anthropic.oauth}},"
                " never_sends: authorization"
            ),
        ),
        (
            RELAY,
            (
                "never_sends_class: ['credential.provider.*'],"
                " never_sends_class_to_untrusted: true"
            ),
        ),
        (KEY, "never_sends_class_to_untrusted: true"),
        ("model: zebra", "never_sends_class_to_untrusted: true"),
        (KEY, "shadow: {}"),
        (
            "headers: {x-api-key: <anthropic.admin>}",
            (
                "verdict: deny, status: 403, code: policy.denied,"
                " rule: floor.anthropic-admin-key, credential: {source: deployment}"
            ),
        ),
        ("model: zebra", "verdict: deny, status: 404, code: route.unknown-model"),
        ("route: /v1/nothing", "status: 404, code: route.unknown"),
        ("headers: {X_Api_Key: a}", "status: 400, code: edge.header-name"),
        ("body: 'no json'", "verdict: deny, status: 400"),
        ("body: {model: claude-sonnet-4-5}", "verdict: allow"),
        ("headers: {x-foo: 1}", "header: {x-foo: {by: default-deny}}"),
        ("route: '/v1/messages?beta=true'", "verdict: allow"),
    ],
)
def test_what_is_as_expected_passes(given, expected):
    found = result(ONE % (given, expected))

    assert found.ok, told(found)
    assert found.requests == 1


@pytest.mark.parametrize(
    ("given", "expected", "says"),
    [
        (KEY, "verdict: deny", ["verdict: deny / allow"]),
        (
            "model: z",
            "verdict: allow",
            ["verdict: allow / deny (404 route.unknown-model)"],
        ),
        (KEY, "status: 403", ["status: 403 / it leaves"]),
        ("model: z", "status: 403", ["status: 403 / 404"]),
        (KEY, "code: a.b", ["code: a.b / it leaves"]),
        ("model: z", "code: a.b", ["code: a.b / route.unknown-model"]),
        (KEY, "rule: a.b", ["rule of the refusal: a.b / nothing"]),
        ("model: z", "rule: a.b", ["rule of the refusal: a.b / nothing"]),
        (
            KEY,
            "header: {x-api-key: {verdict: strip, by: a.b, sent_as: x, class: cookie}}",
            [
                "header x-api-key verdict: strip / forward",
                f"header x-api-key class: cookie / {classes.ANTHROPIC_API_KEY}",
                "header x-api-key sent_as: x / x-api-key",
                (
                    "header x-api-key by: a.b"
                    " / litellm_settings.forward_llm_provider_auth_headers"
                ),
            ],
        ),
        (
            RELAY,
            "header: {authorization: {sent_as: authorization}}",
            ["header authorization sent_as: authorization / nothing"],
        ),
        (
            "model: z, headers: {x-foo: 1}",
            "header: {x-foo: strip}",
            [
                (
                    "header x-foo: a verdict"
                    " / none, for the request was refused (route.unknown-model)"
                )
            ],
        ),
        (
            KEY,
            "credential: {source: deployment, payer: org}",
            [
                "credential source: deployment / client.api_key",
                "credential payer: org / user-key",
            ],
        ),
        ("model: z", "credential: {payer: org}", ["credential payer: org / nothing"]),
        (KEY, "sends: cookie", ["sends: cookie / anthropic-version, x-api-key"]),
        ("model: z", "sends: cookie", ["sends: cookie / nothing"]),
        (
            KEY,
            "never_sends: x-api-key",
            ["never_sends: no x-api-key / anthropic-version, x-api-key"],
        ),
        (
            KEY,
            "never_sends_class: ['credential.*']",
            [
                (
                    "never_sends_class: no credential.*"
                    " / credential.provider.anthropic.api_key leaves"
                )
            ],
        ),
        (
            KEY,
            "shadow: {credential: none, request: {by: a.b}, 'header:x-api-key': {}}",
            [
                "shadow credential: would none / nothing",
                "shadow request: by a.b / nothing",
                "shadow header:x-api-key: something / nothing",
            ],
        ),
    ],
)
def test_what_is_not_as_expected_is_told(given, expected, says):
    assert wrong(given, expected) == says


def test_the_operators_own_key_is_no_leak():
    expected = "credential: {source: deployment}, never_sends_class: ['credential.*']"

    assert wrong("deployment: main", expected) == []


def test_an_injected_field_of_a_forbidden_class_is_a_leak_without_a_header():
    more = rules(
        Tier.SETTINGS,
        {"id": "ours.trace", "action": {"inject": {"name": "b3", "value": "1"}}},
    )
    found = result(ONE % (KEY, "never_sends_class: tracing"), *more)

    (failure,) = found.failures
    assert [each.header for each in failure.mismatches] == [""]


def test_a_credential_that_would_go_to_a_stranger_is_a_leak():
    # A request goes to a host that trusts it; told as if the host did not.
    at = bench()
    (case,) = suite(ONE % (KEY, "never_sends_class_to_untrusted: true")).cases
    trial = attempt(case.given, at)
    assert isinstance(trial.result, Decided)
    distrusted = replace(trial.result.deployment, trusted=frozenset())
    stranger = replace(trial.result, deployment=distrusted)

    (found,) = mismatches(case.expected, replace(trial, result=stranger))

    assert (found.what, found.header) == ("never_sends_class_to_untrusted", "x-api-key")
    assert found.expected == "api.anthropic.com is not trusted for it"


# Shadows

SHADOW: Data = {
    "id": "next.no-login",
    "mode": "shadow",
    "match": {"header": {"class": "credential.provider.anthropic.oauth"}},
    "action": "strip",
}
DENY: Data = {"id": "next.deny", "mode": "shadow", "action": {"deny": {}}}


def test_shadows_are_expected_by_slot():
    more = rules(Tier.SETTINGS, SHADOW, DENY)
    as_expected = (
        "shadow: {'header:authorization': {would: strip, by: next.no-login},"
        " credential: deployment, request: {by: next.deny}}"
    )

    assert wrong(LOGIN, as_expected, *more) == []
    assert wrong(LOGIN, "shadow: {credential: none}", *more) == [
        "shadow credential: would none / credential would deployment"
    ]
    assert wrong(LOGIN, "shadow: {}", *more) == [
        (
            "shadow: nothing / header:authorization would strip by next.no-login;"
            " credential would deployment; request would deny by next.deny"
        )
    ]
    assert wrong(
        LOGIN,
        "shadow: {'header:authorization': {would: strip, by: other}}",
        *more,
    ) == [
        (
            "shadow header:authorization: would strip by other"
            " / header:authorization would strip by next.no-login"
        )
    ]


# Who calls


def test_a_rule_for_a_caller_sees_who_is_given():
    more = rules(
        Tier.TEAM,
        {
            "id": "ours.all-of-them",
            "match": {
                "key": "alice",
                "team": "growth",
                "user": "a",
                "tags": {"all": ["x"]},
                "auth": "x-api-key",
                "client_ip": "10.0.0.0/8",
                "stream": True,
                "header": {"name": "x-foo"},
            },
            "action": "strip",
        },
    )
    given = (
        "deployment: main, key: alice, team: growth, user: a, tags: x, stream: true,"
        " client_ip: 10.0.0.1, headers: {x-api-key: <gateway>, x-foo: 1}"
    )

    assert wrong(given, "header: {x-foo: {by: ours.all-of-them}}", *more) == []


def test_a_single_user_is_no_key_and_has_no_carrier():
    more = rules(
        Tier.TEAM,
        {**NO_FOO, "match": {"key": "single-user", "header": {"name": "x-foo"}}},
    )
    expected = "header: {x-foo: {by: ours.no-foo}}"

    assert wrong("headers: {x-foo: 1}", expected, *more, single_user=True) == []


def test_a_configured_carrier_is_the_first():
    more = rules(
        Tier.TEAM,
        {**NO_FOO, "match": {"auth": "x-mine", "header": {"name": "x-foo"}}},
    )
    expected = "header: {x-foo: {by: ours.no-foo}}"

    assert wrong("headers: {x-foo: 1}", expected, *more, key_header_name="X-Mine") == []


# Reports


def test_a_failure_has_the_command_that_shows_it():
    given = (
        "deployment: main, key: a b, team: t, user: u, tags: [x, y], stream: true,"
        " client_ip: 10.0.0.1, route: /v1/messages, model: m, headers: {x-foo: a b}"
    )
    found = result(ONE % (given, "verdict: deny"), config="a/config.yaml")

    (failure,) = found.failures
    assert failure.command == (
        "byok explain-request -c a/config.yaml --deployment main --key 'a b' --team t"
        " --user u --route /v1/messages --client-ip 10.0.0.1 --model m --tag x --tag y"
        " --stream -H 'x-foo: a b'"
    )


def test_a_body_is_shown_by_a_curl_command():
    at = bench(single_user=True)
    given = Given(body='{"model": "m"}', route="/v1/messages")

    assert shlex.split(command(given, at)) == [
        *("byok", "explain-request", "-c", "config.yaml", "--curl"),
        shlex.join(
            ["curl", "http://localhost:4000/v1/messages", "--data", '{"model": "m"}']
        ),
    ]


def test_a_model_is_supposed_where_none_is_given():
    assert model_of(Given(), bench()) == "claude-sonnet-4-5"
    assert model_of(Given(deployment="cheap-relay"), bench()) == "cheap"
    assert model_of(Given(), bench(deployments=(deployment(group="*"),))) == (
        "claude-haiku-5-5"
    )


def test_a_rule_that_does_not_exist_has_a_near_one():
    more = rules(Tier.SETTINGS, NO_FOO)
    given = "headers: {x-foo: 1}"

    def hint(rule: str) -> str:
        found = result(ONE % (given, f"header: {{x-foo: {{by: {rule}}}}}"), *more)
        return found.failures[0].mismatches[0].hint

    assert hint("ours.no-fo") == "no rule has this id; did you mean ours.no-foo?"
    assert hint("zzzzzz") == "no rule has this id"
    assert hint("floor.single-credential") == ""


def test_without_a_list_of_rules_there_is_no_hint():
    (case,) = suite(ONE % (KEY, "header: {x-api-key: {by: a}}")).cases

    (found,) = mismatches(case.expected, attempt(case.given, bench()))

    assert found.hint == ""


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("mian", "did you mean main?"),
        ("zzz", "there are: main, cheap-relay, gpt"),
    ],
)
def test_a_deployment_that_does_not_exist_is_an_error_with_its_place(name, remedy):
    found = result(ONE % (f"deployment: {name}", "verdict: allow"))

    assert (found.ok, found.error) == (False, "no deployment has this name")
    assert found.remedy == remedy
    assert str(found.error_at) == "tests.0.given.deployment"


def test_of_many_requests_that_fail_the_first_are_shown():
    found = result(
        "forall:\n"
        "  - headers: {x-api-key: <any credential>}\n"
        "    expect: {verdict: deny}\n"
    )

    assert len(found.failures) == SHOWN
    assert SHOWN < found.failed < found.requests


def test_a_test_for_all_is_for_the_given_deployment_where_one_is_given():
    text = (
        "forall:\n"
        "  - headers: {x-api-key: <any credential>}\n"
        "    given: {deployment: %s}\n"
        "    expect: {never_sends_class_to_untrusted: true}\n"
    )

    assert result(text % "main").ok
    assert result(text % "mian").error == "no deployment has this name"


def test_a_report_counts_and_merges():
    good = report(ONE % (KEY, "verdict: allow"))
    bad = report(ONE % (KEY, "verdict: deny"))

    both = merged([good, bad])

    assert (good.ok, bad.ok, both.ok) == (True, False, False)
    assert [each.ok for each in both.results] == [True, False]
    assert [each.case.name for each in both.failed] == ["one"]
    assert run([], bench()).ok
