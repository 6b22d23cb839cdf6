"""A recorded decision is made again as it was made, and otherwise by other rules."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byok.core.egress import EgressProxy
from byok.core.exchange import MASTER_KEY_ID, SINGLE_USER, Caller
from byok.core.keys import Peppers, VirtualKey
from byok.core.replay import (
    Change,
    Rebuilt,
    Replayed,
    changes,
    grouped,
    rebuild,
    replay,
)
from byok.core.secret import Secret
from byok.policy.rules import Tier
from tests.core.asking import (
    API_KEY,
    DEVELOPER,
    GATEWAY_KEY,
    LOOPBACK,
    OAUTH,
    RELAY,
    VERSION,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.core.recording import recorded, row
from tests.core.test_explain import DEPLOYMENTS
from tests.policy import hostile, rulesets
from tests.support import keys

ON = switches(litellm_settings=True)
BOTH = gateway(auth=ON, headers=ON)
KEEP = gateway(deployment(api_key=keys.DEPLOYMENT_KEY))


def again(record, at, **more) -> Replayed:
    rebuilt = rebuild(record, **more)
    assert isinstance(rebuilt, Rebuilt), rebuilt
    return replay(record, rebuilt, at)


def told(replayed: Replayed) -> list[str]:
    return [str(each) for each in replayed.changes]


@given(
    rulesets.rule_sets(),
    hostile.headers(hostile.GATEWAY_KEY),
    st.sampled_from(DEPLOYMENTS),
    rulesets.credential_policies(),
)
@rulesets.MORE
def test_the_same_rules_decide_the_same_again(ruleset, headers, served_by, policy):
    """What is recorded is enough: nothing a rule asks for is lost with the values."""
    rules = [each for each in ruleset.read() if each.action.word != "log"]
    at = gateway(served_by, rules=rules, auth=ON, credential=policy)
    record = recorded(facts(*headers), at)
    rebuilt = rebuild(record)
    if isinstance(rebuilt, str):
        assert "deployment" not in record["request"]
        return

    replayed = replay(record, rebuilt, at)

    assert replayed.changes == (), told(replayed)


@pytest.mark.parametrize(
    "field",
    [
        API_KEY,
        OAUTH,
        GATEWAY_KEY,
        (b"authorization", f"Bearer {keys.VIRTUAL_KEY}".encode()),
        (b"authorization", f"Bearer {keys.ANTHROPIC_API_KEY}".encode()),
        (b"authorization", f"Basic {keys.ANTHROPIC_API_KEY}".encode()),
        (b"authorization", b"Bearer opaque-token"),
        (b"authorization", b""),
        (b"x-api-key", f"a, {keys.ANTHROPIC_API_KEY}".encode()),
        (b"x-api-key", b"opaque-token"),
        (b"x-api-key", b"two words"),
        (b"api-key", keys.AZURE_KEY.encode()),
        (b"x-goog-api-key", keys.GOOGLE.encode()),
        (b"x-custom", keys.OPENROUTER.encode()),
        (b"x-custom", f"x {keys.ANTHROPIC_ADMIN}".encode()),
        (b"x-byok-key", b"another"),
        (b"x-other", b"sk-byok-" + b"q" * 49),
        (b"x-other", keys.VIRTUAL_KEY.encode()),
        (b"x-odd", b"\xfc"),
        (b"x-foo_bar", b"1"),
        (b"cookie", b"a=b"),
        (b"te", b"trailers"),
        (b"connection", b"close"),
        (b"x-plain", b"1"),
        VERSION,
    ],
)
def test_a_field_is_rebuilt_into_its_class_and_place(field):
    record = recorded(facts(field), BOTH)

    rebuilt = rebuild(record)

    assert isinstance(rebuilt, Rebuilt)
    asked = replace(rebuilt.facts)
    new = recorded(asked, BOTH, caller=rebuilt.caller)
    for name in ("class", "how", "slot", "verdict", "rule"):
        assert row(new, field[0].decode())[name] == row(record, field[0].decode())[name]


def test_what_connection_names_is_named_again():
    headers = ((b"connection", b"x-foo, keep-alive"), (b"x-foo", b"1"), API_KEY)
    record = recorded(facts(*headers), BOTH)
    assert row(record, "x-foo")["class"] == "hop-by-hop"

    replayed = again(record, BOTH)

    assert replayed.changes == ()


def test_a_value_that_was_recorded_is_used_again():
    rules = rules_at(
        Tier.SETTINGS,
        {
            "id": "log",
            "match": {"header": {"name": "anthropic-beta"}},
            "action": {"log": "full"},
        },
    )
    at = gateway(auth=ON, rules=rules)
    record = recorded(facts(API_KEY, (b"anthropic-beta", b"a,b")), at)

    rebuilt = rebuild(record)

    assert isinstance(rebuilt, Rebuilt)
    assert (b"anthropic-beta", b"a,b") in rebuilt.facts.headers


# Who calls


def test_the_caller_is_the_key_as_it_is_now():
    secret = Secret(keys.VIRTUAL_KEY)
    peppers = Peppers(Secret(keys.KEY_PEPPER))
    key = VirtualKey(
        token_id="key_1",
        digest=peppers.digest(secret.reveal_bytes()),
        pepper_id=peppers.current_id,
        key_name="sk-...",
        created_at=0,
        updated_at=0,
        models=("other",),
        team_id="now",
    )
    record = recorded(facts(GATEWAY_KEY, API_KEY), BOTH)

    replayed = again(record, BOTH, key=key)

    assert told(replayed) == ["request: allow -> deny 403 auth.model-not-allowed"]
    explanation: Any = replayed.explanation
    assert explanation["caller"]["team"] == "now"
    assert len(explanation["assumed"]) == 1


def test_a_key_that_is_gone_is_taken_from_the_record():
    caller = replace(DEVELOPER, user="anne", tags=frozenset({"a"}))
    record = recorded(facts(GATEWAY_KEY, API_KEY), BOTH, caller=caller)

    rebuilt = rebuild(record)

    assert isinstance(rebuilt, Rebuilt)
    who = rebuilt.caller
    assert (who.name, who.team, who.user) == ("dev-laptop", "growth", "anne")
    assert (who.tags, who.carrier) == (frozenset({"a"}), "x-litellm-api-key")
    assert "dev-laptop is not there any more" in rebuilt.assumed[1]


def test_a_key_without_an_alias_has_none_again():
    record = recorded(facts(API_KEY), BOTH, caller=replace(DEVELOPER, alias=""))

    rebuilt = rebuild(record)

    assert isinstance(rebuilt, Rebuilt)
    assert (rebuilt.caller.key_id, rebuilt.caller.alias) == ("key_1", "")


@pytest.mark.parametrize(
    "caller",
    [
        SINGLE_USER,
        Caller(
            key_id=MASTER_KEY_ID,
            carrier="authorization",
            secret=Secret(keys.MASTER_KEY),
            is_master=True,
        ),
    ],
)
def test_the_master_key_and_the_single_user_are_always_there(caller):
    record = recorded(facts(API_KEY), BOTH, caller=caller)

    rebuilt = rebuild(record)

    assert isinstance(rebuilt, Rebuilt)
    assert rebuilt.caller.is_master is caller.is_master
    assert rebuilt.assumed == (
        "values of headers are made up from their recorded classes",
    )


# What cannot be made again


def test_a_request_that_was_refused_early_cannot_be_made_again():
    record = recorded(facts(API_KEY, model="gpt-9"), BOTH)

    assert rebuild(record) == "it was refused before its headers were looked at"


def test_a_request_of_a_model_that_was_hidden_cannot_be_made_again():
    at = gateway(deployment(group="*"), auth=ON)
    record = recorded(facts(API_KEY, model=keys.ANTHROPIC_API_KEY), at)

    assert rebuild(record) == "the name of its model was not recorded"


def test_a_model_that_no_longer_reads_as_one_cannot_be_asked_for():
    record = recorded(facts(API_KEY), BOTH)
    record["request"]["model"] = "\ud800"

    assert isinstance(rebuild(record), str)


def test_headers_that_were_not_recorded_are_left_out_and_told():
    rules = rules_at(
        Tier.SETTINGS,
        {"id": "l", "match": {"header": {"name": "x-f"}}, "action": {"log": "drop"}},
    )
    hidden = (b"x-" + keys.ANTHROPIC_API_KEY_2.lower().encode(), b"1")
    record = recorded(
        facts(API_KEY, (b"x-f", b"1"), hidden), gateway(auth=ON, rules=rules)
    )

    replayed = again(record, gateway(auth=ON))

    explanation: Any = replayed.explanation
    assert "2 headers that were not recorded are left out" in explanation["assumed"]
    assert replayed.changes == ()


# What changes


def test_other_rules_change_who_pays_and_what_leaves():
    record = recorded(facts(GATEWAY_KEY, API_KEY), gateway(auth=ON))

    replayed = again(record, KEEP)

    assert told(replayed) == [
        "header:x-api-key: forward -> strip  by default-deny",
        "credential: client.api_key -> deployment",
        "payer: user-key -> org",
    ]


def test_a_refusal_names_its_rule():
    rules = rules_at(Tier.SETTINGS, {"id": "no", "action": {"deny": {}}}, line=7)
    record = recorded(facts(API_KEY), gateway(auth=ON))

    replayed = again(record, gateway(auth=ON, rules=rules))

    assert told(replayed) == ["request: allow -> deny 403 policy.denied  by no"]


def test_another_destination_is_a_change():
    record = recorded(facts(API_KEY), gateway(auth=ON))
    elsewhere = deployment(origin=RELAY, vouched=["credential.provider.anthropic.*"])
    trusting = replace(elsewhere, trusted=deployment().trusted)

    replayed = again(record, gateway(trusting, auth=ON))

    assert told(replayed) == [
        "destination: https://api.anthropic.com -> https://relay.example.net"
    ]


def test_another_way_to_it_is_a_change():
    record = recorded(facts(API_KEY), gateway(auth=ON))
    via = EgressProxy(host="proxy.corp", port=3128)

    replayed = again(record, gateway(replace(deployment(), via=via), auth=ON))

    (change,) = told(replayed)
    assert change == (
        "destination: https://api.anthropic.com ->"
        " https://api.anthropic.com via http://proxy.corp:3128"
    )


def test_a_model_that_is_gone_is_the_whole_change():
    record = recorded(facts(API_KEY), gateway(auth=ON))

    replayed = again(record, gateway(deployment(group="other"), auth=ON))

    assert told(replayed) == ["request: allow -> deny 404 route.unknown-model"]


def test_what_becomes_of_a_header_is_told_with_its_new_name_and_rule():
    rules = rules_at(
        Tier.SETTINGS,
        {
            "id": "rename",
            "match": {"header": {"name": "x-a"}},
            "action": {"rename": {"to": "x-b"}},
        },
        {
            "id": "filter",
            "match": {"header": {"name": "anthropic-beta"}},
            "action": {"filter": {"drop": ["b", "a"]}},
        },
        {"id": "org", "action": {"inject": {"name": "x-org", "value": "1"}}},
        line=7,
    )
    record = recorded(
        facts(API_KEY, (b"x-a", b"1"), (b"anthropic-beta", b"a,c")), gateway(auth=ON)
    )

    replayed = again(record, gateway(auth=ON, rules=rules))
    back = changes(replayed.explanation, again(record, gateway(auth=ON)).explanation)

    assert told(replayed) == [
        "header:x-a: strip -> rename as x-b  by rename  config.yaml:7",
        "header:anthropic-beta: forward -> filter a, b  by filter  config.yaml:7",
        "out:x-org: nothing -> inject  by org  config.yaml:7",
    ]
    assert [str(each) for each in back][-1] == "out:x-org: inject -> nothing"


def test_nobody_pays_for_what_does_not_leave():
    record = recorded(facts(API_KEY), gateway(auth=ON))

    replayed = again(record, gateway(deployment(origin=LOOPBACK)))

    assert "payer: user-key -> nobody" in told(replayed)


def test_headers_of_one_name_are_compared_one_by_one():
    record = recorded(facts(API_KEY, (b"x-a", b"1"), (b"x-a", b"2")), gateway(auth=ON))
    rules = rules_at(
        Tier.SETTINGS,
        {"id": "a", "match": {"header": {"name": "x-a"}}, "action": "forward"},
    )

    replayed = again(record, gateway(auth=ON, rules=rules))

    assert len(replayed.changes) == 2


def test_a_header_on_one_side_only_is_not_compared():
    one = again(recorded(facts(API_KEY), BOTH), BOTH).explanation
    two = again(recorded(facts(API_KEY, (b"x-a", b"1")), BOTH), BOTH).explanation

    assert changes(one, two) == changes(two, one) == ()


def test_decisions_are_put_together_by_what_changes():
    pays = Change(slot="payer", before="org", after="user-key")
    dies = Change(
        slot="request", before="allow", after="deny", rule="no", origin="a.yaml:1"
    )

    groups = grouped(
        {
            "a": Replayed(explanation={}, changes=(dies,)),
            "b": Replayed(explanation={}, changes=(pays,)),
            "c": Replayed(explanation={}, changes=()),
            "d": Replayed(explanation={}, changes=(pays,)),
        }
    )

    assert [(each.changes, each.ids) for each in groups] == [
        ((pays,), ("b", "d")),
        ((dies,), ("a",)),
    ]
    assert json.loads(json.dumps(dies.shown())) == {
        "slot": "request",
        "before": "allow",
        "after": "deny",
        "rule": "no",
        "origin": "a.yaml:1",
    }
    assert pays.shown()["rule"] is None
