"""Facts and a caller into what leaves, or into a refusal."""

from dataclasses import replace

import pytest

from byok.core.exchange import (
    SINGLE_USER,
    Caller,
    Decided,
    Planned,
    decide,
    gateway_secrets,
)
from byok.core.facts import present
from byok.core.keys import VirtualKey
from byok.core.providers import Origin
from byok.core.routes import CHAT_COMPLETIONS, COUNT_TOKENS, MESSAGES
from byok.core.routing import Deployment
from byok.core.secret import Secret
from byok.policy import classes, floor
from byok.policy.declared import ClassTable, DeclaredShape
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy, OnClientStripped, OnMissing
from tests.core import asking
from tests.core.asking import (
    API_KEY,
    API_KEY_AS_BEARER,
    DEVELOPER,
    GATEWAY_KEY,
    LOOPBACK,
    OAUTH,
    OPENAI_KEY,
    RELAY,
    VERSION,
    deployment,
    facts,
    gateway,
    planned,
    refusal,
    sent,
    switches,
)
from tests.support import keys

ON = switches(litellm_settings=True)
DEPLOYMENT_KEY = (b"x-api-key", keys.DEPLOYMENT_KEY.encode())
KEYED = deployment("cheap", api_key=keys.DEPLOYMENT_KEY)


def record(**more) -> VirtualKey:
    plain = VirtualKey(
        token_id="key_1",
        digest=b"",
        pepper_id="",
        key_name="",
        created_at=0,
        updated_at=0,
    )
    return replace(plain, **more)


# What leaves


def test_the_clients_key_leaves_and_the_gateways_stays():
    headers = (GATEWAY_KEY, API_KEY, VERSION, (b"content-type", b"application/json"))

    out = planned(facts(*headers), gateway(auth=ON))

    assert out.headers == headers[1:]
    assert (out.payer, out.credential.source) == ("user-key", "client.api_key")
    assert out.scrub == ()
    assert out.deployment.name == "anthropic-main"


def test_a_login_leaves_as_the_bearer_it_came_as():
    out = planned(facts(GATEWAY_KEY, OAUTH), gateway(auth=ON))

    assert out.headers == (OAUTH, VERSION)
    assert out.payer == "subscription"


def test_an_api_key_stays_in_the_header_it_came_in():
    assert API_KEY_AS_BEARER in sent(facts(API_KEY_AS_BEARER), gateway(auth=ON))


def test_the_deployments_key_leaves_where_the_client_brought_none():
    out = planned(facts(GATEWAY_KEY), gateway(KEYED))

    assert out.headers == (VERSION, DEPLOYMENT_KEY)
    assert out.payer == "org"
    assert [each.reveal() for each in out.scrub] == [keys.DEPLOYMENT_KEY]


def test_a_deployment_may_have_a_login_of_its_own():
    at = gateway(deployment(api_key=keys.ANTHROPIC_OAUTH_2))

    assert sent(facts(GATEWAY_KEY), at) == (
        VERSION,
        (b"authorization", b"Bearer " + keys.ANTHROPIC_OAUTH_2.encode()),
    )


def test_where_the_client_pays_nothing_of_the_operators_is_scrubbed():
    out = planned(facts(API_KEY), gateway(KEYED, auth=ON))

    assert DEPLOYMENT_KEY not in out.headers
    assert out.scrub == ()


def test_without_any_credential_anonymous_requests_may_leave():
    at = gateway(credential=CredentialPolicy(on_missing=OnMissing.ANONYMOUS))

    out = planned(facts(), at)

    assert out.headers == (VERSION,)
    assert out.payer == "org"
    assert out.credential.source == "none"


def test_path_and_query_go_out_under_the_deployments_base():
    at = gateway(deployment(origin=RELAY, base_path="/proxy", api_key="opaque"))

    out = planned(facts(query=b"beta=true&x=%20"), at)

    assert out.target == b"/proxy/v1/messages?beta=true&x=%20"
    assert out.method == b"POST"
    assert planned(facts(route=COUNT_TOKENS), at).target == (
        b"/proxy/v1/messages/count_tokens"
    )


def test_the_body_goes_out_as_it_came_but_for_a_model_of_another_name():
    asked = facts(API_KEY)

    same = planned(asked, gateway(auth=ON))
    other = planned(asked, gateway(deployment(model="claude-x"), auth=ON))

    assert same.body is asked.body
    assert other.body == b'{"model":"claude-x","max_tokens":1}'
    assert (same.upstream_model, other.upstream_model) == (
        "claude-sonnet-4-5",
        "claude-x",
    )


def test_nothing_secret_is_in_the_repr_of_what_leaves():
    out = planned(facts(GATEWAY_KEY, API_KEY), gateway(KEYED, auth=ON))

    assert "CANARY" not in repr(out)
    assert "CANARY" not in repr(facts(GATEWAY_KEY, API_KEY))


# OpenAI's dialect

OPENAI = deployment("gpt", group="gpt-4", model="gpt-4", provider="openai")


def chat(*headers: tuple[bytes, bytes], model: str = "claude-sonnet-4-5"):
    return facts(*headers, route=CHAT_COMPLETIONS, model=model)


def test_an_anthropic_key_is_a_bearer_at_the_compatible_endpoint():
    out = planned(chat(GATEWAY_KEY, API_KEY), gateway(auth=ON))

    assert out.headers == (API_KEY_AS_BEARER,)
    assert out.target == b"/v1/chat/completions"
    as_it_came = (b"authorization", b"bearer  " + keys.ANTHROPIC_API_KEY.encode())
    for field in (API_KEY_AS_BEARER, as_it_came):
        assert sent(chat(field), gateway(auth=ON)) == (field,)


def test_a_deployments_key_is_a_bearer_there_too():
    assert sent(chat(), gateway(KEYED)) == (
        (b"authorization", b"Bearer " + keys.DEPLOYMENT_KEY.encode()),
    )


def test_an_opaque_key_is_moved_with_the_others():
    at = gateway(deployment(opaque=True), auth=ON)

    assert sent(chat((b"x-api-key", keys.OPAQUE_TOKEN.encode())), at) == (
        (b"authorization", b"Bearer " + keys.OPAQUE_TOKEN.encode()),
    )


def test_an_openai_key_goes_to_openai():
    out = planned(chat(OPENAI_KEY, model="gpt-4"), gateway(OPENAI, auth=ON))

    assert out.headers == (OPENAI_KEY,)
    assert out.payer == "user-key"


def test_a_model_of_openai_is_not_served_on_anthropics_routes():
    refused = refusal(facts(OPENAI_KEY, model="gpt-4"), gateway(OPENAI, auth=ON))

    assert (refused.status, refused.code) == (400, "route.dialect")
    assert "/v1/chat/completions" in refused.message


# Which classes go to which deployments (S-03)

DEPLOYMENTS = {
    "trusted": deployment(),
    "relay": deployment(origin=RELAY),
    "vouched": deployment(origin=RELAY, vouched=[classes.ANTHROPIC_OAUTH]),
    "opaque": deployment(origin=RELAY, opaque=True),
    "port": deployment(origin=Origin(scheme="https", host="api.anthropic.com", port=1)),
    "plaintext": deployment(
        origin=Origin(scheme="http", host="api.anthropic.com", port=80)
    ),
    "loopback": deployment(
        origin=LOOPBACK,
        vouched=[classes.ANTHROPIC_OAUTH, classes.ANTHROPIC_API_KEY],
        plaintext_ok=True,
    ),
    "openai": deployment(provider="openai"),
}
CREDENTIALS = {
    "api key": API_KEY,
    "api key as bearer": API_KEY_AS_BEARER,
    "login": OAUTH,
    "openai": OPENAI_KEY,
    "openrouter": (b"authorization", b"Bearer " + keys.OPENROUTER.encode()),
    "google": (b"x-goog-api-key", keys.GOOGLE.encode()),
    "azure": (b"api-key", keys.AZURE_KEY.encode()),
    "jwt": (b"authorization", b"Bearer " + keys.JWT.encode()),
    "opaque": (b"x-api-key", keys.OPAQUE_TOKEN.encode()),
    "basic": (b"authorization", b"Basic " + b"dXNlcjpwYXNz"),
    "gateway key": (b"authorization", b"Bearer " + keys.VIRTUAL_KEY.encode()),
    "gateway key again": (b"x-api-key", keys.VIRTUAL_KEY.encode()),
    "master key": (b"x-api-key", keys.MASTER_KEY.encode()),
    "master key in a list": (b"x-custom", b"a," + keys.MASTER_KEY.encode()),
    "hidden": (b"x-custom", keys.ANTHROPIC_API_KEY.encode()),
    "cookie": (b"cookie", keys.COOKIE.encode()),
    "aws": (b"x-amz-security-token", keys.OPAQUE_TOKEN.encode()),
}
# For each deployment the credentials that may leave for it.
LEAVE = {
    "trusted": {"api key", "api key as bearer", "login"},
    "vouched": {"login"},
    "opaque": {"jwt", "opaque"},
    "loopback": {"api key", "api key as bearer", "login"},
    "openai": {"openai"},
}
FORWARD_ALL = asking.rules_at(
    Tier.MODEL,
    {
        "id": "all",
        "match": {"header": {"class": "credential.provider.*"}},
        "action": "forward",
    },
    {"id": "x", "match": {"header": {"name": "x-custom"}}, "action": "forward"},
)


@pytest.mark.parametrize("place", DEPLOYMENTS)
@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_credential_leaves_only_for_whom_it_is(place, credential):
    """Every class against every kind of destination, with rules that forward all."""
    at = gateway(
        DEPLOYMENTS[place],
        rules=FORWARD_ALL,
        headers=ON,
        auth=ON,
        credential=CredentialPolicy(on_missing=OnMissing.ANONYMOUS),
    )
    field = CREDENTIALS[credential]
    route = CHAT_COMPLETIONS if place == "openai" else MESSAGES

    found = asking.decided(facts(GATEWAY_KEY, field, route=route), at)

    leaves = field in found.outcome.sends
    assert leaves is (credential in LEAVE.get(place, set()))
    if place == "plaintext":
        assert not leaves


def test_a_destination_in_the_clear_gets_nobodys_credential():
    clear = replace(DEPLOYMENTS["loopback"], plaintext_ok=False)
    for at in (
        gateway(clear, auth=ON),
        gateway(replace(clear, api_key=Secret(keys.DEPLOYMENT_KEY))),
    ):
        refused = refusal(facts(API_KEY), at)
        assert (refused.status, refused.code) == (403, "policy.plaintext")
        assert refused.rule == floor.PLAINTEXT


def test_leave_to_use_plain_http_is_for_this_machine_only():
    away = replace(
        DEPLOYMENTS["loopback"],
        origin=Origin(scheme="http", host="relay.example.net", port=80),
    )

    assert refusal(facts(API_KEY), gateway(away, auth=ON)).code == "policy.plaintext"
    assert API_KEY in sent(facts(API_KEY), gateway(DEPLOYMENTS["loopback"], auth=ON))


def test_headers_are_decided_anew_from_what_came_for_each_deployment():
    """A fallback to another provider takes the deployment's key, not the client's."""
    at = gateway(deployment(), auth=ON)
    asked = chat(API_KEY)
    other = replace(OPENAI, api_key=Secret(keys.OPENAI_DEPLOYMENT_KEY))

    first = planned(asked, at)
    second = planned(asked, at, deployment=other)
    again = planned(asked, at)

    assert first.headers == again.headers == (API_KEY_AS_BEARER,)
    assert second.headers == (
        (b"authorization", b"Bearer " + keys.OPENAI_DEPLOYMENT_KEY.encode()),
    )
    assert second.payer == "org"


# Who may ask for what


def test_a_key_opens_the_models_it_lists():
    some = replace(DEVELOPER, record=record(models=("gpt-*",)))

    refused = refusal(facts(API_KEY), gateway(auth=ON), caller=some)

    assert (refused.status, refused.code) == (403, "auth.model-not-allowed")
    other = replace(DEVELOPER, record=record(models=("claude-*",)))
    assert API_KEY in sent(facts(API_KEY), gateway(auth=ON), caller=other)


def test_a_caller_is_called_by_alias_or_else_by_id():
    named = Caller.of_key(
        record(key_alias="ann", user_id="u", team_id="t", tags=("a",)),
        "x-api-key",
        None,
    )

    assert (named.name, named.user, named.team) == ("ann", "u", "t")
    assert named.tags == frozenset({"a"})
    assert named.carrier == "x-api-key"
    nameless = Caller.of_key(record(), "", None)
    assert (nameless.name, nameless.alias) == ("key_1", "")
    assert (nameless.user, nameless.team) == ("", "")
    assert not nameless.is_master


@pytest.mark.parametrize("name", ["dev-laptop", "key_1"])
def test_a_rule_about_a_key_holds_under_either_name(name):
    rules = asking.rules_at(
        Tier.SETTINGS, {"id": "no", "match": {"key": name}, "action": {"deny": {}}}
    )

    refused = refusal(facts(API_KEY), gateway(auth=ON, rules=rules))

    assert refused.code == "policy.denied"


def test_a_model_that_is_not_served_is_not_found_and_may_be_suggested():
    refused = refusal(facts(model="claude-sonet-4-5"), gateway())

    assert (refused.status, refused.code) == (404, "route.unknown-model")
    assert "Did you mean claude-sonnet-4-5?" in refused.message
    assert "mean" not in refusal(facts(model="gpt-4"), gateway()).message


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ((), "Served are gpt-*, claude-* and what GET /v1/models lists."),
        (("claude-*", "nova"), "Served are claude-* and what GET /v1/models lists."),
        (("nova",), "GET /v1/models lists what is."),
    ],
)
def test_families_of_models_that_the_caller_may_use_are_told(models, told):
    at = gateway(
        deployment("a", group="gpt-*", provider="openai"),
        deployment("b", group="claude-*"),
        deployment("c", group="claude-*", origin=RELAY),
        replace(deployment("d", group="titan-*"), provider="bedrock"),
    )
    some = replace(DEVELOPER, record=record(models=models))

    refused = refusal(facts(model="nova"), at, caller=some)

    assert refused.code == "route.unknown-model"
    assert told in refused.message


def test_a_model_of_an_unsupported_provider_is_told_with_those_served():
    at = gateway(
        deployment("a", group="claude-*"),
        replace(deployment("b", group="titan"), provider="bedrock"),
    )

    refused = refusal(facts(model="titan"), at)

    assert refused.code == "route.unsupported-provider"
    assert "Served are claude-* and what GET /v1/models lists." in refused.message


def test_a_caller_names_the_models_that_the_key_does():
    some = replace(DEVELOPER, record=record(models=("claude-x", "gpt-*")))

    assert some.model_names == ("claude-x",)
    assert DEVELOPER.model_names == ()


def test_no_model_is_suggested_that_the_key_does_not_open():
    some = replace(DEVELOPER, record=record(models=("claude-sonet-*",)))

    refused = refusal(facts(model="claude-sonet-4-5"), gateway(), caller=some)

    assert (refused.code, "mean" in refused.message) == ("route.unknown-model", False)


def test_a_body_without_a_model_is_refused():
    refused = refusal(facts(model=None), gateway())

    assert (refused.status, refused.code) == (400, "body.model")


def test_a_provider_that_is_not_supported_is_refused_and_not_a_crash():
    bedrock = Deployment(
        name="bedrock",
        model_group="claude-sonnet-4-5",
        upstream_model="x",
        provider="bedrock",
        origin=RELAY,
    )

    refused = refusal(facts(API_KEY), gateway(bedrock))

    assert (refused.status, refused.code) == (404, "route.unsupported-provider")


# Gateway credentials


def test_every_secret_of_the_gateway_is_known():
    at = gateway()

    assert set(gateway_secrets(DEVELOPER, at)) == {
        keys.VIRTUAL_KEY.encode(),
        keys.MASTER_KEY.encode(),
    }
    assert gateway_secrets(SINGLE_USER, gateway(master=None)) == ()


def test_further_keys_of_the_gateway_are_the_gateways_too():
    second = (b"authorization", b"Bearer " + keys.VIRTUAL_KEY_2.encode())
    at = gateway(deployment(opaque=True, api_key=keys.DEPLOYMENT_KEY), auth=ON)
    known = replace(DEVELOPER, others=(Secret(keys.VIRTUAL_KEY_2),))

    assert second in sent(facts(second), at)
    assert sent(facts(second), at, caller=known) == (VERSION, DEPLOYMENT_KEY)


@pytest.mark.parametrize(
    "query",
    [
        b"key=" + keys.VIRTUAL_KEY.encode(),
        b"x=1&k=" + keys.MASTER_KEY.encode(),
        b"k=" + keys.VIRTUAL_KEY.encode().replace(b"-", b"%2D"),
    ],
)
def test_a_gateway_credential_in_the_query_is_refused(query):
    refused = refusal(facts(API_KEY, query=query), gateway(auth=ON))

    assert (refused.status, refused.code) == (400, "edge.credential-in-query")


def test_the_master_key_is_the_gateways_on_a_callers_request_too():
    stray = (b"x-custom", keys.MASTER_KEY.encode())

    assert sent(facts(API_KEY, stray), gateway(auth=ON, headers=ON)) == (
        API_KEY,
        VERSION,
    )


def test_a_short_master_key_stays_here_as_well():
    short = b"sk-1234"
    at = gateway(auth=ON, headers=ON, master=short.decode())
    strays = (
        (b"x-one", short),
        (b"x-two", b"a/" + short),
        (b"authorization", b"Bearer " + short),
    )

    assert sent(facts(API_KEY, *strays, (b"x-three", b"task-12345")), at) == (
        API_KEY,
        (b"x-three", b"task-12345"),
        VERSION,
    )


def test_without_a_master_key_the_credentials_are_the_providers():
    at = gateway(auth=ON, master=None)

    assert API_KEY in sent(facts(API_KEY), at, caller=SINGLE_USER)


def test_a_configured_carrier_never_leaves():
    at = gateway(auth=ON, headers=ON, carrier="x-company-key")

    assert sent(facts(API_KEY, (b"x-company-key", b"anything")), at) == (
        API_KEY,
        VERSION,
    )


# Refusals about credentials


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ((API_KEY,), 401, "authentication_error"),
        ((OAUTH,), 403, "permission_error"),
        ((), 401, "authentication_error"),
    ],
)
def test_a_missing_credential_is_a_401_and_with_a_login_a_403(headers, status, kind):
    refused = refusal(facts(GATEWAY_KEY, *headers), gateway())

    assert (refused.status, refused.kind) == (status, kind)


def test_a_credential_that_nobody_forwards_is_told_with_the_switch():
    refused = refusal(facts(GATEWAY_KEY, API_KEY), gateway())

    assert (refused.code, refused.rule) == ("credential.not-forwarded", "default-deny")
    assert "forward_llm_provider_auth_headers: true" in refused.message
    assert "has no key that could be used instead" in refused.message


def test_a_host_that_is_not_trusted_is_told_with_the_remedy():
    refused = refusal(facts(OAUTH), gateway(deployment(origin=RELAY), auth=ON))

    assert refused.rule == floor.HOST_PIN
    assert "relay.example.net is not trusted for it" in refused.message
    assert "trust_client_credentials" in refused.message


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (OPENAI_KEY[1], "an OpenAI API key"),
        (b"Bearer " + keys.OPENROUTER.encode(), "an OpenRouter API key"),
    ],
)
def test_another_providers_key_is_told_as_such_and_nobody_is_to_vouch(value, kind):
    refused = refusal(facts(GATEWAY_KEY, (b"authorization", value)), gateway(auth=ON))

    assert refused.rule == floor.HOST_PIN
    assert f"it is {kind}, which is not sent to anthropic" in refused.message
    assert "trust_client_credentials" not in refused.message


def test_a_credential_of_no_known_shape_is_told_with_the_setting_that_lets_it_by():
    opaque = (b"x-api-key", b"opaque-key-of-somebody")

    refused = refusal(facts(GATEWAY_KEY, opaque), gateway(auth=ON))

    assert refused.rule == floor.HOST_PIN
    assert "accepts_client_credential: opaque" in refused.message
    assert "trust_client_credentials" not in refused.message
    vouching = gateway(deployment(opaque=True), auth=ON)
    assert opaque in sent(facts(GATEWAY_KEY, opaque), vouching)


@pytest.mark.parametrize("around", [b'"%b"', b"%b x", b"Bearer %b", b"%b,"])
def test_a_key_that_does_not_stand_alone_is_told_so(around):
    name, value = API_KEY
    refused = refusal(facts(GATEWAY_KEY, (name, around % value)), gateway(auth=ON))

    assert (refused.status, refused.rule) == (401, floor.SLOT)
    assert "Send the key by itself" in refused.message


def test_a_rule_that_removed_a_credential_is_named():
    at = gateway(
        KEYED,
        auth=switches(general_settings=False),
        credential=CredentialPolicy(on_client_stripped=OnClientStripped.DENY),
    )

    refused = refusal(facts(API_KEY), at)

    assert refused.code == "credential.client-stripped"
    assert "general_settings.forward_llm_provider_auth_headers" in refused.message
    assert "own key may not be used instead" in refused.message


def test_nothing_at_all_is_told_with_what_came():
    refused = refusal(facts(GATEWAY_KEY), gateway())

    assert refused.code == "credential.missing"
    assert refused.rule is None
    assert "x-litellm-api-key holds" in refused.message
    assert "set ANTHROPIC_API_KEY" in refused.message


def test_no_refusal_quotes_a_value():
    strange = (b"x-api-key", keys.OPAQUE_TOKEN.encode())
    for headers in ((API_KEY,), (OAUTH,), (strange,), (API_KEY, OAUTH)):
        assert "CANARY" not in refusal(facts(GATEWAY_KEY, *headers), gateway()).message


@pytest.mark.parametrize(
    ("action", "why", "message"),
    [
        ({"deny": {"message": "not now"}}, "because", "not now"),
        ({"deny": {}}, "because", "because"),
        ({"deny": {}}, "", "A policy of this gateway refuses the request."),
    ],
)
def test_a_refusal_by_policy_is_a_403_with_the_rules_own_words(action, why, message):
    rules = asking.rules_at(
        Tier.SETTINGS, {"id": "no", "why": why, "action": action}, namespace="doc"
    )

    refused = refusal(facts(API_KEY), gateway(auth=ON, rules=rules))

    assert (refused.status, refused.kind) == (403, "permission_error")
    assert (refused.code, refused.rule) == ("policy.denied", "doc.no")
    assert refused.message == message


def test_an_admin_key_is_refused_before_anything_else_is_said():
    refused = refusal(facts((b"x-api-key", keys.ANTHROPIC_ADMIN.encode())), gateway())

    assert (refused.status, refused.rule) == (403, floor.ADMIN_KEY)


# What rules can ask about


def test_a_rule_may_ask_for_everything_that_is_known():
    asked = {
        "route": "/v1/messages",
        "method": "POST",
        "model": "claude-sonnet-*",
        "model_group": "claude-sonnet-4-5",
        "deployment": "anthropic-main",
        "provider": "anthropic",
        "host": "api.anthropic.com",
        "team": "growth",
        "key": "dev-laptop",
        "auth": "x-litellm-api-key",
        "client_ip": "10.0.0.0/8",
        "stream": False,
    }
    rules = asking.rules_at(
        Tier.SETTINGS, {"id": "no", "match": asked, "action": {"deny": {}}}
    )
    at = gateway(auth=ON, rules=rules)

    assert refusal(facts(API_KEY, client_ip="10.1.1.1"), at).code == "policy.denied"
    assert API_KEY in sent(facts(API_KEY, client_ip="11.1.1.1"), at)


def test_what_connection_nominates_is_dropped():
    headers = (API_KEY, (b"connection", b"x-custom"), (b"x-custom", b"1"))

    assert sent(facts(*headers), gateway(auth=ON, headers=ON)) == (API_KEY, VERSION)


def test_a_decision_has_everything_that_led_to_it():
    found = decide(facts(API_KEY), DEVELOPER, gateway(auth=ON))

    assert isinstance(found, Decided)
    assert found.context.key == "dev-laptop"
    assert found.context.key_id == "key_1"
    assert found.context.vouched
    assert [each.name for each in found.outcome.decisions] == ["x-api-key"]


def test_the_first_value_that_is_not_empty_is_present():
    headers = ((b"a", b""), (b"a", b"1"), (b"a", b"2"))

    assert present(headers, b"a") == b"1"
    assert present(headers, b"b") is None


@pytest.mark.parametrize("query", [b"k=corp_live_12345678", b"k=%63orp_live_12345678"])
def test_a_declared_credential_in_the_query_is_refused(query):
    declared = DeclaredShape(prefix="corp_live_", cls=classes.OTHER_CREDENTIAL)
    asked = facts(API_KEY, query=query)
    assert isinstance(planned(asked, gateway(auth=ON)), Planned)

    refused = refusal(asked, gateway(auth=ON, class_table=ClassTable((), [declared])))

    assert (refused.status, refused.code) == (400, "edge.credential-in-query")
