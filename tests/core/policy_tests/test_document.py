"""Reading documents of tests: everything that is wrong is told, and nothing raised."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from byok.core.policy_tests import document, expected_document
from byok.core.policy_tests.cases import (
    Expected,
    Given,
    HeaderExpected,
    ShadowExpected,
)
from byok.core.policy_tests.document import read_suite
from byok.policy.match import Glob
from byok.policy.rules import Direction, Where
from byok.resources import schema_file
from tests.core.policy_tests.papers import locate, problems, read, suite
from tests.support import keys

SCHEMA = json.loads(schema_file("policy-test-v1.schema.json").read_text("utf-8"))
ONE = """\
tests:
  - name: one
    given: {%s}
    expect: {%s}
"""


def with_given(text: str) -> str:
    return ONE % (text, "verdict: allow")


def with_expected(text: str, given: str = "") -> str:
    return ONE % (given, text)


def expected(text: str, headers: str = "") -> Expected:
    given = f"headers: {{{headers}}}" if headers else ""
    (case,) = suite(with_expected(text, given)).cases
    return case.expected


def test_a_case_says_what_is_given():
    found = suite(
        with_given(
            "route: /v1/messages, model: m, deployment: d, key: k, team: t, user: u,"
            " tags: [a, b], client_ip: 10.0.0.1, stream: true,"
            " headers: {X-Foo: 1, x-api-key: <anthropic.api_key>, x-two: [a, b]}"
        )
    )

    (case,) = found.cases
    assert (case.name, case.where, case.every) == ("one", Where(file="tests.0"), False)
    assert case.given == Given(
        route="/v1/messages",
        model="m",
        deployment="d",
        key="k",
        team="t",
        user="u",
        tags=("a", "b"),
        client_ip="10.0.0.1",
        stream=True,
        headers=(
            ("x-foo", "1"),
            ("x-api-key", "<anthropic.api_key>"),
            ("x-two", "a"),
            ("x-two", "b"),
        ),
        deployment_at=Where(file="tests.0.given.deployment"),
    )


def test_what_a_case_leaves_open_comes_from_the_defaults():
    (case,) = suite(
        "defaults: {model: m, deployment: d, key: k, tags: [], stream: true,"
        " headers: {x-one: 1, x-two: 2}}\n"
        + with_given("key: other, headers: {x-two: 3}")
    ).cases

    assert case.given == Given(
        model="m",
        deployment="d",
        key="other",
        tags=(),
        stream=True,
        headers=(("x-one", "1"), ("x-two", "3")),
        deployment_at=Where(file="defaults.deployment"),
    )


def test_a_body_brings_its_own_model_and_a_model_its_own_body():
    body, model = suite(
        "defaults: {model: m, stream: true}\n"
        "tests:\n"
        "  - {name: body, given: {body: {model: other}}, expect: {verdict: allow}}\n"
        "  - {name: text, given: {body: '{}'}, expect: {verdict: allow}}\n"
    ).cases
    (named,) = suite("defaults: {body: '{}'}\n" + with_given("model: m")).cases

    assert (body.given.body, body.given.model) == ('{"model": "other"}', None)
    assert body.given.stream is None
    assert (model.given.body, model.given.model) == ("{}", None)
    assert (named.given.body, named.given.model) == (None, "m")


def test_a_case_says_what_is_expected():
    found = expected(
        "verdict: deny, status: 403, code: policy.denied, rule: a.b,"
        " header: {X-Foo: {verdict: rename, by: a.c, sent_as: X-Bar, class: tracing},"
        " x-two: strip}, credential: {source: client.oauth, payer: subscription},"
        " sends: A, never_sends: [b, C], never_sends_class: ['cookie*'],"
        " never_sends_class_to_untrusted: true,"
        " shadow: {'header:x-foo': {would: strip, by: n.e}, credential: none}",
        headers="x-foo: 1, x-two: 2",
    )

    assert found == Expected(
        verdict="deny",
        status=403,
        code="policy.denied",
        rule="a.b",
        headers=(
            HeaderExpected(
                name="x-foo",
                verdict="rename",
                by="a.c",
                sent_as="x-bar",
                cls="tracing",
            ),
            HeaderExpected(name="x-two", verdict="strip"),
        ),
        source="client.oauth",
        payer="subscription",
        sends=("a",),
        never_sends=("b", "c"),
        never_sends_class=(Glob("cookie*"),),
        never_to_untrusted=True,
        shadow=(
            ShadowExpected(slot="header:x-foo", would="strip", by="n.e"),
            ShadowExpected(slot="credential", would="none"),
        ),
    )


def test_nothing_expected_of_shadows_is_not_the_same_as_none_expected():
    assert expected("verdict: allow").shadow is None
    assert expected("shadow: {}").shadow == ()
    assert expected("never_sends_class_to_untrusted: false") == Expected()


def test_a_test_for_all_has_its_headers_beside_its_name():
    named, unnamed = suite(
        "forall:\n"
        "  - name: all\n"
        "    headers: {authorization: <any credential>}\n"
        "    given: {key: k, headers: {x-foo: 1}}\n"
        "    expect: {header: {x-foo: strip, authorization: strip}}\n"
        "  - headers: {x-one: '<any provider credential>'}\n"
        "    expect: {verdict: allow}\n"
    ).cases

    assert (named.name, named.every) == ("all", True)
    assert named.given.headers == (
        ("x-foo", "1"),
        ("authorization", "<any credential>"),
    )
    assert unnamed.name == "for all: x-one: <any provider credential>"


def test_a_document_names_its_configuration():
    found = suite("metadata: {name: ours}\nconfig: ../a.yaml\n" + with_given(""))

    assert (found.file, found.config) == ("ours_test.yaml", "../a.yaml")
    assert suite(with_given("")).config == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tests: []\n", [("E114", "")]),
        ("", [("E114", "")]),
        ("tests: one\n", [("E101", "tests")]),
        ("forall: {}\n", [("E101", "forall")]),
        ("testing: []\n", [("E102", "testing")]),
        ("metadata: {nam: x}\ntests: []\n", [("E102", "metadata.nam")]),
        (with_given("modl: m"), [("E102", "tests.0.given.modl")]),
        (with_expected("verdikt: allow"), [("E102", "tests.0.expect.verdikt")]),
        (with_expected("verdict: maybe"), [("E105", "tests.0.expect.verdict")]),
        (with_expected(""), [("E114", "tests.0.expect")]),
        (with_expected("status: ok"), [("E101", "tests.0.expect.status")]),
        (with_expected("status: true"), [("E101", "tests.0.expect.status")]),
        (with_expected("header: x-foo"), [("E101", "tests.0.expect.header")]),
        (
            with_expected("header: {x-foo: {verdict: lost}}", "headers: {x-foo: 1}"),
            [("E105", "tests.0.expect.header.x-foo.verdict")],
        ),
        (
            with_expected("credential: {source: me}"),
            [("E105", "tests.0.expect.credential.source")],
        ),
        (with_expected("sends: []"), [("E101", "tests.0.expect.sends")]),
        (
            with_expected("never_sends_class: [a*b*c]"),
            [("E103", "tests.0.expect.never_sends_class")],
        ),
        (
            with_expected("never_sends_class_to_untrusted: 'yes'"),
            [("E104", "tests.0.expect.never_sends_class_to_untrusted")],
        ),
        (with_expected("shadow: none"), [("E101", "tests.0.expect.shadow")]),
        (
            with_expected("shadow: {x-foo: strip}"),
            [("E105", "tests.0.expect.shadow.x-foo")],
        ),
        (
            with_expected("shadow: {'header:': strip}"),
            [("E105", "tests.0.expect.shadow.header:")],
        ),
        (
            with_expected("shadow: {'request:x': deny}"),
            [("E105", "tests.0.expect.shadow.request:x")],
        ),
        (
            with_expected("shadow: {request: {wuold: deny}}"),
            [("E102", "tests.0.expect.shadow.request.wuold")],
        ),
        (with_given("headers: [a]"), [("E101", "tests.0.given.headers")]),
        (with_given("headers: {a: true}"), [("E101", "tests.0.given.headers.a")]),
        (with_given("headers: {a: [{}]}"), [("E101", "tests.0.given.headers.a")]),
        (with_given("stream: 1"), [("E104", "tests.0.given.stream")]),
        (with_given("tags: {}"), [("E101", "tests.0.given.tags")]),
        (with_given("team: 1"), [("E101", "tests.0.given.team")]),
        (
            with_given("body: {}, model: m, stream: true"),
            [("E205", "tests.0.given.model"), ("E205", "tests.0.given.stream")],
        ),
        ("tests: [{name: a}]\n", [("E114", "tests.0")]),
        ("tests: [{expect: {verdict: allow}}]\n", [("E202", "tests.0")]),
        (
            "tests: [a]\n",
            [("E101", "tests.0")],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, found):
    assert problems(text) == found


def test_another_kind_of_document_is_refused():
    _, found = read_suite({"kind": "Policy"}, file="x", locate=locate)

    assert {each.path for each in found} == {("apiVersion",), ("kind",)}


def test_an_expected_header_that_is_not_given_has_a_near_one():
    _, found = read(
        with_expected(
            "header: {x-api-ky: strip, cookie: strip}", "headers: {x-api-key: a}"
        )
    )

    assert [(each.code, each.path[-1], each.remedy) for each in found] == [
        ("E231", "x-api-ky", "did you mean x-api-key?"),
        ("E231", "cookie", "write it into headers, with the value it comes with"),
    ]


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("<anthropic.apikey>", "did you mean <anthropic.api_key>?"),
        ("<zzz>", "known are <anthropic.api_key>,"),
    ],
)
def test_a_placeholder_that_stands_for_nothing_has_a_near_one(value, remedy):
    _, (found,) = read(with_given(f"headers: {{x-api-key: {value}}}"))

    assert found.code == "E232"
    assert found.remedy.startswith(remedy)


def test_a_wide_placeholder_stands_in_tests_for_all_only():
    text = "headers: {x-api-key: <any credential>}"

    assert problems(with_given(text)) == [("E232", "tests.0.given.headers.x-api-key")]
    assert problems(f"forall:\n  - {{{text}, expect: {{verdict: allow}}}}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        f"headers: {{x-api-key: {keys.ANTHROPIC_API_KEY}}}",
        f"body: {{model: m, x: {keys.ANTHROPIC_API_KEY}}}",
        f"key: {keys.ANTHROPIC_OAUTH}",
    ],
)
def test_a_real_credential_is_refused_and_not_repeated(text):
    _, found = read(with_given(text))

    assert [each.code for each in found] == ["E210"]
    assert "CANARY" not in repr(found)


# The schema that editors read


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("keys_of_reader", "part"),
    [
        (document.DOCUMENT_KEYS, SCHEMA),
        (document.METADATA_KEYS, SCHEMA["properties"]["metadata"]),
        (document.TEST_KEYS, SCHEMA["$defs"]["test"]),
        (document.FORALL_KEYS, SCHEMA["$defs"]["forall"]),
        (document.GIVEN_KEYS, SCHEMA["$defs"]["given"]),
        (
            [
                *expected_document.EXPECT_KEYS,
                *(
                    each
                    for each in expected_document.ANSWER_KEYS
                    if each not in expected_document.EXPECT_KEYS
                ),
            ],
            SCHEMA["$defs"]["expect"],
        ),
        (expected_document.HEADER_KEYS, SCHEMA["$defs"]["header"]),
        (expected_document.SHADOW_KEYS, SCHEMA["$defs"]["shadow"]),
        (
            expected_document.CREDENTIAL_KEYS,
            SCHEMA["$defs"]["expect"]["properties"]["credential"],
        ),
    ],
)
def test_the_schema_has_the_readers_keys(keys_of_reader, part):
    assert list(part["properties"]) == list(keys_of_reader)
    assert part["additionalProperties"] is False


def test_the_schema_has_the_readers_words():
    properties = SCHEMA["$defs"]["expect"]["properties"]

    assert properties["verdict"]["enum"] == list(expected_document.VERDICTS)
    assert SCHEMA["$defs"]["header"]["properties"]["verdict"]["enum"] == list(
        expected_document.FATES
    )
    given = SCHEMA["$defs"]["given"]["properties"]
    assert set(given["payer"]["enum"]) == set(expected_document.PAYERS)
    credential = properties["credential"]["properties"]
    assert credential["source"]["enum"] == list(expected_document.SOURCES)
    assert credential["payer"]["enum"] == list(expected_document.PAYERS)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *document.GIVEN_KEYS,
                    *expected_document.EXPECT_KEYS,
                    *expected_document.ANSWER_KEYS,
                    "name",
                    "expect",
                    "x-foo",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(tests=_VALUES, defaults=_VALUES)
def test_no_data_makes_the_reader_fail(tests, defaults):
    answers = [{"direction": "response", "given": tests, "expect": tests}]
    data = {"tests": [tests, *answers], "forall": tests, "defaults": defaults}

    read_suite(data, file="x", locate=locate)


# Answers

ANSWER = """\
tests:
  - name: one
    direction: response
    given: {%s}
    expect: {%s}
"""


def test_an_answer_has_words_of_its_own():
    found = suite(
        "defaults: {deployment: d, headers: {x-foo: 1}}\n"
        + ANSWER
        % (
            "payer: user-key, headers: {X-One: 1, x-two: 2}",
            (
                "kept: X-One, stripped: [x-two], added: {X-New: v},"
                " header: {x-one: forward}"
            ),
        )
    )

    (case,) = found.cases
    assert case.direction is Direction.RESPONSE
    assert case.given.payer == "user-key"
    assert case.given.deployment == "d"
    # What a request has by default is nothing that an answer has.
    assert case.given.headers == (("x-one", "1"), ("x-two", "2"))
    assert case.expected == Expected(
        headers=(HeaderExpected(name="x-one", verdict="forward"),),
        kept=("x-one",),
        stripped=("x-two",),
        added=(("x-new", "v"),),
    )


def test_what_is_added_may_be_named_alone():
    (case,) = suite(ANSWER % ("", "added: [x-a, x-b]")).cases

    assert case.expected.added == (("x-a", None), ("x-b", None))


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (ANSWER % ("", "sends: x-a"), "E102", "tests.0.expect.sends"),
        (ANSWER % ("", ""), "E114", "tests.0.expect"),
        (ANSWER % ("", "kept: x-a"), "E231", "tests.0.expect.kept"),
        (ANSWER % ("", "stripped: x-a"), "E231", "tests.0.expect.stripped"),
        (ANSWER % ("headers: {x-a: 1}", "header: {x-a: filter}"), "E105", None),
        (ANSWER % ("payer: me", "added: x-a"), "E105", "tests.0.given.payer"),
        (ANSWER % ("", "added: {x-a: 1}"), "E101", "tests.0.expect.added.x-a"),
        (
            ANSWER.replace("response", "back") % ("", "verdict: allow"),
            "E105",
            "tests.0.direction",
        ),
        (with_given("payer: org"), "E205", "tests.0.given.payer"),
        (with_expected("kept: x-a"), "E102", "tests.0.expect.kept"),
    ],
)
def test_what_is_wrong_about_an_answer_is_told(text, code, place):
    (found,) = problems(text)

    assert found[0] == code
    assert place in {None, found[1]}
