"""An explanation is what happens: it can be carried out, and quotes no value."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from byok.core.egress import EgressProxy
from byok.core.errors import Refusal
from byok.core.exchange import SINGLE_USER, Decided, Gateway, decide, lay_out
from byok.core.explain import Setting, explain
from byok.core.explain_text import render
from byok.core.facts import RequestFacts
from byok.core.routes import CHAT_COMPLETIONS, MESSAGES
from byok.policy.outcome import Headers
from byok.policy.rules import Rule, Tier
from byok.resources import schema_file
from tests.core import asking
from tests.core.asking import (
    API_KEY,
    DEVELOPER,
    GATEWAY_KEY,
    OAUTH,
    RELAY,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.policy import hostile, rulesets
from tests.support import keys

Json = dict[str, Any]
SCHEMA = json.loads(schema_file("explain-v1.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
ON = switches(litellm_settings=True)

DEPLOYMENTS = (
    deployment("main"),
    deployment("cheap", api_key=keys.DEPLOYMENT_KEY),
    deployment("relay", origin=RELAY, api_key="opaque-deployment-key"),
    deployment("open", opaque=True),
    deployment("gpt", provider="openai", api_key=keys.OPENAI_DEPLOYMENT_KEY),
)


def explained(asked: RequestFacts, at: Gateway, *, caller=DEVELOPER, **setting) -> Json:
    """Explain a request as JSON that has been printed and read again."""
    result = decide(asked, caller, at)
    data = json.loads(json.dumps(explain(asked, caller, result, Setting(**setting))))
    VALIDATOR.validate(data)
    return data


def slot(data: Json, name: str) -> Json:
    (found,) = (each for each in data["slots"] if each["slot"] == f"header:{name}")
    return found


# Explaining and enforcing


def carried_out(
    data: Json, headers: Headers, rules: dict[str, Rule], deployment_key: bytes
) -> Headers:
    """
    Do by hand what an explanation says.

    It tells no values, so these are taken from where it says they come from: the
    request, the text of the rule it names, the deployment.
    """
    out: list[tuple[bytes, bytes]] = []
    for each, (_, value) in zip(data["slots"], headers, strict=True):
        if each["sent_as"] is not None:
            out.append((each["sent_as"].encode(), _left_of(each, value)))
    for each in data["injections"]:
        name = each["slot"].removeprefix("out:").encode()
        inject = rules[each["determining"][0]["rule"]].inject
        assert inject is not None
        if each["when"] != "append" and each["applied"]:
            out = [field for field in out if field[0] != name]
        if each["applied"]:
            out.append((name, inject.value))
    credential = data["credential"]
    if credential["source"] == "deployment":
        out.append(_dressed(credential["sent_as"], deployment_key))
    return tuple(out)


def _left_of(each: Json, value: bytes) -> bytes:
    """Return what the verdict of one slot leaves of *value*."""
    name = each["slot"].removeprefix("header:")
    if each["verdict"] == "redact":
        return b"[redacted]"
    if each["verdict"] == "filter":
        members = value.split(b",")
        kept = [member for member in members if not _dropped(each["drops"], member)]
        return value if kept == members else b",".join(kept).strip()
    if each["verdict"] == "forward" and each["sent_as"] != name:
        bare = value.split()[-1]
        return _dressed(each["sent_as"], bare)[1]
    return value


def _dropped(patterns: list[str], member: bytes) -> bool:
    text = member.strip().decode("latin-1")
    return any(
        text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
        for pattern in patterns
    )


def _dressed(name: str, key: bytes) -> tuple[bytes, bytes]:
    return name.encode(), b"Bearer " + key if name == "authorization" else key


@given(
    rulesets.rule_sets(),
    hostile.headers(hostile.GATEWAY_KEY),
    st.sampled_from(DEPLOYMENTS),
    st.sampled_from([MESSAGES, CHAT_COMPLETIONS]),
    rulesets.credential_policies(),
)
@rulesets.MORE
def test_explain_equals_enforce(ruleset, headers, served_by, route, policy):
    """What leaves is what the explanation says, field by field and byte by byte."""
    rules = ruleset.read()
    at = gateway(served_by, rules=rules, packs=(), credential=policy)
    asked = facts(*headers, route=route)
    result = decide(asked, DEVELOPER, at)
    data = explain(asked, DEVELOPER, result, Setting())
    data = json.loads(json.dumps(data))
    VALIDATOR.validate(data)

    refusal = result if isinstance(result, Refusal) else result.refusal
    if refusal is not None:
        assert data["verdict"] == "deny"
        assert data["refusal"]["code"] == refusal.code
        assert data["sends"] == []
        assert all(each["sent_as"] is None for each in data["slots"])
        return
    assert isinstance(result, Decided)
    sent = lay_out(asked, result).headers
    own = served_by.api_key.reveal_bytes() if served_by.api_key else b""
    by_id = {rule.id: rule for rule in rules}
    assert carried_out(data, headers, by_id, own) == sent
    assert data["sends"] == sorted({name.decode() for name, _ in sent})
    assert data["credential"]["source"] == result.outcome.credential.source


@given(
    rulesets.rule_sets(),
    hostile.headers(hostile.GATEWAY_KEY),
    st.sampled_from(DEPLOYMENTS),
)
@rulesets.FEW
def test_no_explanation_quotes_a_value(ruleset, headers, served_by):
    at = gateway(served_by, rules=ruleset.read(), auth=ON, headers=ON)
    asked = facts(*headers)
    data = explain(asked, DEVELOPER, decide(asked, DEVELOPER, at), Setting())

    assert "CANARY" not in json.dumps(data)
    assert "CANARY" not in render(data)


# What it says


def test_it_says_who_asks_for_what_and_where_it_goes():
    data = explained(
        facts(GATEWAY_KEY, API_KEY),
        gateway(auth=ON),
        config_digest="sha256:1",
        decision_id="01J",
        assumed=("client_ip=any",),
        warnings=("W301",),
    )

    assert data["version"] == 1
    assert (data["config_digest"], data["decision_id"]) == ("sha256:1", "01J")
    assert (data["assumed"], data["warnings"]) == (["client_ip=any"], ["W301"])
    assert data["request"] == {
        "method": "POST",
        "route": "/v1/messages",
        "model": "claude-sonnet-4-5",
        "model_group": "claude-sonnet-4-5",
        "deployment": "anthropic-main",
        "provider": "anthropic",
        "upstream_model": "claude-sonnet-4-5",
        "scheme": "https",
        "host": "api.anthropic.com",
        "origin": "https://api.anthropic.com",
    }
    assert data["caller"] == {
        "key": "dev-laptop",
        "team": "growth",
        "user": None,
        "auth_header": "x-litellm-api-key",
    }
    assert data["verdict"] == "allow"
    assert data["refusal"] is None


def test_it_says_through_which_proxy():
    via = EgressProxy(host="proxy.corp", port=3128)
    through = replace(deployment("main"), via=via)

    data = explained(facts(API_KEY), gateway(through, auth=ON))

    assert data["request"]["via"] == "http://proxy.corp:3128"
    first = render(data).splitlines()[0]
    assert first.endswith("-> https://api.anthropic.com via http://proxy.corp:3128")


def test_a_value_is_its_length_and_for_credentials_a_fingerprint():
    data = explained(
        facts(API_KEY, (b"x-custom", b"12345"), (b"x-auth-token", b"")),
        gateway(auth=ON),
    )

    key = slot(data, "x-api-key")["value"]
    assert key["length"] == len(keys.ANTHROPIC_API_KEY)
    assert len(key["fingerprint"]) == 8
    assert slot(data, "x-custom")["value"] == {"length": 5}
    assert slot(data, "x-auth-token")["value"] == {"length": 0}


def test_a_request_that_got_nowhere_is_explained_as_far_as_it_got():
    refusal = Refusal(status=400, kind="invalid_request_error", code="c", message="m")

    data = explain(None, None, refusal, Setting())
    asked = explain(facts(), SINGLE_USER, refusal, Setting())
    bodiless = explain(facts(model=None), None, refusal, Setting())

    VALIDATOR.validate(data)
    VALIDATOR.validate(asked)
    assert data["request"] == {"method": None, "route": None, "model": None}
    assert (data["caller"], data["credential"]) == (None, None)
    assert data["refusal"] == {
        "status": 400,
        "type": "invalid_request_error",
        "code": "c",
        "rule": None,
        "message": "m",
    }
    assert asked["caller"] == {
        "key": "single-user",
        "team": None,
        "user": None,
        "auth_header": None,
    }
    assert isinstance(bodiless["request"], dict)
    assert bodiless["request"]["model"] is None


def test_a_decision_without_its_facts_is_explained_without_slots():
    asked = facts(API_KEY)
    result = decide(asked, DEVELOPER, gateway(auth=ON))

    data = explain(None, DEVELOPER, result, Setting())

    assert (data["slots"], data["credential"]) == ([], None)


def test_the_switch_is_named_where_it_would_have_helped():
    data = explained(facts(API_KEY), gateway())

    assert slot(data, "x-api-key")["determining"] == [
        {"rule": "default-deny", "tier": None, "origin": None, "why": ""}
    ]
    assert "forward_llm_provider_auth_headers" in slot(data, "x-api-key")["note"]


def test_what_a_rule_does_to_a_field_is_noted():
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
            "action": {"filter": {"drop": ["a", "b-*"]}},
        },
        {
            "id": "more",
            "match": {"header": {"name": "anthropic-beta"}},
            "action": {"filter": {"drop": "c"}},
        },
        {
            "id": "strip",
            "why": "words",
            "match": {"header": {"name": "x-c"}},
            "action": "strip",
        },
    )
    headers = ((b"x-a", b"1"), (b"anthropic-beta", b"a,d,c"), (b"x-c", b"1"))

    data = explained(facts(API_KEY, *headers), gateway(auth=ON, rules=rules))

    renamed = slot(data, "x-a")
    assert (renamed["sent_as"], renamed["note"]) == ("x-b", "as x-b")
    filtered = slot(data, "anthropic-beta")
    assert filtered["drops"] == ["a", "b-*", "c"]
    assert filtered["note"] == "without a, c"
    assert [each["rule"] for each in filtered["determining"]] == ["filter", "more"]
    stripped = slot(data, "x-c")
    assert (stripped["sent_as"], stripped["note"]) == (None, "words")


def test_a_filter_that_leaves_nothing_sends_nothing():
    headers = ((b"anthropic-beta", b"oauth-2025"),)

    data = explained(
        facts(API_KEY, *headers), gateway(auth=ON, packs=("base", "claude-code"))
    )

    filtered = slot(data, "anthropic-beta")
    assert filtered["sent_as"] is None
    assert filtered["note"] == "without oauth-*, so nothing is left of it"
    assert data["sends"] == ["anthropic-version", "x-api-key"]


def test_a_filter_that_takes_nothing_says_so():
    headers = ((b"anthropic-beta", b"claude-code-20250219"),)

    data = explained(
        facts(API_KEY, *headers), gateway(auth=ON, packs=("base", "claude-code"))
    )

    assert slot(data, "anthropic-beta")["verdict"] == "filter"
    assert slot(data, "anthropic-beta")["note"] == "nothing to drop"


def test_a_key_that_changes_its_header_is_told_with_the_new_one():
    data = explained(facts(API_KEY, route=CHAT_COMPLETIONS), gateway(auth=ON))

    assert slot(data, "x-api-key")["sent_as"] == "authorization"
    assert slot(data, "x-api-key")["note"] == "as authorization"
    assert data["credential"]["header"] == "x-api-key"
    assert data["credential"]["sent_as"] == "authorization"
    assert data["sends"] == ["authorization"]


def test_a_rule_that_says_why_still_does_where_the_name_changes():
    because: Json = {
        "id": "mine",
        "why": "Keys are one's own.",
        "match": {"header": {"class": "credential.provider.anthropic.api_key"}},
        "action": "forward",
    }
    at = gateway(rules=rules_at(Tier.SETTINGS, because))

    data = explained(facts(API_KEY, route=CHAT_COMPLETIONS), at)

    assert slot(data, "x-api-key")["note"] == "as authorization, Keys are one's own."


def test_what_the_gateway_answers_itself_is_no_refusal_and_sends_nothing():
    data = explain(None, None, None, Setting(path="/v1/models"))

    VALIDATOR.validate(data)
    assert (data["verdict"], data["refusal"], data["sends"]) == ("local", None, [])


def test_the_credential_not_chosen_is_told_why():
    data = explained(facts(API_KEY, OAUTH), gateway(auth=ON))

    lost = slot(data, "x-api-key")
    assert lost["determining"][0]["rule"] == "floor.single-credential"
    assert lost["note"] == "the credential slot chose client.oauth"
    assert data["credential"]["rejected"] == [
        {"candidate": "header:x-api-key", "because": "client.oauth was chosen"}
    ]


def test_without_a_credential_nobody_pays():
    data = explained(facts(), gateway())

    assert (data["credential"]["source"], data["credential"]["payer"]) == ("none", None)
    assert data["credential"]["sent_as"] is None
    assert data["refusal"]["code"] == "credential.missing"


def test_a_word_of_compatibility_is_the_reason_where_it_decided():
    both = switches(general_settings=False, litellm_settings=True)

    data = explained(facts(API_KEY), gateway(auth=both, either=True))

    assert slot(data, "x-api-key")["reason"] == "compat:either"


def test_an_injected_field_says_whether_it_went_in():
    data = explained(facts(API_KEY, asking.VERSION), gateway(auth=ON))

    assert data["injections"] == [
        {
            "slot": "out:anthropic-version",
            "when": "default",
            "applied": False,
            "determining": [
                {
                    "rule": "base.anthropic-version",
                    "tier": "pack",
                    "origin": "policies/base.yaml:18",
                    "why": "",
                }
            ],
            "overridden": [],
        }
    ]


def test_trust_that_is_not_built_in_has_its_line():
    vouched = deployment(
        origin=RELAY,
        vouched=["credential.provider.anthropic.api_key"],
        trust_note="trust_client_credentials config.yaml:14",
    )

    data = explained(facts(API_KEY), gateway(vouched, auth=ON))

    assert data["credential"]["trust"] == "trust_client_credentials config.yaml:14"
