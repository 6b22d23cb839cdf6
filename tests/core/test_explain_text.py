"""The table that people read."""

import json

from byok.core.exchange import SINGLE_USER, decide
from byok.core.explain import Setting, explain
from byok.core.explain_text import render, render_slot
from byok.core.facts import RequestFacts
from byok.core.routes import CHAT_COMPLETIONS
from byok.policy.rules import Tier
from tests.core.asking import (
    API_KEY,
    DEVELOPER,
    GATEWAY_KEY,
    OAUTH,
    RELAY,
    VERSION,
    deployment,
    facts,
    gateway,
    refusal,
    rules_at,
    switches,
)
from tests.support import keys

ON = switches(litellm_settings=True)


def lines_of(asked: RequestFacts, at, *, caller=DEVELOPER, **setting) -> list[str]:
    result = decide(asked, caller, at)
    text = render(explain(asked, caller, result, Setting(**setting)))
    assert "CANARY" not in text
    return text.split("\n")


def test_it_begins_with_the_request_and_the_caller():
    lines = lines_of(facts(GATEWAY_KEY, API_KEY), gateway(auth=ON))

    assert lines[0] == (
        "POST /v1/messages  model=claude-sonnet-4-5  deployment=anthropic-main"
        " -> https://api.anthropic.com"
    )
    assert lines[1] == "caller     key=dev-laptop team=growth auth=x-litellm-api-key"


def test_what_the_gateway_answers_itself_is_said_to_stay_here():
    here = explain(None, None, None, Setting(path="/v1/models", assumed=("a",)))
    named = explain(None, None, None, Setting(method="GET", path="/key/list"))

    assert render(here).split("\n") == [
        "/v1/models",
        "LOCAL    byok answers this itself, and nothing leaves",
        "assumed    a",
    ]
    assert render(named).startswith("GET /key/list\nLOCAL ")


def test_each_field_has_a_verdict_a_rule_and_a_reason():
    lines = lines_of(facts(GATEWAY_KEY, API_KEY, (b"x-foo", b"1")), gateway(auth=ON))

    assert lines[2].startswith(
        "STRIP    x-litellm-api-key          credential.gateway (value)  [len=43 fp="
    )
    assert lines[3] == (
        "         by floor.gateway-credential  built-in"
        "  (floor: a gateway credential never leaves)"
    )
    assert lines[4].startswith("FORWARD  x-api-key ")
    assert lines[5] == (
        "         by litellm_settings.forward_llm_provider_auth_headers"
        "  config.yaml:9  (narrowest tier)"
    )
    assert lines[6] == "STRIP    x-foo                      unclassified (default)"
    assert lines[7] == "         by default-deny  (no rule matched)"


def test_it_ends_with_the_credential_and_what_is_sent():
    lines = lines_of(
        facts(API_KEY),
        gateway(deployment(api_key=keys.DEPLOYMENT_KEY), auth=ON),
        assumed=("client_ip=any",),
        warnings=("a literal key is visible to other users",),
    )

    assert lines[-5:] == [
        "credential client x-api-key  (payer: user-key)",
        "           not deployment: client.api_key was chosen",
        "sends      anthropic-version, x-api-key",
        "assumed    client_ip=any",
        "warning    a literal key is visible to other users",
    ]


def test_a_deployments_key_and_none_at_all_are_named():
    keyed = gateway(deployment(api_key=keys.DEPLOYMENT_KEY))

    assert "credential deployment api_key  (payer: org)" in lines_of(facts(), keyed)
    assert "credential none" in lines_of(facts(), gateway())


def test_a_filter_that_takes_nothing_forwards_and_one_that_does_filters():
    at = gateway(auth=ON, packs=("base", "claude-code"))

    for value, verdict, note in (
        (b"claude-code-20250219", "FORWARD", "nothing to drop"),
        (b"oauth-2025-04-20,a", "FILTER ", "without oauth-*"),
    ):
        lines = lines_of(facts(API_KEY, (b"anthropic-beta", value)), at)
        (line,) = [at for at, each in enumerate(lines) if "anthropic-beta  " in each]
        assert lines[line].startswith(f"{verdict}  anthropic-beta")
        assert f"tier: {note})" in lines[line + 1]


def test_what_lost_is_told_under_what_won():
    both = switches(general_settings=False, litellm_settings=True)

    lines = lines_of(facts(API_KEY), gateway(auth=both))

    assert (
        "         over litellm_settings.forward_llm_provider_auth_headers=forward"
        "  config.yaml:9  (same tier, stricter won)"
    ) in lines


def test_injected_fields_say_whether_they_went_in_and_what_they_beat():
    def inject(name: str, tier: Tier):
        action = {"inject": {"name": "x-team", "value": name}}
        return rules_at(tier, {"id": name, "action": action})

    rules = (*inject("blue", Tier.MODEL), *inject("red", Tier.SETTINGS))

    lines = lines_of(facts(API_KEY, VERSION), gateway(auth=ON, rules=rules))

    at = lines.index("KEEP     anthropic-version")
    assert lines[at + 1].endswith("policies/base.yaml:18  (already there)")
    assert lines[at + 2 : at + 5] == [
        "INJECT   x-team",
        "         by blue  config.yaml:1",
        "         over red=inject  config.yaml:1  (narrower tier won)",
    ]


def test_a_field_that_takes_the_place_of_one_that_came_says_so():
    action = {"inject": {"name": "x-team", "value": "blue"}}
    rules = rules_at(Tier.MODEL, {"id": "blue", "action": action})
    came = (b"x-team", b"red")

    at = gateway(auth=ON, headers=ON, rules=rules)
    lines = lines_of(facts(API_KEY, came), at)

    assert any(line.startswith("FORWARD  x-team ") for line in lines)
    at_injection = lines.index("INJECT   x-team")
    assert lines[at_injection + 1].endswith("  (in place of the one above)")


def test_one_field_reads_as_it_stands_in_the_table():
    asked, at = facts(API_KEY), gateway(auth=ON)
    data = json.loads(
        json.dumps(explain(asked, DEVELOPER, decide(asked, DEVELOPER, at), Setting()))
    )

    shown = render_slot(data["slots"][0])

    assert shown.startswith("FORWARD  x-api-key ")
    assert shown in render(data)


def test_a_refusal_is_told_first_with_its_rule():
    asked = facts(GATEWAY_KEY, API_KEY)

    lines = lines_of(asked, gateway())

    assert lines[2] == (
        "DENY     401 credential.not-forwarded  (authentication_error)  by default-deny"
    )
    assert lines[3] == f"         {refusal(asked, gateway()).message}"
    assert not [line for line in lines if line.startswith("sends")]


def test_a_refusal_before_any_decision_has_no_more_than_that():
    lines = lines_of(facts(model=None), gateway(), caller=SINGLE_USER)

    assert lines[:2] == ["POST /v1/messages", "caller     key=single-user"]
    assert lines[2] == "DENY     400 body.model  (invalid_request_error)"
    assert len(lines) == 4
    nothing = render(
        explain(None, None, refusal(facts(model=None), gateway()), Setting())
    )
    assert nothing.split("\n")[0] == "? ?"


def test_trust_is_told_where_a_client_gains_by_it():
    vouched = deployment(
        origin=RELAY,
        vouched=["credential.provider.anthropic.oauth"],
        trust_note="cheap-relay.trust_client_credentials  config.yaml:14",
        api_key=keys.DEPLOYMENT_KEY,
    )
    note = (
        "           host trusted by"
        " cheap-relay.trust_client_credentials  config.yaml:14"
    )

    assert note in lines_of(facts(OAUTH), gateway(vouched, auth=ON))
    assert note not in lines_of(facts(), gateway(vouched, auth=ON))


def test_a_client_cannot_draw_on_the_terminal_or_forge_a_line():
    evil = "claude\x1b[2J\x9b\nFORWARD  x-api-key\r\u2028"
    at = gateway(deployment(group="*"), auth=ON)

    lines = lines_of(facts(API_KEY, model=evil, route=CHAT_COMPLETIONS), at)

    assert "model=claude?[2J??FORWARD  x-api-key??  deployment=" in lines[0]
    assert all(each.isprintable() for each in lines)
