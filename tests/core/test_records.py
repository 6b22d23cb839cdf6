"""A record says what was decided, and holds no value that no rule asked for."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.egress import EgressProxy
from byok.core.exchange import SINGLE_USER
from byok.core.explain import Setting, explain
from byok.core.record_text import describe, explanation_of
from byok.core.records import (
    HIDDEN,
    MOST_FIELDS,
    End,
    RecordBuilder,
    items,
)
from byok.core.secret import Secret
from byok.policy import classes
from byok.policy.declared import NOTHING_DECLARED, ClassTable, DeclaredShape
from byok.policy.rules import Tier
from tests.core.asking import (
    API_KEY,
    DEVELOPER,
    GATEWAY_KEY,
    OAUTH,
    VERSION,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.core.recording import NOW, VALIDATOR, deciding, recorded, row
from tests.core.test_explain import DEPLOYMENTS
from tests.core.test_explain import VALIDATOR as EXPLANATIONS
from tests.policy import hostile, rulesets
from tests.support import keys

ON = switches(litellm_settings=True)


def logging(name: str, level: str):
    """Make a rule that says how much of a header a record may hold."""
    return rules_at(
        Tier.SETTINGS,
        {"id": f"log-{level}", "match": {"header": {"name": name}}}
        | {"action": {"log": level}},
    )


def test_a_record_says_through_which_proxy():
    via = EgressProxy(host="proxy.corp", port=3128)
    through = replace(deployment(), via=via)

    record = recorded(facts(API_KEY), gateway(through, auth=ON))

    VALIDATOR.validate(record)
    assert record["request"]["via"] == "http://proxy.corp:3128"
    EXPLANATIONS.validate(explanation_of(record))


def test_a_record_says_who_asked_for_what_and_what_came_of_it():
    caller = replace(DEVELOPER, user="anne", tags=frozenset({"b", "a"}))
    end = End(status=200, ending="complete")

    record = recorded(
        facts(GATEWAY_KEY, API_KEY, VERSION), gateway(auth=ON), caller=caller, end=end
    )

    assert record["id"] == "req_" + "0" * 24
    assert record["time"] == NOW
    assert (record["config_digest"], record["generation"]) == ("sha256:1", "sha256:1")
    assert record["caller"] == {
        "key_id": "key_1",
        "key": "dev-laptop",
        "team": "growth",
        "user": "anne",
        "tags": ["a", "b"],
        "auth_header": "x-litellm-api-key",
    }
    assert record["request"]["deployment"] == "anthropic-main"
    assert record["request"]["host"] == "api.anthropic.com"
    assert record["request"]["stream"] is False
    assert (record["verdict"], record["refusal"]) == ("allow", None)
    assert record["sends"] == ["anthropic-version", "x-api-key"]
    assert record["outcome"] == {"status": 200, "error": None, "ending": "complete"}
    assert record["more_headers"] == 0
    assert record["credential"]["source"] == "client.api_key"
    assert record["credential"]["payer"] == "user-key"


def test_a_header_is_told_by_class_place_length_and_rule():
    record = recorded(facts(GATEWAY_KEY, API_KEY), gateway(auth=ON))

    key = row(record, "x-api-key")
    assert len(key.pop("fingerprint")) == 8
    assert key == {
        "name": "x-api-key",
        "class": "credential.provider.anthropic.api_key",
        "how": "shape",
        "slot": "own",
        "length": len(keys.ANTHROPIC_API_KEY),
        "verdict": "forward",
        "sent_as": "x-api-key",
        "reason": "narrowest tier",
        "rule": "litellm_settings.forward_llm_provider_auth_headers",
        "tier": "settings",
        "origin": "config.yaml:9",
        "why": "",
    }
    assert row(record, "x-litellm-api-key")["rule"] == "floor.gateway-credential"


def test_a_key_in_the_wrong_place_is_told_as_foreign():
    record = recorded(
        facts(API_KEY, (b"x-custom", keys.ANTHROPIC_API_KEY_2.encode())),
        gateway(auth=ON),
    )

    custom = row(record, "x-custom")
    assert (custom["slot"], custom["sent_as"]) == ("foreign", None)
    assert [each["rule"] for each in custom["over"]] == [
        "litellm_settings.forward_llm_provider_auth_headers"
    ]


def test_a_header_that_no_rule_names_is_recorded_with_the_default():
    record = recorded(facts(API_KEY, (b"x-foo", b"1")), gateway(auth=ON))

    foo = row(record, "x-foo")
    assert (foo["rule"], foo["tier"], foo["origin"]) == ("default-deny", None, None)
    assert foo["reason"] == "no rule matched"


def test_a_refusal_is_recorded_with_its_code_and_rule():
    rules = rules_at(
        Tier.SETTINGS, {"id": "no", "why": "because", "action": {"deny": {}}}
    )

    record = recorded(facts(API_KEY), gateway(auth=ON, rules=rules))

    assert record["verdict"] == "deny"
    assert record["refusal"]["rule"] == "no"
    assert record["refusal"]["message"] == "because"
    assert record["sends"] == []
    assert row(record, "x-api-key")["sent_as"] is None


def test_a_refusal_before_any_header_was_looked_at_has_no_headers():
    record = recorded(facts(API_KEY, model="gpt-9"), gateway(auth=ON))

    assert record["refusal"]["code"] == "route.unknown-model"
    assert record["headers"] == []
    assert "deployment" not in record["request"]
    assert record["credential"] is None


def test_a_request_without_a_model_is_recorded_without():
    record = recorded(facts(API_KEY, model=None), gateway(auth=ON))

    assert record["refusal"]["code"] == "body.model"
    assert record["request"]["model"] is None


def test_the_end_may_not_be_known_yet():
    record = recorded(facts(API_KEY), gateway(auth=ON))

    assert record["outcome"] == {"status": None, "error": None, "ending": None}


def test_a_generation_is_named_where_there_is_one():
    builder = RecordBuilder()
    decided = deciding(facts(API_KEY), gateway(auth=ON))
    bare = replace(decided, config_digest="")

    assert builder.build(replace(decided, generation="g7"))["generation"] == "g7"
    assert builder.build(bare)["generation"] is None
    assert builder.build(bare)["config_digest"] is None


# How much of a value


@pytest.mark.parametrize(
    ("level", "shown"),
    [("class", set()), ("hash", {"fingerprint"}), ("full", {"value"})],
)
def test_a_value_is_recorded_as_far_as_a_rule_says(level, shown):
    at = gateway(auth=ON, rules=logging("x-trace", level))

    record = recorded(facts(API_KEY, (b"x-trace", b"one two")), at)

    trace = row(record, "x-trace")
    assert trace.keys() & {"fingerprint", "value"} == shown
    assert trace.get("value", "one two") == "one two"


def test_a_header_may_be_left_out_and_is_counted():
    at = gateway(auth=ON, rules=logging("x-trace", "drop"))

    record = recorded(facts(API_KEY, (b"x-trace", b"1")), at)

    assert [each["name"] for each in record["headers"]] == ["x-api-key"]
    assert record["more_headers"] == 1


def test_a_credential_is_never_recorded_in_full():
    at = gateway(auth=ON, rules=logging("x-api-key", "full"))

    record = recorded(facts(API_KEY), at)

    assert "value" not in row(record, "x-api-key")
    assert "fingerprint" in row(record, "x-api-key")


def test_an_empty_credential_has_no_fingerprint():
    record = recorded(facts(API_KEY, (b"x-auth-token", b"")), gateway(auth=ON))

    assert "fingerprint" not in row(record, "x-auth-token")


def test_a_credential_in_the_name_of_a_header_is_hidden():
    opaque = (b"authorization", b"Bearer opaque-TOKEN-of-somebody")
    named = (
        (b"x-" + keys.ANTHROPIC_API_KEY_2.lower().encode(), b"1"),
        (b"x-opaque-token-of-somebody", b"1"),
        (b"x-" + keys.VIRTUAL_KEY.lower().encode(), b"1"),
        (b"x-plain", b"1"),
    )

    record = recorded(facts(opaque, *named), gateway(deployment(opaque=True), auth=ON))

    found = [each["name"] for each in record["headers"]]
    assert found == ["authorization", HIDDEN, HIDDEN, HIDDEN, "x-plain"]


def test_what_was_hidden_once_is_not_remembered_under_its_name():
    builder, at = RecordBuilder(), gateway(deployment(opaque=True), auth=ON)
    name = (b"x-opaque-token-of-somebody", b"1")
    opaque = (b"authorization", b"Bearer opaque-TOKEN-of-somebody")

    for headers in ((name,), (opaque, name), (name,)):
        record = builder.build(deciding(facts(*headers), at))
        hidden = [each["name"] == HIDDEN for each in items(record["headers"])]
        assert hidden[-1] is (len(headers) == 2)


def test_a_credential_in_the_place_of_the_model_is_hidden():
    caller = replace(DEVELOPER, others=(Secret("sk-second-of-ours"),))
    for model in (keys.ANTHROPIC_API_KEY, f"x{keys.VIRTUAL_KEY}", "sk-second-of-ours"):
        record = recorded(facts(API_KEY, model=model), gateway(), caller=caller)

        assert record["request"]["model"] == HIDDEN


def test_a_short_credential_hides_no_words():
    record = recorded(
        facts((b"x-api-key", b"x"), (b"x-extra", b"1")),
        gateway(deployment(opaque=True), auth=ON),
    )

    assert row(record, "x-extra")["name"] == "x-extra"


def test_a_single_user_has_no_key_to_hide():
    record = recorded(facts(API_KEY), gateway(auth=ON, master=None), caller=SINGLE_USER)

    assert record["caller"]["key_id"] == "single-user"


def test_a_record_has_a_bound():
    many = [(b"x-%d" % number, b"1") for number in range(MOST_FIELDS + 20)]
    long = (b"y" * 500, b"1")

    record = recorded(
        facts(long, *many, model="m" * 500), gateway(deployment(group="*"), auth=ON)
    )

    assert len(record["headers"]) == MOST_FIELDS
    assert record["more_headers"] == 21
    assert record["headers"][0]["name"] == "y" * 128
    assert record["request"]["model"] == "m" * 128


def test_what_is_remembered_has_a_bound(monkeypatch):
    monkeypatch.setattr("byok.core.records._MOST_CELLS", 3)
    builder, at = RecordBuilder(), gateway(auth=ON)
    for number in range(10):
        name = b"x-%d" % number
        record = builder.build(deciding(facts(API_KEY, (name, b"1")), at))
        assert items(record["headers"])[1]["name"] == name.decode()

    assert len(builder._cells) <= 3


def test_the_same_verdict_reached_by_another_way_is_told_as_it_was():
    builder, at = RecordBuilder(), gateway(auth=ON)
    ways = []
    for value in (keys.VIRTUAL_KEY.encode(), b"another"):
        record = builder.build(deciding(facts((b"x-byok-key", value)), at))
        ways.append(items(record["headers"])[0]["how"])

    assert ways == ["value", "name"]


# Other slots


def test_what_rules_put_in_and_would_change_is_recorded():
    rules = rules_at(
        Tier.SETTINGS,
        {"id": "org", "action": {"inject": {"name": "x-org", "value": "1"}}},
        {
            "id": "later",
            "mode": "shadow",
            "match": {"header": {"name": "x-api-key"}},
            "action": "strip",
        },
        {"id": "never", "mode": "shadow", "action": {"deny": {}}},
        {
            "id": "beta",
            "match": {"header": {"name": "anthropic-beta"}},
            "action": {"filter": {"drop": "a"}},
        },
        {
            "id": "beta-2",
            "match": {"header": {"name": "anthropic-beta"}},
            "action": {"filter": {"drop": "b"}},
        },
    )
    at = gateway(
        deployment(api_key=keys.DEPLOYMENT_KEY), auth=ON, rules=rules, headers=ON
    )

    record = recorded(facts(API_KEY, (b"anthropic-beta", b"a,b,c")), at)

    (injection,) = (each for each in record["injections"] if each["name"] == "x-org")
    assert (injection["rule"], injection["applied"]) == ("org", True)
    shadow = {each["slot"]: (each["would"], each["rule"]) for each in record["shadow"]}
    assert shadow == {
        "header:x-api-key": ("strip", "later"),
        "credential": ("deployment", None),
        "request": ("deny", "never"),
    }
    beta = row(record, "anthropic-beta")
    assert beta["drops"] == ["a", "b"]
    assert [each["rule"] for each in beta["beside"]] == ["beta-2"]
    assert beta["sent_as"] == "anthropic-beta"


def test_a_filter_that_leaves_nothing_is_recorded_as_sending_nothing():
    at = gateway(auth=ON, packs=("base", "claude-code"))

    record = recorded(facts(API_KEY, (b"anthropic-beta", b"oauth-2025")), at)

    assert row(record, "anthropic-beta")["verdict"] == "filter"
    assert row(record, "anthropic-beta")["sent_as"] is None


def test_nobody_pays_where_nothing_leaves():
    record = recorded(facts(), gateway())

    assert record["credential"]["payer"] is None


def test_the_word_that_let_a_rule_win_is_recorded():
    at = gateway(
        auth=switches(general_settings=False, litellm_settings=True), either=True
    )

    record = recorded(facts(API_KEY), at)

    assert row(record, "x-api-key")["reason"] == "compat:either"


# Reading it again


@given(
    rulesets.rule_sets(),
    hostile.headers(hostile.GATEWAY_KEY),
    st.sampled_from(DEPLOYMENTS),
    rulesets.credential_policies(),
)
@rulesets.MORE
def test_a_record_reads_as_the_explanation_of_the_moment(
    ruleset, headers, served_by, policy
):
    """But for notes, an explanation can be had from the record alone."""
    at = gateway(served_by, rules=ruleset.read(), auth=ON, credential=policy)
    asked = facts(*headers)
    decided = deciding(asked, at)
    record = json.loads(json.dumps(RecordBuilder().build(decided)))
    VALIDATOR.validate(record)
    told = explain(
        asked,
        DEVELOPER,
        decided.result,
        Setting(decision_id=decided.id, config_digest="sha256:1"),
    )
    told = json.loads(json.dumps(told))

    read = explanation_of(record)

    EXPLANATIONS.validate(read)
    left_out = {each["rule"] for each in _levels(ruleset)}
    if not left_out:
        assert _without_notes(read) == _without_notes(told)


def _levels(ruleset):
    return [{"rule": each.id} for each in ruleset.read() if each.action.word == "log"]


def _without_notes(explanation):
    slots = [
        {**each, "note": "", "shadow": [], "value": {"length": each["value"]["length"]}}
        for each in explanation["slots"]
    ]
    refusal = explanation["refusal"]
    if refusal:
        # A message has a bound here; it is a sentence for each key that was lost.
        refusal = {**refusal, "message": refusal["message"][:512]}
    return {**explanation, "slots": slots, "refusal": refusal}


@given(
    rulesets.rule_sets(),
    hostile.headers(hostile.GATEWAY_KEY),
    st.sampled_from(DEPLOYMENTS),
)
@rulesets.FEW
def test_no_record_holds_a_credential(ruleset, headers, served_by):
    at = gateway(served_by, rules=ruleset.read(), auth=ON, headers=ON)
    record = RecordBuilder().build(deciding(facts(*headers), at))

    assert "CANARY" not in json.dumps(record)
    assert "CANARY" not in describe(record)


def test_a_record_is_described_in_the_words_of_an_explanation():
    rules = rules_at(
        Tier.SETTINGS,
        {
            "id": "later",
            "mode": "shadow",
            "match": {"header": {"name": "authorization"}},
            "action": "strip",
        },
        {"id": "org", "action": {"inject": {"name": "x-org", "value": "1"}}},
        *(
            {
                "id": "l",
                "match": {"header": {"name": "x-f"}},
                "action": {"log": "drop"},
            },
        ),
        line=3,
    )
    at = gateway(auth=ON, rules=rules)

    text = describe(
        recorded(
            facts(GATEWAY_KEY, OAUTH, (b"x-f", b"1")),
            at,
            end=End(status=502, error="provider.unreachable"),
        )
    )

    lines = text.splitlines()
    assert lines[0] == f"decision   req_{'0' * 24}  2027-01-15T08:00:00Z"
    assert "POST /v1/messages  model=claude-sonnet-4-5" in lines[1]
    assert "         shadow later would STRIP  config.yaml:3" in lines
    assert "INJECT   x-org" in lines
    assert "credential client authorization  (payer: subscription)" in lines
    assert "warning    1 more headers were not recorded" in lines
    assert lines[-2] == "answered   502  provider.unreachable"
    assert lines[-1] == "generation sha256:1"


def test_what_is_not_known_of_a_decision_is_said():
    decided = deciding(facts(API_KEY, model="gpt-9"), gateway())
    record = RecordBuilder().build(replace(decided, config_digest=""))

    lines = describe(record).splitlines()

    assert lines[-2:] == ["answered   not answered", "generation unknown"]


def test_a_part_of_a_record_that_is_no_list_has_no_items():
    assert items(None) == ()


def test_a_deciding_knows_its_refusal():
    bare = deciding(facts(API_KEY, model="gpt-9"), gateway())
    denied = deciding(facts(), gateway())
    allowed = deciding(facts(API_KEY), gateway(auth=ON))

    assert bare.refusal is not None
    assert denied.refusal is not None
    assert allowed.refusal is None


def test_what_is_declared_a_credential_is_hidden_in_names_and_models():
    declared = DeclaredShape(prefix="Corp_Live_", cls=classes.OTHER_CREDENTIAL)
    table = ClassTable((), [declared])
    asked = facts(
        API_KEY,
        (b"x-of-corp-live", b"1"),
        (b"x-corp_live_12345678", b"1"),
        model="Corp_Live_12345678",
    )
    for known, hidden in ((NOTHING_DECLARED, False), (table, True)):
        at = gateway(deployment(group="*"), auth=ON, class_table=known)
        record = recorded(asked, at)
        assert (record["request"]["model"] == HIDDEN) is hidden
        assert (record["headers"][2]["name"] == HIDDEN) is hidden
        assert record["headers"][1]["name"] == "x-of-corp-live"
