"""Reading policies to the last key: what each says, and where each mistake is."""

import pytest

from byok.policy.actions import writable_name
from byok.policy.document import read_document, read_rules, with_secrets
from byok.policy.grammar import read_match
from byok.policy.match import Glob, HostGlob, Match, Tags
from byok.policy.reader import Reader
from byok.policy.rules import Action, Direction, Tier, When, Where
from byok.policy.slot import NONE, SOURCES

NAMED = {"name": "anthropic-beta"}


def read(item, tier=Tier.PACK):
    return read_rules(
        [{"id": "r", **item}], tier=tier, locate=lambda _: Where(file="p.yaml")
    )


def rule(action, tier=Tier.PACK, **more):
    (found,), problems = read({"action": action, **more}, tier)
    assert problems == ()
    return found


def wrong(action="strip", tier=Tier.PACK, **more):
    _, problems = read({"action": action, **more}, tier)
    return [(each.code, each.path[1:]) for each in problems]


def inject(**more):
    return {"inject": {"name": "x-a", "value": "1", **more}}


def secret(**more):
    return {"inject": {"name": "x-a", "secret": "file:k", **more}}


# Where each mistake is


@pytest.mark.parametrize(
    ("match", "code", "at"),
    [
        ({"credential": "client.oath"}, "E105", ("credential",)),
        ({"host": "a.*.b"}, "E103", ("host",)),
        ({"host": [5]}, "E101", ("host", 0)),
        ({"tags": "red"}, "E101", ("tags",)),
        ({"tags": {"any": 5}}, "E101", ("tags", "any")),
        ({"client_ip": "10.0.0.1/8"}, "E106", ("client_ip",)),
        ({"stream": "no"}, "E104", ("stream",)),
        ({"header": "x-a"}, "E101", ("header",)),
        ({"header": {"name": 5}}, "E101", ("header", "name")),
        ({"header": {"class": 5}}, "E101", ("header", "class")),
        ({"header": {"class": "zzz"}}, "E107", ("header", "class")),
        ({"header": {"trust": "there"}}, "E105", ("header", "trust")),
        ({"header": {"slot": "other"}}, "E105", ("header", "slot")),
        ({"header": {"present": "no"}}, "E104", ("header", "present")),
    ],
)
@pytest.mark.parametrize("key", ["match", "unless"])
def test_a_mistake_in_a_match_is_told_where_it_stands(key, match, code, at):
    assert wrong(**{key: match}) == [(code, (key, *at))]


@pytest.mark.parametrize(
    ("action", "code", "at"),
    [
        ({"rename": {"to": 5}}, "E112", ("rename", "to")),
        (inject(name=5), "E112", ("inject", "name")),
        (inject(name="host"), "E113", ("inject", "name")),
        (inject(value=5), "E109", ("inject", "value")),
        (inject(value="os.environ/ORG_KEY"), "E109", ("inject", "value")),
        (inject(value="file:org.key"), "E109", ("inject", "value")),
        (inject(value="sk-ant-api03-xxxxxxxx"), "E210", ("inject", "value")),
        (inject(when="never"), "E105", ("inject", "when")),
        ({"deny": {"status": 200}}, "E111", ("deny", "status")),
        ({"deny": {"status": "403"}}, "E111", ("deny", "status")),
        ({"deny": {"status": True}}, "E111", ("deny", "status")),
        ({"deny": {"type": "nonsense"}}, "E105", ("deny", "type")),
        ({"deny": {"message": 5}}, "E101", ("deny", "message")),
        ({"require": {"header": 5}}, "E112", ("require", "header")),
        ({"filter": {"drop": 5}}, "E101", ("filter", "drop")),
        ({"log": "all"}, "E105", ("log",)),
        ({"allow_request": 5}, "E101", ("allow_request",)),
    ],
)
def test_a_mistake_in_an_action_is_told_where_it_stands(action, code, at):
    match = {"header": NAMED} if "filter" in action else {}

    assert wrong(action, match=match) == [(code, ("action", *at))]


@pytest.mark.parametrize(
    ("action", "tier", "code", "at"),
    [
        (secret(), Tier.PACK, "E211", ("inject", "secret")),
        (secret(secret="KEY"), Tier.MODEL, "E213", ("inject", "secret")),
        (secret(secret=5), Tier.MODEL, "E213", ("inject", "secret")),
        (secret(when="never"), Tier.MODEL, "E105", ("inject", "when")),
        (secret(value="1"), Tier.MODEL, "E212", ("inject",)),
    ],
)
def test_a_mistake_about_a_secret_is_told_where_it_stands(action, tier, code, at):
    assert wrong(action, tier) == [(code, ("action", *at))]


# What each says


def test_every_part_of_a_match_is_read():
    reader = Reader(Tier.PACK, lambda _: Where(file="p"), "")
    asked = {
        "host": ["API.example.", "*.Example.net"],
        "tags": {"any": ["a"], "all": "b", "none": ["c", "d"]},
        "header": {"present": True, "trust": "here", "slot": "foreign"},
        "stream": True,
    }

    found = read_match(reader, asked, ())

    assert reader.problems == []
    assert found.host == (HostGlob("api.example"), HostGlob("*.example.net"))
    assert found.tags == Tags(
        any=frozenset({"a"}), all=frozenset({"b"}), none=frozenset({"c", "d"})
    )
    header = found.header
    assert (header.present, header.here, header.own) == (True, True, False)
    assert found.stream is True


def test_a_word_that_is_none_asks_nothing():
    reader = Reader(Tier.PACK, lambda _: Where(file="p"), "")

    found = read_match(reader, {"header": {"trust": "there", "slot": "other"}}, ())

    assert found == Match()
    assert len(reader.problems) == 2


@pytest.mark.parametrize("source", [*SOURCES, NONE])
def test_every_source_of_a_credential_may_be_asked_for(source):
    assert wrong(match={"credential": source}) == []


@pytest.mark.parametrize(
    "kind",
    [
        "authentication_error",
        "permission_error",
        "invalid_request_error",
        "not_found_error",
        "rate_limit_error",
        "billing_error",
    ],
)
def test_a_refusal_may_be_of_every_kind_that_clients_know(kind):
    assert rule({"deny": {"type": kind}}).denial.kind == kind


def test_what_is_required_is_read_with_its_answer():
    found = rule(
        {
            "require": {
                "header": "X-Need",
                "status": 409,
                "type": "not_found_error",
                "message": "bring it",
            }
        }
    )

    assert (found.action, found.require) == (Action.REQUIRE, b"x-need")
    assert (found.denial.status, found.denial.kind) == (409, "not_found_error")
    assert found.denial.message == "bring it"


@pytest.mark.parametrize("name", ["anthropic-beta", "openai-beta", "accept", "baggage"])
def test_every_header_that_is_a_list_can_be_filtered(name):
    found = rule({"filter": {"drop": "a-*"}}, match={"header": {"name": name}})

    assert (found.action, [each.text for each in found.drop]) == (
        Action.FILTER,
        ["a-*"],
    )


def test_what_is_no_list_is_met_with_all_that_are():
    _, (problem,) = read(
        {"action": {"filter": {"drop": "a"}}, "match": {"header": {"name": "x-a"}}}
    )

    assert problem.remedy == "known lists: accept, anthropic-beta, baggage, openai-beta"


def test_a_secret_is_put_in_by_its_reference():
    found = rule(secret(when="default"), Tier.MODEL)

    assert found.action is Action.INJECT
    assert found.inject is not None
    assert (found.inject.when, found.inject.reference) == (When.DEFAULT, "file:k")
    assert rule(secret(), Tier.MODEL).inject.when is When.SET


@pytest.mark.parametrize("grant", [["tracing", "x-team-*"], "unclassified"])
def test_what_requests_may_send_is_read(grant):
    found = rule({"allow_request": grant})

    assert found.action is Action.ALLOW_REQUEST
    texts = [each.text for each in found.grant]
    assert texts == ([grant] if isinstance(grant, str) else grant)


@pytest.mark.parametrize("grant", ["*", "cookie", "credential.*", "hop-by-hop", "f*"])
def test_what_no_request_may_send_cannot_be_granted(grant):
    assert wrong({"allow_request": ["tracing", grant]}) == [
        ("E214", ("action", "allow_request"))
    ]


@pytest.mark.parametrize("name", ["x!#$%&'*+-.^`|~9", "X-A"])
def test_every_letter_that_a_name_may_hold_may_be_written(name):
    assert rule(inject(name=name)).inject.name == name.lower().encode()
    assert writable_name(name)


@pytest.mark.parametrize("name", ["x_a", "x a", "x:a", "h\u00f6", "\u20ac"])
def test_no_other_letter_may_be_written(name):
    assert wrong(inject(name=name)) == [("E112", ("action", "inject", "name"))]
    assert not writable_name(name)


@pytest.mark.parametrize("action", ["forward", "strip", "redact"])
def test_on_the_way_back_there_are_these(action):
    found = rule(action, direction="response")

    assert (found.direction, found.action.word) == (Direction.RESPONSE, action)
    assert rule({"rename": {"to": "x-b"}}, direction="response")
    assert rule(inject(), direction="response")


# Documents


def test_a_document_may_have_all_its_keys_and_a_rule_all_of_its():
    item = {
        "id": "r",
        "why": "because",
        "match": {"team": "a"},
        "unless": {"user": "b"},
        "action": "strip",
        "lock": True,
        "mode": "enforce",
        "direction": "request",
    }
    document = {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {
            "name": "d",
            "owner": "o",
            "since": "2026-11",
            "description": "for a test",
        },
        "tier": "team",
        "mode": "enforce",
        "rules": (item,),
        "assert": [],
    }

    (found,), problems = read_document(document, locate=lambda _: Where(file="p"))

    assert problems == ()
    assert (found.id, found.why, found.since) == ("d.r", "because", "2026-11")
    assert found.lock
    assert not found.shadow
    assert found.unless is not None


@pytest.mark.parametrize(
    ("word", "tier"),
    [
        ("pack", Tier.PACK),
        ("settings", Tier.SETTINGS),
        ("model_group", Tier.MODEL_GROUP),
        ("model", Tier.MODEL),
        ("team", Tier.TEAM),
        ("user", Tier.USER),
        ("key", Tier.KEY),
    ],
)
def test_a_document_stands_in_the_tier_that_it_names(word, tier):
    document = {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "d"},
        "tier": word,
        "rules": [{"id": "r", "action": "strip"}],
    }

    (found,), problems = read_document(document, locate=lambda _: Where(file="p"))

    assert (found.tier, problems) == (tier, ())


def test_a_rule_that_cannot_be_read_does_not_hide_the_next():
    rules, problems = read_rules(
        [
            5,
            {"id": "a", "action": "strip"},
            {"id": "a"},
            {"id": "b", "action": "redact"},
        ],
        tier=Tier.PACK,
        locate=lambda _: Where(file="p"),
    )

    assert "b" in [each.id for each in rules]
    assert ("E101", (0,)) in [(each.code, each.path) for each in problems]
    _, (problem,) = read_rules(5, tier=Tier.PACK, locate=lambda _: Where(file="p"))
    assert problem.code == "E101"


# Rules as wholes


X_FOO = {"header": {"name": "x-foo"}}
GONE = {"header": {"name": "x-foo", "present": False}}


@pytest.mark.parametrize(
    ("item", "tier", "found"),
    [
        ({"action": "forward", "lock": True}, Tier.PACK, ("E204", ("lock",))),
        ({"action": "strip", "lock": True}, Tier.KEY, ("E207", ("lock",))),
        ({"action": "strip", "lock": "yes"}, Tier.PACK, ("E104", ("lock",))),
        ({"action": "strip", "mode": "dry"}, Tier.PACK, ("E105", ("mode",))),
        ({"action": "strip", "direction": "up"}, Tier.PACK, ("E105", ("direction",))),
        (
            {"action": {"deny": {}}, "direction": "response"},
            Tier.PACK,
            ("E208", ("action",)),
        ),
        ({"action": {"require": {"header": "x-a"}}, "match": X_FOO}, Tier.PACK, None),
        ({"action": "strip", "why": 5}, Tier.PACK, ("E101", ("why",))),
        ({"action": "strip", "match": 5}, Tier.PACK, ("E101", ("match",))),
        ({"action": "strip", "unless": 5}, Tier.PACK, ("E101", ("unless",))),
        ({"action": "strip", "mdoe": 5}, Tier.PACK, ("E102", ("mdoe",))),
    ],
)
def test_a_mistake_in_a_rule_is_told_where_it_stands(item, tier, found):
    _, problems = read(item, tier)

    assert [(each.code, each.path[1:]) for each in problems] == [
        found or ("E206", ("match",))
    ]


@pytest.mark.parametrize(
    ("action", "more", "asks_in_vain"),
    [
        ({"deny": {}}, {"match": X_FOO}, False),
        ({"deny": {}}, {"match": X_FOO, "unless": X_FOO}, False),
        ({"deny": {}}, {"unless": X_FOO}, True),
        ({"deny": {}}, {"match": GONE, "unless": X_FOO}, False),
        ({"deny": {}}, {"unless": {"team": "a"}}, False),
        (inject(), {"match": {"team": "a"}, "unless": {"user": "b"}}, False),
        (inject(), {"unless": X_FOO}, True),
        ("strip", {"match": X_FOO, "unless": X_FOO}, False),
    ],
)
def test_who_looks_at_no_field_cannot_ask_for_one(action, more, asks_in_vain):
    assert wrong(action, **more) == ([("E206", ("match",))] if asks_in_vain else [])


def test_what_is_wrong_about_a_lock_does_not_lock():
    (found,), _ = read({"action": "forward", "lock": True})

    assert not found.lock


def test_a_word_that_is_no_mode_and_no_direction_is_as_if_it_were_not_there():
    (found,), _ = read({"action": "strip", "mode": "dry", "direction": "up"})

    assert not found.shadow
    assert found.direction is Direction.REQUEST
    assert rule("strip", mode="shadow").shadow


HERE = (Glob("here"),)
BOUND = {
    "deployment": Match(deployment=HERE),
    "model_group": Match(model_group=HERE),
    "team": Match(team=HERE),
    "key": Match(key=HERE),
}
BOUNDS = tuple(BOUND)


@pytest.mark.parametrize("name", BOUNDS)
def test_the_place_of_a_list_says_what_its_rules_may_not(name):
    bound = BOUND[name]
    items = [
        {"id": "a", "action": "strip"},
        {"id": "b", "action": "strip", "match": {name: "there"}},
    ]

    rules, problems = read_rules(
        items,
        tier=Tier.MODEL,
        locate=lambda _: Where(file="p"),
        bound=bound,
        path=("policies",),
    )

    assert [getattr(each.match, name) for each in rules] == [(Glob("here"),)] * 2
    assert [(each.code, each.path) for each in problems] == [
        ("E205", ("policies", 1, "match", name))
    ]


@pytest.mark.parametrize("name", BOUNDS)
def test_what_the_place_of_a_list_leaves_open_its_rules_may_say(name):
    (found,), problems = read_rules(
        [{"id": "a", "action": "strip", "match": {name: "there"}}],
        tier=Tier.MODEL,
        locate=lambda _: Where(file="p"),
        bound=Match(),
    )

    assert problems == ()
    assert getattr(found.match, name) == (Glob("there"),)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"apiVersion": "byok/v2"}, ("E105", ("apiVersion",))),
        ({"kind": "Polices"}, ("E105", ("kind",))),
        ({"mode": "dry"}, ("E105", ("mode",))),
        ({"tier": "floor"}, ("E105", ("tier",))),
        ({"metadata": 5}, ("E101", ("metadata",))),
        ({"metadata": {"name": "d", "nmae": "x"}}, ("E102", ("metadata", "nmae"))),
        ({"metadata": {"name": "d", "owner": 5}}, ("E101", ("metadata", "owner"))),
        ({"metadata": {}}, ("E202", ("metadata",))),
        ({"rules": 5}, ("E101", ("rules",))),
        ({"rules": [5]}, ("E101", ("rules", 0))),
        ({"rulse": []}, ("E102", ("rulse",))),
    ],
)
def test_a_mistake_in_a_document_is_told_where_it_stands(more, found):
    document = {
        "apiVersion": "byok/v1",
        "kind": "Policy",
        "metadata": {"name": "d"},
        "rules": [],
        **more,
    }

    _, problems = read_document(document, locate=lambda _: Where(file="p"))

    first = (problems[0].code, problems[0].path)
    assert first == found


def test_a_document_without_rules_is_none():
    document = {"apiVersion": "byok/v1", "kind": "Policy", "metadata": {"name": "d"}}

    _, (problem,) = read_document(document, locate=lambda _: Where(file="p"))

    assert (problem.code, problem.path) == ("E114", ())


def test_a_secret_for_an_id_is_told_where_it_stands():
    _, problems = read({"id": "sk-ant-api03-xxxxxxxx", "action": "strip"})

    assert [(each.code, each.path) for each in problems] == [("E210", (0, "id"))]


def test_what_a_rule_leaves_out_is_empty_and_no():
    found = rule("strip")
    (badly_locked,), _ = read({"action": "strip", "lock": "yes"})

    assert (found.why, found.lock) == ("", False)
    assert badly_locked.lock is False


def test_an_action_without_its_parameters_is_told_that_it_takes_some():
    _, (problem,) = read({"action": "deny"})

    assert (problem.code, problem.message) == (
        "E108",
        "deny needs parameters: action: {deny: ...}",
    )


def test_a_bad_status_is_the_usual_one_and_a_bad_name_no_header_of_anybody():
    (denied,), _ = read({"action": {"deny": {"status": "403x"}}})
    (renamed,), _ = read({"action": {"rename": {"to": 5}}})
    (injected,), _ = read({"action": inject(value=5)})

    assert denied.denial.status == 403
    assert renamed.rename_to == b"x-invalid"
    assert injected.inject is not None
    assert injected.inject.value == b""


def test_only_values_that_stand_elsewhere_are_looked_up():
    written = rule(inject())
    empty = rule(inject(value=""))
    named = rule(secret(), Tier.MODEL)
    (known,) = with_secrets([named], lambda *_: b"k")
    asked = []

    def look_up(reference, where):
        asked.append(reference)

    assert known.inject is not None
    assert known.inject.value == b"k"
    assert with_secrets([written, empty, known], look_up) == (written, empty, known)
    assert asked == []
    assert with_secrets([named], look_up) == ()
    assert asked == ["file:k"]
