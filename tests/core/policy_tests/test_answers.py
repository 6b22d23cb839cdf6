"""Tests of answers: what goes back, for whom, by which rule, and what they cover."""

from typing import cast

import pytest

from byok.core.policy_tests.coverage import DECIDES, KEPT, UNLESS
from byok.core.policy_tests.expectations import slots_of
from byok.policy import classes
from byok.policy.declared import ClassTable, DeclaredName
from byok.policy.match import Glob
from byok.policy.rules import Tier
from tests.core.asking import Data
from tests.core.policy_tests.papers import report, result, rules, told

ONE = """\
tests:
  - name: one
    direction: response
    given: {%s}
    expect: {%s}
"""
ACCOUNT = "headers: {x-account: a1, retry-after: 3}"


def back(id_: str, action: object, name: str = "", **more) -> Data:
    header = {"header": {"name": name}} if name else {}
    return {
        "id": id_,
        "direction": "response",
        "match": {**more.pop("match", {}), **header},
        "action": action,
        **more,
    }


NO_ACCOUNT = back("no-account", "strip", "x-account", why="it is ours")
MAIN = back(
    "served-by",
    {"inject": {"name": "x-served-by", "value": "main"}},
    match={"deployment": "main"},
)


def wrong(given: str, expected: str, *more: Data, tier: Tier = Tier.SETTINGS):
    return told(result(ONE % (given, expected), *rules(tier, *more)))


@pytest.mark.parametrize(
    ("given", "expected", "written"),
    [
        (ACCOUNT, "kept: [x-account, retry-after]", []),
        (ACCOUNT, "stripped: x-account, kept: retry-after", [NO_ACCOUNT]),
        (
            ACCOUNT,
            "header: {x-account: {verdict: strip, by: no-account}}",
            [NO_ACCOUNT],
        ),
        (
            ACCOUNT,
            "header: {retry-after: {verdict: forward, by: default-forward}}",
            [],
        ),
        # What never goes back is taken off before any rule is asked.
        (
            "headers: {set-cookie: a}",
            "header: {set-cookie: {verdict: strip, by: built-in}}",
            [back("keep", "forward", "set-cookie")],
        ),
        # Where the organisation pays, its affairs are not told.
        (
            "headers: {anthropic-organization-id: o}",
            "stripped: anthropic-organization-id",
            [],
        ),
        (
            "payer: user-key, headers: {anthropic-organization-id: o}",
            "kept: anthropic-organization-id",
            [],
        ),
        (
            "payer: subscription, headers: {anthropic-organization-id: o}",
            "stripped: anthropic-organization-id",
            [back("r", "strip", "anthropic-*", match={"credential": "client.oauth"})],
        ),
        ("", "added: {x-served-by: main}", [MAIN]),
        ("", "added: x-served-by", [MAIN]),
        (
            ACCOUNT,
            "header: {x-account: {verdict: rename, sent_as: x-other}}",
            [back("r", {"rename": {"to": "x-other"}}, "x-account")],
        ),
        (
            ACCOUNT,
            "header: {x-account: {verdict: redact, sent_as: x-account}}",
            [back("r", "redact", "x-account")],
        ),
    ],
)
def test_as_expected(given, expected, written):
    assert wrong(given, expected, *written) == []


@pytest.mark.parametrize(
    ("given", "expected", "written", "said"),
    [
        (ACCOUNT, "kept: x-account", [NO_ACCOUNT], "kept: x-account / strip"),
        (ACCOUNT, "stripped: x-account", [], "stripped: x-account / forward"),
        (
            "headers: {x-account: [a, b]}",
            "stripped: x-account",
            [],
            "stripped: x-account / forward",
        ),
        ("", "added: x-a", [], "added: x-a / nothing"),
        ("", "added: x-a", [MAIN], "added: x-a / x-served-by"),
        (
            "",
            "added: {x-served-by: relay}",
            [MAIN],
            "added x-served-by: relay / main",
        ),
        (
            "deployment: cheap-relay",
            "added: x-served-by",
            [MAIN],
            "added: x-served-by / nothing",
        ),
        (
            ACCOUNT,
            "header: {x-account: {by: no-acount}}",
            [NO_ACCOUNT],
            "header x-account by: no-acount / no-account",
        ),
        (
            "model: zebra",
            "added: x-a",
            [MAIN],
            (
                "answer: an answer / none, for the request was refused"
                " (route.unknown-model)"
            ),
        ),
        (
            "route: /v1/nothing",
            "added: x-a",
            [MAIN],
            "answer: an answer / none, for the request was refused (route.unknown)",
        ),
    ],
)
def test_what_is_not_as_expected_is_told(given, expected, written, said):
    assert wrong(given, expected, *written) == [said]


def test_a_failure_explains_the_field_and_says_how_to_see_it_again():
    found = result(
        ONE % (ACCOUNT, "kept: x-account"),
        *rules(Tier.SETTINGS, NO_ACCOUNT, back("r", "redact", "x-*")),
    )

    (failure,) = found.failures
    (slot,) = slots_of(failure.trial.explanation, "x-account")
    (rule,) = cast("list[dict[str, object]]", slot["determining"])
    assert (rule["rule"], rule["origin"]) == ("no-account", "ours.yaml:7")
    assert slot["overridden"] == [
        {
            "rule": "r",
            "would": "redact",
            "origin": "ours.yaml:7",
            "because": "same tier, stricter won",
        }
    ]
    assert slot["note"] == "it is ours"
    assert failure.command == "byok policy test -c config.yaml tests.0"


# Anybody, and one with the tag that the pack base asks about.
CALLERS = 2
EVERY = """\
forall:
  - name: nobody sees it
    direction: response
    given: {%s}
    headers: {x-account: a}
    expect: {stripped: x-account}
"""


def test_for_all_is_for_every_payer_that_can_be():
    yours = back("r", "strip", "x-account", match={"credential": "client.*"})

    found = result(EVERY % "deployment: main", *rules(Tier.SETTINGS, yours))
    assert (found.requests, found.failed) == (3 * CALLERS, CALLERS)
    assert found.failures[0].trial.given.payer == "org"
    found = result(EVERY % "payer: user-key", *rules(Tier.SETTINGS, yours))
    assert (found.requests, found.failed) == (3 * CALLERS, 0)


def test_for_all_asks_for_payers_whose_credential_may_go_there():
    # Neither of a client's credentials is trusted to the relay, one to the other.
    assert result(EVERY % "deployment: cheap-relay").requests == CALLERS
    assert result(EVERY % "deployment: gpt").requests == 2 * CALLERS
    assert result(EVERY % "").requests == 6 * CALLERS


def ends(text, *written):
    found = report(text, *rules(Tier.SETTINGS, *written)).coverage
    return [(each.rule.id, each.matched, each.reached) for each in found.rules]


def test_rules_about_answers_are_covered_by_tests_of_answers_alone():
    request = (
        "tests:\n  - name: a\n    given: {headers: {x-account: a}}\n"
        "    expect: {verdict: allow}\n"
    )
    default = back(
        "once", {"inject": {"name": "x-account", "value": "1", "when": "default"}}
    )
    excused = back("r", "strip", "retry-after", unless={"deployment": "main"})
    ours = {
        "id": "asked",
        "match": {"header": {"name": "x-account"}},
        "action": "strip",
    }
    written = (NO_ACCOUNT, default, excused, ours)

    assert ends(request, *written) == [
        ("no-account", False, ()),
        ("once", False, ()),
        ("r", False, ()),
        ("asked", True, (DECIDES,)),
    ]
    assert ends(ONE % (ACCOUNT, "added: x-account"), *written) == [
        ("no-account", True, (DECIDES,)),
        ("once", True, (DECIDES,)),
        ("r", False, (UNLESS,)),
        ("asked", False, ()),
    ]
    assert ends(ONE % (ACCOUNT, "kept: x-account"), default) == [
        ("once", True, (KEPT,))
    ]


def test_a_declared_name_is_of_its_class_in_an_answer_and_covered_so():
    table = ClassTable([DeclaredName(name=Glob("x-corp-*"), cls=classes.TRACING)])
    no_traces = {
        "id": "no-traces",
        "direction": "response",
        "match": {"header": {"class": "tracing"}},
        "action": "strip",
    }
    text = ONE % (
        "headers: {x-corp-trace: 7, x-other: 8}",
        "kept: x-other, header: {x-corp-trace: {class: tracing, by: no-traces}}",
    )

    found = report(text, *rules(Tier.SETTINGS, no_traces), class_table=table)

    assert told(found.results[0]) == []
    (covered,) = [each for each in found.coverage.rules if each.rule.id == "no-traces"]
    assert covered.matched
    assert covered.reached == (DECIDES,)


LATER = back("later", "strip", "x-account", mode="shadow")


@pytest.mark.parametrize(
    ("expected", "written", "said"),
    [
        ("kept: x-account, shadow: {answer:x-account: strip}", [LATER], []),
        ("shadow: {answer:x-account: {would: strip, by: later}}", [LATER], []),
        ("shadow: {}", [], []),
        (
            "shadow: {}",
            [LATER],
            ["shadow: nothing / answer:x-account would strip by later"],
        ),
    ],
)
def test_what_shadows_would_make_of_an_answer_can_be_expected(expected, written, said):
    assert wrong(ACCOUNT, expected, *written) == said


def test_a_shadow_about_answers_is_covered_by_what_it_would_do():
    found = report(ONE % (ACCOUNT, "kept: x-account"), *rules(Tier.SETTINGS, LATER))

    (covered,) = [each for each in found.coverage.rules if each.rule.id == "later"]
    assert covered.reached == (DECIDES,)
