"""A record that was written fast says what one written at length does."""

import json
from dataclasses import replace

import pytest

from byok.core import record_writer
from byok.core.record_text import describe
from byok.core.record_writer import RecordWriter
from byok.core.records import HIDDEN, End, RecordBuilder
from byok.core.secret import Secret
from byok.policy.outcome import Difference
from byok.policy.rules import Tier
from tests.core.asking import (
    API_KEY,
    DEVELOPER,
    GATEWAY_KEY,
    OAUTH,
    VERSION,
    Field,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.core.recording import VALIDATOR, deciding
from tests.support import keys

ON = switches(litellm_settings=True)
USUAL = (GATEWAY_KEY, API_KEY, VERSION, (b"x-app", b"zq7"))
ANY = deployment("any%s-%d", group="*", model="*", opaque=True)


def assert_same(writer, made):
    """Write *made* fast, if it can be, and compare."""
    text = writer.write(made).whole()
    assert json.loads(text) == json.loads(json.dumps(RecordBuilder().build(made)))
    VALIDATOR.validate(json.loads(text))
    return json.loads(text)


def patterns(writer):
    return [each.pattern for each in writer._met.values() if each.pattern is not None]


def logging(name: str, level: str):
    return rules_at(
        Tier.SETTINGS,
        {"id": "log", "match": {"header": {"name": name}}, "action": {"log": level}},
    )


SHADOW = rules_at(
    Tier.SETTINGS,
    {
        "id": "later",
        "mode": "shadow",
        "match": {"header": {"name": "x-app"}},
        "action": "strip",
    },
)


@pytest.mark.parametrize(
    "rules",
    [(), logging("x-app", "hash"), logging("x-app", "drop"), SHADOW],
    ids=["plain", "hash", "drop", "shadow"],
)
@pytest.mark.parametrize("credential", [API_KEY, OAUTH])
def test_what_is_written_fast_is_what_is_written_at_length(rules, credential):
    writer, at = RecordWriter(), gateway(ANY, auth=ON, rules=rules)
    for number, value in enumerate((b"cli", b"another", b"x", b'"')):
        headers = (GATEWAY_KEY, credential, (b"x-%s", b"100%"), (b"x-app", value))
        asked = facts(*headers, model='claude "%s"')
        caller = replace(DEVELOPER, key_id=f'key"%s{number}', tags=frozenset({"a"}))
        end = End(status=200 + number, ending='"%d')

        made = deciding(asked, at, number=number, caller=caller, end=end)

        assert_same(writer, made)
    assert len(patterns(writer)) == 1


def test_the_second_of_a_kind_makes_the_pattern_and_the_third_fills_it(monkeypatch):
    writer, at = RecordWriter(), gateway(auth=ON)
    for _ in range(2):
        assert_same(writer, deciding(facts(*USUAL), at))
    (pattern,) = patterns(writer)
    monkeypatch.setattr(writer, "_builder", None)

    third = deciding(facts(*USUAL[:3], (b"x-app", b"longer")), at)

    assert '"length":6' in writer.write(third).whole()
    assert patterns(writer) == [pattern]


def test_no_value_is_in_a_pattern():
    writer, at = RecordWriter(), gateway(auth=ON)
    for _ in range(2):
        assert_same(writer, deciding(facts(*USUAL), at))

    (pattern,) = patterns(writer)
    for _, value in USUAL:
        assert value.decode() not in pattern.shared.text


def test_values_that_a_rule_shows_are_written_at_length():
    writer, at = RecordWriter(), gateway(auth=ON, rules=logging("x-app", "full"))
    for value in (b"one", b"two", b"three"):
        record = assert_same(writer, deciding(facts(*USUAL[:3], (b"x-app", value)), at))
        assert record["headers"][-1]["value"] == value.decode()

    assert patterns(writer) == []


@pytest.mark.parametrize("model", [None, "claude-sonnet-4-5"])
def test_refusals_are_written_at_length(model):
    writer, at = RecordWriter(), gateway()
    for _ in range(3):
        record = assert_same(writer, deciding(facts(*USUAL, model=model), at))
        assert record["verdict"] == "deny"

    assert writer._met == {}


OPAQUE: Field = (b"authorization", b"Bearer opaque-TOKEN-of-somebody")


def test_a_credential_in_a_word_of_the_record_is_hidden_each_time():
    second = Secret("sk-second-of-ours")
    callers = (
        DEVELOPER,
        replace(DEVELOPER, secret=None),
        replace(DEVELOPER, others=(second,)),
        replace(DEVELOPER, secret=second),
        replace(DEVELOPER, others=(Secret("sk-third-key-of-ours"),)),
    )
    writer, at = RecordWriter(), gateway(ANY, auth=ON)
    hidden = []
    for caller in (*callers, *callers, *callers):
        asked = facts(API_KEY, (b"x-of", b"1"), model="a-sk-second-of-ours")
        record = assert_same(writer, deciding(asked, at, caller=caller))
        hidden.append(record["request"]["model"] == HIDDEN)

    assert hidden == [False, False, True, True, False] * 3


def test_a_word_that_holds_a_credential_makes_no_pattern():
    writer, at = RecordWriter(), gateway(ANY, auth=ON)
    model = keys.ANTHROPIC_API_KEY
    for _ in range(3):
        asked = facts(*USUAL, model=model)
        record = assert_same(writer, deciding(asked, at))
        assert record["request"]["model"] == HIDDEN

    assert patterns(writer) == []


def test_an_opaque_credential_is_hidden_whatever_was_written_before():
    writer, at = RecordWriter(), gateway(ANY, auth=ON)
    name = (b"x-opaque-token-of-somebody", b"1")
    for headers in ((name,), (name,), (OPAQUE, name), (name,), (OPAQUE, name)):
        record = assert_same(writer, deciding(facts(API_KEY, *headers), at))
        assert (record["headers"][-1]["name"] == HIDDEN) is (OPAQUE in headers)


def test_a_request_without_a_body_has_a_record_too():
    writer, at = RecordWriter(), gateway(auth=ON)
    made = deciding(facts(*USUAL), at)
    bare = replace(made, facts=replace(made.facts, head=None))
    for _ in range(3):
        assert assert_same(writer, bare)["request"]["model"] is None

    assert len(patterns(writer)) == 1


def test_what_is_known_has_a_bound(monkeypatch):
    monkeypatch.setattr(record_writer, "_MOST_MET", 2)
    writer, at = RecordWriter(), gateway(ANY, auth=ON)
    for number in range(5):
        for _ in range(2):
            asked = facts(*USUAL, model=f"m{number}")
            assert_same(writer, deciding(asked, at))

    assert [key[4] for key in writer._met] == ["m3", "m4"]


def test_answers_to_requests_of_one_kind_may_differ_in_what_shadows_would_do():
    writer, at = RecordWriter(), gateway(ANY, auth=ON)
    would = Difference(slot="answer:x-account", would="strip", rule=None)
    found = []
    for shadow in ((), (would,), (), (would,), (), (would,)):
        made = replace(deciding(facts(*USUAL), at), answer_shadow=shadow)
        found.append([each["slot"] for each in assert_same(writer, made)["shadow"]])

    assert found == [[], ["answer:x-account"]] * 3
    assert len(patterns(writer)) == 2


def test_what_shadows_would_make_of_an_answer_is_told_as_of_the_answer():
    (rule,) = rules_at(Tier.TEAM, {"id": "later", "action": "strip"}, line=4)
    would = Difference(slot="answer:x-account", would="strip", rule=rule)
    made = deciding(facts(*USUAL), gateway(ANY, auth=ON))

    text = describe(RecordBuilder().build(replace(made, answer_shadow=(would,))))

    assert f"shadow   {rule.id} would STRIP x-account of the answer" in text
