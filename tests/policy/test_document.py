"""Documents read: good ones mean what they say, and every mistake has its code."""

from ipaddress import ip_network
from typing import Any

import pytest

from byok.policy.actions import writable_name
from byok.policy.document import Path, Problem, read_document, read_rules
from byok.policy.match import Glob, HostGlob, Match, Tags
from byok.policy.rules import Action, Denial, Injected, Rule, Tier, When, Where
from tests.support import keys

Data = dict[str, Any]


def locate(path: Path) -> Where:
    return Where(file="rules.yaml", line=len(path))


def document(*rules: Data, **more) -> Data:
    return {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "doc"},
        "rules": list(rules),
        **more,
    }


def rule(action: object = "strip", **more) -> Data:
    return {"id": "r", "action": action, **more}


def problems(data: object) -> tuple[Problem, ...]:
    return read_document(data, locate=locate)[1]


def only_rule(item: Data) -> Rule:
    rules, found = read_document(document(item), locate=locate)
    assert found == ()
    return rules[0]


# What is good


def test_a_document_gives_rules_their_tier_name_and_place():
    rules, found = read_document(
        document(rule("forward", why="because"), tier="model_group"), locate=locate
    )

    assert found == ()
    assert rules == (
        Rule(
            id="doc.r",
            tier=Tier.MODEL_GROUP,
            action=Action.FORWARD,
            where=Where(file="rules.yaml", line=2),
            why="because",
        ),
    )


def test_a_document_is_a_pack_unless_it_says_otherwise():
    assert only_rule(rule()).tier is Tier.PACK


def test_every_condition_is_read():
    match = only_rule(
        rule(
            match={
                "route": "/v1/*",
                "method": ["post"],
                "model": ["a", "b*"],
                "model_group": "m",
                "deployment": "d",
                "provider": "p",
                "team": "t",
                "user": "u",
                "key": "k",
                "auth": "X-LiteLLM-API-Key",
                "host": ["API.Anthropic.com.", "*.example.net"],
                "tags": {"any": "a", "all": ["b"], "none": ["c"]},
                "client_ip": ["10.0.0.0/8", "::1"],
                "stream": True,
                "credential": "client.*",
                "header": {
                    "name": "X-*",
                    "class": "credential.*",
                    "trust": "elsewhere",
                    "slot": "own",
                },
            }
        )
    ).match

    assert match.route == (Glob("/v1/*"),)
    assert match.method == (Glob("POST"),)
    assert match.model == (Glob("a"), Glob("b*"))
    assert match.auth == (Glob("x-litellm-api-key"),)
    assert match.host == (HostGlob("api.anthropic.com"), HostGlob("*.example.net"))
    assert match.tags == Tags(
        any=frozenset("a"), all=frozenset("b"), none=frozenset("c")
    )
    assert match.client_ip == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert match.stream is True
    assert match.credential == (Glob("client.*"),)
    assert match.header.name == (Glob("x-*"),)
    assert match.header.cls == (Glob("credential.*"),)
    assert (match.header.here, match.header.own) == (False, True)
    for name in ("model_group", "deployment", "provider", "team", "user", "key"):
        assert getattr(match, name) == (Glob(name[0]),)


def test_trust_here_and_a_foreign_slot_are_read_too():
    header = only_rule(rule(match={"header": {"trust": "here", "slot": "foreign"}}))

    assert (header.match.header.here, header.match.header.own) == (True, False)


@pytest.mark.parametrize("word", ["forward", "strip", "redact"])
def test_an_action_may_be_one_word(word):
    assert only_rule(rule(word)).action.word == word


def test_every_action_with_parameters_is_read():
    assert only_rule(rule({"rename": {"to": "X-New"}})).rename_to == b"x-new"
    assert only_rule(rule({"inject": {"name": "X-A", "value": "1"}})).inject == (
        Injected(name=b"x-a", value=b"1", when=When.SET)
    )
    appended = rule({"inject": {"name": "x-a", "value": "", "when": "append"}})
    assert only_rule(appended).inject == (
        Injected(name=b"x-a", value=b"", when=When.APPEND)
    )
    filtered = rule(
        {"filter": {"drop": ["a-*", "b"]}}, match={"header": {"name": "anthropic-beta"}}
    )
    assert only_rule(filtered).drop == (Glob("a-*"), Glob("b"))


@pytest.mark.parametrize(
    ("action", "denial"),
    [
        ({"deny": {}}, Denial(status=403, kind="permission_error")),
        ({"deny": {"status": 400}}, Denial(status=400, kind="invalid_request_error")),
        (
            {"deny": {"status": 429, "type": "rate_limit_error", "message": "wait"}},
            Denial(status=429, kind="rate_limit_error", message="wait"),
        ),
        (
            {"require": {"header": "x-a"}},
            Denial(status=400, kind="invalid_request_error"),
        ),
        (
            {"require": {"header": "x-a", "status": 403}},
            Denial(status=403, kind="permission_error"),
        ),
    ],
)
def test_a_refusal_has_a_status_and_a_type_that_go_together(action, denial):
    assert only_rule(rule(action)).denial == denial


@pytest.mark.parametrize(
    "action",
    [
        "strip",
        "redact",
        {"deny": {}},
        {"require": {"header": "x-a"}},
        {"inject": {"name": "x-a", "value": "1"}},
    ],
)
def test_what_takes_away_may_be_locked(action):
    assert only_rule(rule(action, lock=True)).lock


def test_rules_may_stand_inline_with_the_place_as_a_bound():
    rules, found = read_rules(
        [rule(match={"team": "t"})],
        tier=Tier.MODEL,
        locate=locate,
        path=("model_list", 0, "policies"),
        bound=Match(deployment=(Glob("main", exact=True),)),
    )

    assert found == ()
    assert rules[0].id == "r"
    assert rules[0].match.deployment == (Glob("main", exact=True),)
    assert rules[0].match.team == (Glob("t"),)
    assert rules[0].where.line == 4


def test_a_bound_on_the_group_leaves_the_deployment_to_the_rule():
    rules, found = read_rules(
        [rule(match={"deployment": "main"})],
        tier=Tier.MODEL_GROUP,
        locate=locate,
        bound=Match(model_group=(Glob("claude"),)),
    )

    assert found == ()
    assert rules[0].match.deployment == (Glob("main"),)
    assert rules[0].match.model_group == (Glob("claude"),)


# What is wrong: for each code the documents that have it

SECRET = keys.ANTHROPIC_API_KEY
HEADER = {"header": {"name": "x-a"}}

WRONG: dict[str, list[object]] = {
    "E101": [
        None,
        "text",
        ["list"],
        document(rules="text"),
        document("text"),  # type: ignore[arg-type]
        document(rule(match="text")),
        document(rule(match=None)),
        document(rule(unless=1)),
        document(rule(match={"team": []})),
        document(rule(match={"team": ""})),
        document(rule(match={"team": ["a", 1]})),
        document(rule(match={"team": {"a": 1}})),
        document(rule(match={"header": "x-a"})),
        document(rule(match={"tags": ["a"]})),
        document(rule(why=5)),
        document(rule({"deny": {"message": 5}})),
        document(rule({"deny": None})),
        document(metadata={"name": "doc", "owner": 5}),
        document(metadata=[]),
    ],
    "E102": [
        document(more=1),
        document(metadata={"name": "doc", "nmae": "x"}),
        document(rule(mach={})),
        document(rule(match={"taem": "a"})),
        document(rule(match={"cel": "true"})),
        document(rule(match={"header": {"nmae": "x"}})),
        document(rule(match={"tags": {"some": "x"}})),
        document(rule({"deny": {"code": 1}})),
        document(rule({"inject": {"name": "x-a", "value": "1", "format": "x"}})),
        document(rule({"rename": {"to": "x-a", "from": "x"}})),
        document({5: 1, **rule()}),  # type: ignore[dict-item]
    ],
    "E103": [
        document(rule(match={"team": "a*b*"})),
        document(rule(match={"host": "*.a.*"})),
        document(rule(match={"host": "a.*"})),
        document(rule(match={"host": "*."})),
        document(rule(match={"host": "*"})),
    ],
    "E104": [
        document(rule(lock="true")),
        document(rule(lock=None)),
        document(rule(match={"stream": "no"})),
        document(rule(match={"stream": 1})),
    ],
    "E105": [
        document(apiVersion="byok/v2"),
        document(kind="PolicyTest"),
        document(mode="maybe"),
        document(tier="floor"),
        document(tier="request"),
        document(tier=["pack"]),
        document(rule(match={"header": {"trust": "there"}})),
        document(rule(match={"header": {"slot": "other"}})),
        document(rule(match={"credential": "client.oath"})),
        document(rule({"deny": {"type": "nonsense"}})),
        document(rule({"deny": {"type": ["permission_error"]}})),
        document(rule({"inject": {"name": "x-a", "value": "1", "when": "never"}})),
    ],
    "E106": [
        document(rule(match={"client_ip": "10.0.0.1/8"})),
        document(rule(match={"client_ip": ["localhost"]})),
    ],
    "E107": [
        document(rule(match={"header": {"class": "credentials.*"}})),
        document(rule(match={"header": {"class": ["cookie", "zzz"]}})),
    ],
    "E108": [
        document(rule(5)),
        document(rule({})),
        document(rule({"deny": {}, "rename": {"to": "x-a"}})),
        document(rule({"forward": {}})),
        document(rule({"injekt": {}})),
        document(rule({"zzz": {}})),
        document(rule({5: {}})),
        document(rule(None)),
        document(rule("forwrad")),
        document(rule("deny")),
    ],
    "E109": [
        document(rule({"inject": {"name": "x-a"}})),
        document(rule({"inject": {"name": "x-a", "value": 5}})),
        document(rule({"inject": {"name": "x-a", "value": "a\nb"}})),
        document(rule({"inject": {"name": "x-a", "value": "café"}})),
    ],
    "E110": [
        document(rule({"filter": {"drop": "a"}})),
        document(rule({"filter": {"drop": "a"}}, match=HEADER)),
        document(
            rule({"filter": {"drop": "a"}}, match={"header": {"name": "anthropic-*"}})
        ),
    ],
    "E111": [
        *(
            document(rule({"deny": {"status": status}}))
            for status in (200, 399, 500, "403", True, None, 403.5)
        )
    ],
    "E112": [
        document(rule({"rename": {}})),
        document(rule({"rename": {"to": ""}})),
        document(rule({"rename": {"to": 5}})),
        document(rule({"rename": {"to": "x a"}})),
        document(rule({"rename": {"to": "x_a"}})),
        document(rule({"rename": {"to": "x-é"}})),
        document(rule({"inject": {"value": "1"}})),
        document(rule({"require": {}})),
    ],
    "E113": [
        *(
            document(rule({"rename": {"to": name}}))
            for name in (
                "Authorization",
                "x-api-key",
                "x-litellm-api-key",
                "x-byok-explain",
                "x-pass-a",
                "host",
                "te",
                "cookie",
                "x-vault-token",
                "x-goog-api-key",
                "Content-Type",
                "anthropic-version",
            )
        ),
        document(rule({"inject": {"name": "x-api-key", "value": "1"}})),
        document(rule({"require": {"header": "authorization"}})),
    ],
    "E114": [
        {"apiVersion": "byok/v1", "kind": "Policy", "metadata": {"name": "doc"}},
    ],
    "E201": [document(rule(), rule("forward"))],
    "E202": [
        document({"action": "strip"}),
        document({}),
        document({"id": "", "action": "strip"}),
        document({"id": 5, "action": "strip"}),
        document(metadata={}),
        document(metadata={"name": ""}),
        document(metadata={"name": 5}),
    ],
    "E203": [document({"id": "r"})],
    "E204": [
        document(rule("forward", lock=True)),
        document(rule({"rename": {"to": "x-a"}}, lock=True)),
        document(
            rule(
                {"filter": {"drop": "a"}},
                lock=True,
                match={"header": {"name": "anthropic-beta"}},
            )
        ),
        *(
            document(
                rule({"inject": {"name": "x-a", "value": "1", "when": when}}, lock=True)
            )
            for when in ("default", "append")
        ),
    ],
    "E206": [
        document(rule({"inject": {"name": "x-b", "value": "1"}}, match=HEADER)),
        document(rule({"inject": {"name": "x-b", "value": "1"}}, unless=HEADER)),
        document(rule({"require": {"header": "x-b"}}, match=HEADER)),
        document(rule({"require": {"header": "x-b"}}, unless=HEADER)),
        document(rule({"deny": {}}, unless=HEADER)),
    ],
    "E210": [
        document(rule(match={"key": SECRET})),
        document(rule(match={"key": ["a", SECRET]})),
        document(rule(match={"header": {"name": SECRET}})),
        document(rule(match={"tags": {"any": SECRET}})),
        document(rule(match={"host": SECRET})),
        document(rule(why=f"because of {SECRET}")),
        document({**rule(), "id": SECRET}),
        document(metadata={"name": SECRET}),
        document(metadata={"name": "doc", "owner": SECRET}),
        document(rule({"inject": {"name": "x-a", "value": f"Bearer {SECRET}"}})),
        document(rule({"deny": {"message": SECRET}})),
        document(rule({"rename": {"to": SECRET}})),
        document(rule({"require": {"header": SECRET}})),
    ],
}
CASES = [
    pytest.param(code, data, id=f"{code}-{number}")
    for code, cases in WRONG.items()
    for number, data in enumerate(cases)
]


@pytest.mark.parametrize(("code", "data"), CASES)
def test_every_mistake_has_its_code_and_no_value_is_quoted(code, data):
    found = problems(data)

    assert code in {each.code for each in found}
    assert "CANARY" not in repr([(each.message, each.remedy) for each in found])


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "x-vault-token",
        "host",
        "te",
        "cookie",
        "x-pass-a",
        "content-type",
        "anthropic-version",
    ],
)
def test_a_rename_onto_what_there_is_one_of_is_refused_with_a_remedy(name):
    (found,) = problems(document(rule({"rename": {"to": name}}, match=HEADER)))

    assert found.code == "E113"
    assert found.path == ("rules", 0, "action", "rename", "to")
    assert found.remedy


@pytest.mark.parametrize("when", ["default", "append"])
def test_a_refused_lock_is_taken_off(when):
    inject = {"inject": {"name": "x-a", "value": "1", "when": when}}

    (read,), (found,) = read_document(
        document(rule(inject, lock=True)), locate=lambda path: Where(file="f")
    )

    assert found.code == "E204"
    assert "when: set" in found.remedy
    assert not read.lock


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (document(rule(match={"team": ["a", 1]})), ("rules", 0, "match", "team", 1)),
        (document(rule(match={"taem": "a"})), ("rules", 0, "match", "taem")),
        (document(rule({"rename": {"to": 5}})), ("rules", 0, "action", "rename", "to")),
        (document(rule(lock="yes")), ("rules", 0, "lock")),
        (document(tier="floor"), ("tier",)),
        (document(rule(), rule()), ("rules", 1, "id")),
    ],
)
def test_a_problem_says_where_it_is(data, path):
    assert [each.path for each in problems(data)] == [path]


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (document(rule(match={"taem": "a"})), "did you mean team?"),
        (document(rule({"injekt": {}})), "did you mean inject?"),
        (
            document(rule(match={"header": {"class": "credential.gatway"}})),
            "did you mean credential.gateway?",
        ),
        (
            document(rule({"zzz": {}})),
            (
                "known: forward, strip, redact, rename, inject, filter, deny, require,"
                " allow_request, log"
            ),
        ),
        (document(rule("injekt")), "did you mean inject?"),
        (document(rule("strpi")), "did you mean strip?"),
        (document(mode="enforced"), "did you mean enforce?"),
        (document(mode="maybe"), ""),
        (document(mode=5), ""),
        (document(rule(match={"header": {"class": "zzz"}})), "see the list of classes"),
    ],
)
def test_a_near_miss_is_met_with_the_word_that_was_meant(data, remedy):
    assert [each.remedy for each in problems(data)] == [remedy]


def test_all_mistakes_are_told_at_once():
    data = document(
        rule("forwrad", lock=1),
        rule(match={"stream": "x", "team": "a**"}),
        tier="floor",
    )

    assert [each.code for each in problems(data)] == [
        "E105",
        "E104",
        "E108",
        "E103",
        "E104",
        "E201",
    ]


def test_an_id_is_said_to_stand_at_the_line_of_the_first():
    (found,) = problems(document(rule(), rule()))

    assert "rules.yaml:2" in found.message


@pytest.mark.parametrize("dimension", ["deployment", "model_group"])
def test_what_the_place_says_may_not_be_said_again(dimension):
    asked: Data = {dimension: (Glob("main"),)}
    _, found = read_rules(
        [rule(match={dimension: "main"})],
        tier=Tier.MODEL,
        locate=locate,
        bound=Match(**asked),
    )

    assert [each.code for each in found] == ["E205"]


@pytest.mark.parametrize("name", ["x-a", "anthropic-beta", "X-Team"])
def test_a_deployment_may_write_headers_of_its_own(name):
    assert writable_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x a",
        "x_a",
        "x-é",
        "Authorization",
        "x-api-key",
        "host",
        "cookie",
        "x-byok-a",
    ],
)
def test_a_deployment_may_not_write_these(name):
    assert not writable_name(name)
