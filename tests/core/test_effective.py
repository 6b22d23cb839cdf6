"""The whole plan of a caller at a deployment, and two of them compared."""

from dataclasses import replace

from byok.core.effective import Cell, Effective, effective, rows_of
from byok.core.effective_changes import changes
from byok.core.exchange import Gateway
from byok.core.routes import CHAT_COMPLETIONS, MESSAGES
from byok.core.supposed import PLACEHOLDERS
from byok.policy import classes
from byok.policy.rules import Tier
from byok.policy.slot import CredentialPolicy, OnMissing
from tests.core.asking import (
    DEVELOPER,
    Data,
    decided,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.support import keys

ON = switches(litellm_settings=True)
MAIN = deployment("main")
KEYED = deployment("keyed", api_key=keys.DEPLOYMENT_KEY)
GPT = deployment("gpt", provider="openai", api_key=keys.OPENAI_DEPLOYMENT_KEY)
DEFAULT_PACKS = ("base", "claude-code")


def plan(
    *items: Data, at=MAIN, tier=Tier.SETTINGS, caller=DEVELOPER, **more
) -> Effective:
    """Return what holds at *at* with the switch on and *items* as rules."""
    route = CHAT_COMPLETIONS if at.provider == "openai" else MESSAGES
    house = house_of(*items, at=at, tier=tier, **more)
    found = effective(facts(route=route), caller, house, at)
    assert found is not None
    return found


def house_of(*items: Data, at=MAIN, tier=Tier.SETTINGS, **more) -> Gateway:
    rules = rules_at(tier, *items, file="ours.yaml", line=3)
    return gateway(at, rules=rules, **{"auth": ON, **more})


def cell(found: Effective, name: str, cls: str = "", source: str = "") -> Cell:
    (one,) = {
        replace(each, source="")
        for each in found.cells
        if each.name == name
        and (not cls or each.cls == cls)
        and (not source or each.source == source)
    }
    return one


def test_a_cell_says_what_happens_by_which_rule():
    found = cell(plan(), "authorization", classes.ANTHROPIC_OAUTH)

    assert (found.verdict, found.rule, found.origin, found.reason) == (
        "forward",
        "litellm_settings.forward_llm_provider_auth_headers",
        "config.yaml:9",
        "narrowest tier",
    )
    elsewhere = cell(plan(), "any other header", classes.ANTHROPIC_OAUTH)
    assert (elsewhere.verdict, elsewhere.rule) == ("strip", "floor.credential-slot")
    assert [each.rule.id for each in elsewhere.over] == [found.rule]


def test_every_class_has_a_cell():
    # Only what a value outside ASCII or a name with `_` is has no name to stand for it.
    assert {each.cls for each in plan().cells} == classes.CLASSES - {classes.AMBIGUOUS}


def test_each_cell_is_what_the_gateway_decides():
    house = house_of(
        {"id": "a", "match": {"header": {"name": "x-f*"}}, "action": "forward"}
    )
    found = effective(facts(), DEVELOPER, house, MAIN)
    assert found is not None

    for each in found.cells:
        if not each.source:
            continue
        name = each.name.replace("*", "something").encode()
        asked = facts((name, b"some-value"))
        (verdict, *_) = decided(asked, house).outcome.verdicts
        assert verdict.action.word == each.verdict.partition(" ")[0], each


def test_names_that_rules_mention_have_cells_of_their_own():
    rule: Data = {
        "id": "a",
        "match": {"header": {"name": ["x-team-*", "x-foo"]}},
        "unless": {"header": {"name": "x-team-b"}},
        "action": "forward",
    }
    found = plan(rule)

    assert cell(found, "x-team-*").verdict == "forward"
    assert cell(found, "x-team-b").verdict == "strip"
    assert cell(found, "x-foo").origin == "ours.yaml:3"
    assert cell(found, "x-*").rule == "default-deny"


def test_a_verdict_says_what_it_drops_and_renames():
    rename: Data = {
        "id": "a",
        "match": {"header": {"name": "x-foo"}},
        "action": {"rename": {"to": "x-bar"}},
    }
    found = plan(rename, packs=DEFAULT_PACKS, at=KEYED)

    assert cell(found, "x-foo").verdict == "rename to x-bar"
    drops = "filter without oauth-*"
    assert cell(found, "anthropic-beta", source="deployment").verdict == drops
    assert cell(found, "anthropic-beta", source="client.oauth").verdict == "forward"


def test_rows_share_a_class_and_a_fate():
    rows = rows_of(plan(packs=DEFAULT_PACKS, at=KEYED).cells)

    (tracing,) = (each for each in rows if each.cell.cls == classes.TRACING)
    assert {"b3", "traceparent", "x-b3-*"} <= set(tracing.names)
    assert (tracing.cell.verdict, tracing.sources) == ("strip", ())
    betas = {
        each.sources: each.cell.verdict
        for each in rows
        if each.names == ("anthropic-beta",)
    }
    assert betas == {
        ("client.oauth",): "forward",
        ("deployment", "client.api_key"): "filter without oauth-*",
    }


def test_offers_say_what_leaves_and_who_pays():
    found = {each.offered: each for each in plan(at=KEYED).offers}

    assert {name: (each.source, each.payer) for name, each in found.items()} == {
        "nothing": ("deployment", "org"),
        "a claude.ai login": ("client.oauth", "subscription"),
        "an Anthropic API key": ("client.api_key", "user-key"),
        "both of these": ("client.oauth", "subscription"),
    }
    assert plan().offers[0].refusal == "credential.missing"


def test_an_openai_key_is_offered_to_openai_only():
    found = {each.offered: each.source for each in plan(at=GPT).offers}

    assert found["an OpenAI API key"] == "client.api_key"
    assert found["a claude.ai login"] == "deployment"


def test_where_every_credential_is_refused_the_cells_are_told_all_the_same():
    found = plan(auth=None)

    assert {each.source for each in found.cells if each.source} == {"none"}
    assert {each.refusal != "" for each in found.offers} == {True}


def test_where_none_is_needed_none_is_a_way_of_its_own():
    policy = CredentialPolicy(on_missing=OnMissing.ANONYMOUS)
    found = plan(credential=policy)

    assert found.policy == policy
    assert "none" in {each.source for each in found.cells}


def test_what_is_put_in_is_told_with_the_credential_beside_it():
    rule: Data = {
        "id": "tag",
        "match": {"credential": "client.oauth"},
        "action": {"inject": {"name": "x-tag", "value": "1"}},
    }
    found = [each for each in plan(rule, at=KEYED).injections if each.name == "x-tag"]

    (one,) = found
    assert (one.source, one.when, one.rule.id) == ("client.oauth", "set", "tag")


def test_rules_about_requests_grants_and_answers_are_told():
    items: list[Data] = [
        {"id": "need", "action": {"require": {"header": "x-foo"}}},
        {"id": "deny", "action": {"deny": {}}},
        {
            "id": "deny-field",
            "match": {"header": {"name": "x-foo"}},
            "action": {"deny": {}},
        },
        {
            "id": "deny-absent",
            "match": {"header": {"name": "x-foo", "present": False}},
            "action": {"deny": {}},
        },
        {"id": "elsewhere", "match": {"team": "other"}, "action": {"deny": {}}},
        {"id": "later", "mode": "shadow", "action": {"deny": {}}},
        {"id": "grant", "action": {"allow_request": ["tracing"]}},
        {
            "id": "back",
            "direction": "response",
            "match": {"header": {"name": "x-back"}},
            "action": "strip",
        },
    ]
    found = plan(*items, at=KEYED)

    assert [each.id for each in found.requests] == ["need", "deny", "deny-absent"]
    assert [each.id for each in found.grants] == ["grant"]
    assert [each.id for each in found.responses] == ["back"]
    assert "x-back" not in {each.name for each in found.cells}


def test_a_shadow_stands_in_its_cell():
    rule: Data = {
        "id": "next",
        "mode": "shadow",
        "match": {"header": {"class": classes.ANTHROPIC_OAUTH}},
        "action": "strip",
    }
    beside: Data = {
        "id": "with-login",
        "match": {"header": {"name": "x-foo"}, "credential": "client.oauth"},
        "action": "forward",
    }
    found = plan(rule, beside)

    shadowed = cell(found, "authorization", classes.ANTHROPIC_OAUTH)
    assert (shadowed.verdict, shadowed.shadow) == ("forward", "strip by next")
    moved = cell(found, "x-foo", source="client.oauth")
    assert moved.shadow == "strip by default-deny"


def test_a_deployment_that_does_not_serve_the_route_has_no_plan():
    assert effective(facts(), DEVELOPER, gateway(GPT), GPT) is None


# Two plans compared


def in_force(*items: Data, **more) -> tuple[Effective, Effective]:
    """Return what holds with *items* in shadow, and with them in force."""
    shadow = plan(*({**each, "mode": "shadow"} for each in items), **more)
    return shadow, plan(*items, **more)


def told(*items: Data, **more) -> list[tuple[str, str, str, str]]:
    return [
        (each.what, each.before, each.after, each.rule)
        for each in changes(*in_force(*items, **more))
    ]


def test_nothing_that_is_the_same_is_told():
    same = plan()

    assert changes(same, same) == ()
    assert told({"id": "a", "match": {"team": "other"}, "action": "strip"}) == []


def test_a_cell_that_changes_is_told_once():
    rule: Data = {
        "id": "a",
        "match": {"header": {"name": "x-foo"}},
        "action": "forward",
    }

    assert told(rule, at=KEYED) == [("x-foo unclassified", "strip", "forward", "a")]


def test_a_credential_that_changes_is_told_with_what_it_means():
    rule: Data = {
        "id": "a",
        "match": {"header": {"class": classes.ANTHROPIC_OAUTH}},
        "action": "strip",
        "lock": True,
    }

    assert told(rule) == [
        (f"authorization {classes.ANTHROPIC_OAUTH}", "forward", "strip", "a"),
        (
            "credential, where the client brings a claude.ai login",
            "client.oauth",
            "refused (credential.not-forwarded)",
            "",
        ),
        (
            "credential, where the client brings both of these",
            "client.oauth",
            "client.api_key",
            "",
        ),
    ]


def test_rules_that_join_are_told():
    items: list[Data] = [
        {"id": "deny", "action": {"deny": {}}},
        {"id": "grant", "action": {"allow_request": ["tracing"]}},
        {"id": "tag", "action": {"inject": {"name": "x-tag", "value": "1"}}},
        {
            "id": "back",
            "direction": "response",
            "match": {"header": {"name": "x-back"}},
            "action": "strip",
        },
    ]

    found = told(*items, at=KEYED)

    assert [
        each for each in found if each[0] in ("request", "x-pass-", "answer", "put in")
    ] == [
        ("request", "nothing", "deny", "deny"),
        ("x-pass-", "nothing", "allow_request", "grant"),
        ("answer", "nothing", "strip", "back"),
        ("put in", "nothing", "inject", "tag"),
    ]


def test_a_cell_that_the_other_plan_has_not_is_no_change():
    before, after = plan(), plan()
    fewer = replace(before, cells=())

    assert changes(fewer, after) == ()


def test_made_up_credentials_are_of_the_class_their_word_says():
    for word, value in PLACEHOLDERS.items():
        cls = classes.find_credential(value.encode())
        assert word == "unknown" or (cls or "").endswith(word)
