"""The shipped documents: valid, and doing what their comments promise."""

import json
from dataclasses import replace

import pytest
import yaml
from jsonschema import Draft202012Validator

from byok.core.clashes import clashes
from byok.core.routing import DeploymentTable
from byok.policy.document import read_document
from byok.policy.outcome import Headers, Outcome
from byok.policy.plan import Plan
from byok.policy.rules import Rule, Tier, Where
from byok.policy.settings import settings_rules
from byok.policy.slot import CredentialPolicy
from byok.resources import policy_file, policy_files, schema_file
from tests.core.asking import deployment
from tests.policy import rulesets
from tests.policy.test_settings import API_KEY, OAUTH, RELAY, switch

SCHEMA = json.loads(schema_file("policy-v1.schema.json").read_text("utf-8"))


def rules_of(*packs: str) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for pack in packs:
        name = f"{pack}.yaml"
        found, problems = read_document(
            yaml.safe_load(policy_file(name).read_text("utf-8")),
            locate=lambda path, name=name: Where(file=name),  # type: ignore[misc]
        )
        assert problems == ()
        rules += found
    return tuple(rules)


DEFAULT = (*rules_of("base", "claude-code"), *settings_rules(switch(litellm=True), {}))


def sends(
    *headers: tuple[bytes, bytes],
    rules: tuple[Rule, ...] = DEFAULT,
    context=rulesets.PLAIN,
) -> Headers:
    return outcome_of(*headers, rules=rules, context=context).sends


def outcome_of(
    *headers: tuple[bytes, bytes],
    rules: tuple[Rule, ...] = DEFAULT,
    context=rulesets.PLAIN,
) -> Outcome:
    return Plan(context, rules, CredentialPolicy()).apply(headers)


VERSION = (b"anthropic-version", b"2023-06-01")
OPENAI = replace(
    rulesets.PLAIN,
    route="/v1/chat/completions",
    provider="openai",
    host="api.openai.com",
    trusted=frozenset(),
    vouched=False,
)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", policy_files(), ids=lambda path: path.stem)
def test_every_shipped_document_is_valid_and_named_like_its_file(path):
    document = yaml.safe_load(path.read_text("utf-8"))

    Draft202012Validator(SCHEMA).validate(document)
    rules, problems = read_document(document, locate=lambda path: Where(file="x"))
    assert problems == ()
    assert rules
    assert document["metadata"]["name"] == path.stem
    assert {rule.tier for rule in rules} == {Tier.PACK}


def test_the_shipped_documents_get_along():
    rules = rules_of(*(path.stem for path in policy_files()))

    assert clashes(rules, DeploymentTable([deployment()])) == ()
    assert len({rule.id for rule in rules}) == len(rules)


# base


@pytest.mark.parametrize("name", [b"anthropic-version", b"anthropic-next", b"accept"])
def test_the_protocols_headers_go_to_anthropic(name):
    assert (name, b"1") in sends((name, b"1"))


def test_betas_are_passed_on_verbatim_in_all_their_lines():
    headers = (
        (b"anthropic-beta", b"b ,a"),
        (b"anthropic-beta", b"a"),
        VERSION,
    )

    assert sends(*headers) == headers


def test_a_missing_version_is_supplied_on_anthropics_routes_only():
    chat = replace(rulesets.PLAIN, route="/v1/chat/completions")
    count = replace(rulesets.PLAIN, route="/v1/messages/count_tokens")

    assert sends() == (VERSION,)
    assert sends(context=count) == (VERSION,)
    assert sends((b"anthropic-version", b"2026-10-21")) == (
        (b"anthropic-version", b"2026-10-21"),
    )
    assert sends(context=chat) == ()
    assert sends(context=OPENAI) == ()


def test_anthropics_headers_do_not_go_to_others():
    headers = (VERSION, (b"anthropic-beta", b"a"), (b"openai-beta", b"b"))

    assert sends(*headers, context=OPENAI) == ((b"openai-beta", b"b"),)


def test_a_cookie_never_leaves():
    forward = rulesets.read(Tier.KEY, {"id": "all", "action": "forward"})

    outcome = outcome_of((b"cookie", b"a=b"), rules=(*DEFAULT, *forward))

    assert outcome.verdicts[0].rule is not None
    assert outcome.verdicts[0].rule.id == "base.cookies"


# claude-code

IDENTITY = (
    (b"user-agent", b"claude-cli/2"),
    (b"x-app", b"cli"),
    (b"x-claude-code-session-id", b"1"),
    (b"x-stainless-lang", b"js"),
)


def test_the_clients_identity_goes_to_trusted_hosts_only():
    assert sends(*IDENTITY, VERSION) == (*IDENTITY, VERSION)
    assert sends(*IDENTITY, VERSION, context=RELAY) == (VERSION,)


def test_betas_of_the_login_go_with_the_login_only():
    beta = (b"anthropic-beta", b"a,oauth-2025-04-20,b")
    without = (b"anthropic-beta", b"a,b")
    keyed = replace(RELAY, deployment_key=True)

    assert sends(OAUTH, beta, VERSION) == (OAUTH, beta, VERSION)
    assert sends(API_KEY, beta, VERSION) == (API_KEY, without, VERSION)
    # Here the login stays and the deployment's key is used.
    assert sends(OAUTH, beta, VERSION, context=keyed) == (without, VERSION)


# litellm-compat


def test_litellms_reading_forwards_a_login_unasked_but_no_key():
    compat = rules_of("base", "litellm-compat")

    assert OAUTH in sends(OAUTH, rules=compat)
    assert API_KEY not in sends(API_KEY, rules=compat)
    assert OAUTH not in sends(OAUTH, rules=compat, context=RELAY)


def test_an_explicit_false_is_believed_before_litellms_reading():
    off = (*rules_of("base", "litellm-compat"), *settings_rules(switch(False), {}))

    assert OAUTH not in sends(OAUTH, rules=off)
