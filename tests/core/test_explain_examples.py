"""
The worked examples of the policy language, decided and explained.

Each is one situation a reader of an explanation meets; the numbers are those of
the examples in the language's description. How they are printed is tested with
the command.
"""

import json
from dataclasses import replace

import pytest

from byok.core.edge import check_edge
from byok.core.exchange import Caller, Gateway, decide
from byok.core.explain import Setting, explain
from byok.core.providers import Origin
from byok.core.routes import CHAT_COMPLETIONS
from byok.policy import classes
from byok.policy.rules import Tier
from tests.core.asking import (
    API_KEY,
    API_KEY_AS_BEARER,
    DEVELOPER,
    GATEWAY_KEY,
    OAUTH,
    RELAY,
    VERSION,
    deployment,
    facts,
    gateway,
    planned,
    rules_at,
    switches,
)
from tests.core.test_explain import Json
from tests.support import keys

SWITCH = "forward_llm_provider_auth_headers"
LITELLM = f"litellm_settings.{SWITCH}"
GENERAL = f"general_settings.{SWITCH}"
ON = switches(litellm_settings=True)
KEYED = deployment(api_key=keys.DEPLOYMENT_KEY)
CHEAP_RELAY = deployment("cheap-relay", origin=RELAY, api_key=keys.DEPLOYMENT_KEY)


class Example:
    """One request explained, with its parts by name."""

    def __init__(
        self,
        at: Gateway,
        *headers: tuple[bytes, bytes],
        caller: Caller = DEVELOPER,
    ) -> None:
        asked = facts(*headers)
        explanation = explain(asked, caller, decide(asked, caller, at), Setting())
        self.data: Json = json.loads(json.dumps(explanation))
        self.credential = self.data["credential"]
        self.sends = self.data["sends"]
        self.refusal = self.data["refusal"]

    def fate(self, name: str) -> tuple[str, str, str, str]:
        """Return verdict, class, deciding rule and reason of the field *name*."""
        each = self._slot(name)
        rule = each["determining"][0]["rule"]
        return each["verdict"], each["class"], rule, each["reason"]

    def origin(self, name: str) -> str:
        """Return where the rule stands that decided the field *name*."""
        return self._slot(name)["determining"][0]["origin"]

    def over(self, name: str) -> list[tuple[str, str, str, str]]:
        """Return the rules that did not decide it: id, wish, place and why not."""
        return [
            (each["rule"], each["would"], each["origin"], each["because"])
            for each in self._slot(name)["overridden"]
        ]

    def note(self, name: str) -> str:
        return self._slot(name)["note"]

    def _slot(self, name: str) -> Json:
        (found,) = (e for e in self.data["slots"] if e["slot"] == f"header:{name}")
        return found


def test_e1_the_seed_page():
    seen = Example(
        gateway(auth=ON),
        GATEWAY_KEY,
        API_KEY,
        VERSION,
        (b"x-stainless-lang", b"js"),
        (b"connection", b"keep-alive"),
    )

    assert seen.fate("x-litellm-api-key") == (
        "strip",
        classes.GATEWAY,
        "floor.gateway-credential",
        "floor",
    )
    assert seen.fate("x-api-key") == (
        "forward",
        classes.ANTHROPIC_API_KEY,
        LITELLM,
        "narrowest tier",
    )
    assert seen.origin("x-api-key") == "config.yaml:9"
    assert seen.fate("anthropic-version")[::2] == ("forward", "base.protocol")
    assert seen.origin("anthropic-version") == "policies/base.yaml:9"
    assert seen.fate("x-stainless-lang") == (
        "strip",
        classes.SDK_TELEMETRY,
        "default-deny",
        "no rule matched",
    )
    assert seen.fate("connection")[::2] == ("strip", "floor.hop-by-hop")
    assert seen.credential["source"] == "client.api_key"
    assert seen.credential["payer"] == "user-key"
    assert seen.sends == ["anthropic-version", "x-api-key"]


def test_e2_the_switch_is_absent_and_the_deployment_has_its_own_key():
    seen = Example(gateway(KEYED), GATEWAY_KEY, API_KEY)

    assert seen.fate("x-api-key")[::2] == ("strip", "default-deny")
    assert seen.note("x-api-key") == f"set {SWITCH}: true to forward it"
    assert (seen.credential["source"], seen.credential["payer"]) == (
        "deployment",
        "org",
    )
    assert seen.credential["rejected"] == [
        {"candidate": "header:x-api-key", "because": "default-deny removed it"}
    ]


def test_e3_the_two_sections_disagree():
    both = switches(general_settings=False, litellm_settings=True)

    seen = Example(gateway(KEYED, auth=both), GATEWAY_KEY, API_KEY)

    assert seen.fate("x-api-key")[::2] == ("strip", GENERAL)
    assert seen.origin("x-api-key") == "config.yaml:5"
    assert seen.over("x-api-key") == [
        (LITELLM, "forward", "config.yaml:9", "same tier, stricter won")
    ]
    assert seen.credential["payer"] == "org"


def test_e4_a_third_partys_address():
    seen = Example(gateway(CHEAP_RELAY, auth=ON), GATEWAY_KEY, OAUTH)

    assert seen.fate("authorization") == (
        "strip",
        classes.ANTHROPIC_OAUTH,
        "floor.credential-host-pin",
        "floor",
    )
    assert seen.origin("authorization") == "built-in"
    assert seen.over("authorization") == [
        (LITELLM, "forward", "config.yaml:9", "floor")
    ]
    assert (seen.credential["source"], seen.credential["payer"]) == (
        "deployment",
        "org",
    )
    assert "x-api-key" in seen.sends
    assert "authorization" not in seen.sends


def test_e4b_the_operator_vouches():
    note = "cheap-relay.trust_client_credentials config.yaml:14"
    vouched = deployment(
        "cheap-relay",
        origin=RELAY,
        api_key=keys.DEPLOYMENT_KEY,
        vouched=[classes.ANTHROPIC_OAUTH],
        trust_note=note,
    )

    seen = Example(gateway(vouched, auth=ON), GATEWAY_KEY, OAUTH)

    assert seen.fate("authorization")[::2] == ("forward", LITELLM)
    assert seen.credential["trust"] == note
    assert seen.credential["payer"] == "subscription"
    assert seen.credential["rejected"] == [
        {"candidate": "deployment", "because": "client.oauth was chosen"}
    ]
    assert "x-api-key" not in seen.sends


def test_e6_telemetry_identity_and_cookies():
    quiet = rules_at(
        Tier.PACK,
        {
            "id": "sdk-telemetry",
            "match": {"header": {"class": "telemetry.*"}},
            "action": "strip",
        },
        namespace="quiet",
        file="policies/quiet.yaml",
        line=5,
    )
    session = rules_at(
        Tier.MODEL,
        {
            "id": "session",
            "match": {"header": {"name": "x-claude-code-session-id"}},
            "action": "forward",
        },
        namespace="observability",
        line=21,
        deployment_name="anthropic-main",
    )
    at = gateway(auth=ON, rules=(*quiet, *session))

    seen = Example(
        at,
        API_KEY,
        (b"x-stainless-os", b"Linux"),
        (b"x-claude-code-session-id", b"1"),
        (b"user-agent", b"claude-cli/2"),
        (b"x-foo", b"1"),
        (b"cookie", b"a=b"),
    )

    assert seen.fate("x-stainless-os")[::2] == ("strip", "quiet.sdk-telemetry")
    assert seen.origin("x-stainless-os") == "policies/quiet.yaml:5"
    assert seen.fate("x-claude-code-session-id") == (
        "forward",
        classes.CLIENT_IDENTITY,
        "observability.session",
        "narrowest tier",
    )
    assert seen.fate("user-agent")[::2] == ("strip", "default-deny")
    assert seen.fate("x-foo")[:2] == ("strip", classes.UNCLASSIFIED)
    assert seen.fate("cookie") == ("strip", classes.COOKIE, "base.cookies", "lock")
    assert seen.origin("cookie") == "policies/base.yaml:21"


@pytest.mark.parametrize("keyed", [True, False])
def test_e8_the_gateways_key_in_wrong_places_and_a_key_in_a_custom_header(keyed):
    by_authorization = replace(DEVELOPER, carrier="authorization")
    key = keys.VIRTUAL_KEY.encode()

    seen = Example(
        gateway(KEYED if keyed else deployment(), auth=ON),
        (b"authorization", b"Bearer " + key),
        (b"x-api-key", key),
        (b"x-custom", keys.ANTHROPIC_API_KEY.encode()),
        caller=by_authorization,
    )

    for name in ("authorization", "x-api-key"):
        assert seen.fate(name)[:3] == (
            "strip",
            classes.GATEWAY,
            "floor.gateway-credential",
        )
        assert seen.data["slots"][0]["classified_by"] == "value"
    assert seen.fate("x-custom") == (
        "strip",
        classes.ANTHROPIC_API_KEY,
        "floor.credential-slot",
        "floor",
    )
    assert seen.over("x-custom") == [(LITELLM, "forward", "config.yaml:9", "floor")]
    assert seen.data["caller"]["auth_header"] == "authorization"
    if keyed:
        assert seen.credential["payer"] == "org"
    else:
        assert (seen.refusal["status"], seen.refusal["code"]) == (
            401,
            "credential.missing",
        )


def test_e9_hop_by_hop_abuse():
    refusal = check_edge((API_KEY, (b"connection", b"x-api-key")), b"")

    assert refusal is not None
    assert (refusal.status, refusal.code) == (400, "edge.connection-nomination")


def test_e10_an_alias_of_a_header():
    refusal = check_edge(((b"x_api_key", API_KEY[1]),), b"")

    assert refusal is not None
    assert (refusal.status, refusal.code) == (400, "edge.header-name")
    assert "underscore" in refusal.message


def test_e11_an_admin_key():
    seen = Example(
        gateway(KEYED, auth=ON), (b"x-api-key", keys.ANTHROPIC_ADMIN.encode())
    )

    assert seen.fate("x-api-key") == (
        "deny",
        classes.ANTHROPIC_ADMIN,
        "floor.anthropic-admin-key",
        "floor",
    )
    over = seen.over("x-api-key")
    assert (
        "floor.credential-slot",
        "strip",
        "built-in",
        "same tier, stricter won",
    ) in over
    assert (LITELLM, "forward", "config.yaml:9", "floor") in over
    assert (seen.refusal["status"], seen.refusal["rule"]) == (
        403,
        "floor.anthropic-admin-key",
    )
    assert seen.sends == []


def test_e12_both_client_credentials():
    seen = Example(gateway(KEYED, auth=ON), GATEWAY_KEY, OAUTH, API_KEY)

    assert seen.fate("authorization")[::2] == ("forward", LITELLM)
    assert seen.fate("x-api-key")[::2] == ("strip", "floor.single-credential")
    assert seen.credential["source"] == "client.oauth"
    assert seen.credential["payer"] == "subscription"
    assert seen.sends == ["anthropic-version", "authorization"]


def test_e13_a_fallback_starts_from_the_headers_that_came():
    elsewhere = deployment(
        "openrouter",
        provider="openai",
        model="anthropic/claude-sonnet-4.5",
        origin=Origin(scheme="https", host="openrouter.ai", port=443),
        api_key=keys.OPENAI_DEPLOYMENT_KEY,
    )
    asked = facts(GATEWAY_KEY, API_KEY_AS_BEARER, VERSION, route=CHAT_COMPLETIONS)
    at = gateway(deployment(), elsewhere, auth=ON)

    first = planned(asked, at)
    second = planned(asked, at, deployment=elsewhere)

    assert first.headers == (API_KEY_AS_BEARER, VERSION)
    assert first.payer == "user-key"
    # Nothing of the first attempt is in the second.
    own = b"Bearer " + keys.OPENAI_DEPLOYMENT_KEY.encode()
    assert second.headers == ((b"authorization", own),)
    assert second.payer == "org"
    (removed,) = second.credential.removed
    assert removed.rule == "floor.credential-host-pin"
    assert planned(asked, at).headers == first.headers
