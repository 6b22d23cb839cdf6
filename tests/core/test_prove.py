"""Each property: a gateway of which it is true, and one of which it is not."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from byok.core.carriers import CARRIERS
from byok.core.counterexample import command, command_with_file, raw
from byok.core.exchange import Caller, Decided, Gateway, decide, lay_out
from byok.core.keys import VirtualKey
from byok.core.prove import PROPERTIES, Question, Status, prove
from byok.core.providers import Origin
from byok.core.routing import DeploymentTable
from byok.core.secret import Secret
from byok.core.specimens import GATEWAY_KEY
from byok.core.walk import Subject, Walk
from byok.policy import classes, floor, plan
from byok.policy.assertions import Assertion, read_assertions
from byok.policy.declared import ClassTable, DeclaredName
from byok.policy.match import Glob
from byok.policy.outcome import Headers
from byok.policy.plans import Plans
from byok.policy.rules import Tier, Where
from byok.policy.slot import CredentialPolicy, OnMissing
from tests.core import asking
from tests.core.asking import RELAY, deployment, gateway, rules_at, switches
from tests.policy.rulesets import rule_sets
from tests.support import keys

KEYLESS = deployment()
SHARED = deployment("shared", group="shared", api_key=keys.DEPLOYMENT_KEY)
RELAYED = deployment("relay", group="relay", origin=RELAY, api_key=keys.DEPLOYMENT_KEY)
CLEAR = Origin(scheme="http", host="plain.example.net", port=80)
OWN_KEYS = switches(litellm_settings=True)
TRACES = {"header": {"class": "tracing"}}


def subject(*deployments, rules=(), auth=OWN_KEYS, records=(), **more) -> Subject:
    found = gateway(*deployments, rules=rules, auth=auth, packs=("base",), **more)
    return Subject(gateway=found, carriers=CARRIERS, records=tuple(records))


def proof(name, about, *, against=None, assertions=(), limit=200_000):
    (wanted,) = [each for each in PROPERTIES if each.id == name]
    question = Question(subject=about, against=against, assertions=tuple(assertions))
    return prove(wanted, question, limit=limit)


def messages(found):
    return [each.message for each in found.counterexamples]


def rule(tier=Tier.SETTINGS, **data):
    return rules_at(tier, {"id": "r", **data})


# P1


def test_credentials_are_confined_whatever_rules_say():
    everything = rule(Tier.KEY, action="forward")

    found = proof("P1", subject(KEYLESS, RELAYED, rules=everything))

    assert (found.status, found.note) == (Status.PASS, "")
    assert found.cells > 100


def test_without_the_floor_credentials_are_not_confined(monkeypatch):
    monkeypatch.setattr(plan, "FLOOR", ())

    found = proof("P1", subject(RELAYED))

    assert found.status is Status.FAIL
    assert (
        "credential.provider.anthropic.oauth in x-custom is sent to"
        " https://relay.example.net, which is not trusted for it"
    ) in messages(found)
    first = found.counterexamples[0]
    assert first.rule is not None
    assert str(first.rule.where) == "config.yaml:9"
    assert len(first.request.fields) == 1


# P2


def test_gateway_credentials_stay_here_whatever_rules_say():
    everything = rule(Tier.KEY, action="forward")

    assert proof("P2", subject(rules=everything)).status is Status.PASS


def test_without_its_rule_of_the_floor_a_gateway_credential_leaves(monkeypatch):
    rest = [each for each in floor.FLOOR if each.id != floor.GATEWAY_CREDENTIAL]
    monkeypatch.setattr(plan, "FLOOR", tuple(rest))
    everything = rule(Tier.KEY, action="forward")

    found = proof("P2", subject(rules=everything))

    assert found.status is Status.FAIL
    assert messages(found)[0].startswith("a gateway credential leaves in")


# P3


def test_one_credential_leaves_for_every_set_that_comes():
    assert proof("P3", subject(KEYLESS, SHARED)).status is Status.PASS


def test_if_those_not_chosen_stayed_two_would_leave(monkeypatch):
    monkeypatch.setattr(plan, "_not_chosen", lambda verdict: verdict)

    found = proof("P3", subject(KEYLESS))

    assert found.status is Status.FAIL
    assert "credentials leave together: authorization, x-api-key" in messages(found)


# P4


def test_keys_for_those_who_bring_their_own_spend_no_other():
    found = proof("P4", subject(SHARED, RELAYED))

    assert found.status is Status.PASS
    assert found.cells > 0


def test_where_no_rule_says_so_the_shared_key_is_spent():
    about = subject(SHARED)
    rules = [r for r in about.gateway.plans.rules if r.id != "base.byok-only"]
    without = replace(about, gateway=replace(about.gateway, plans=Plans(rules)))

    found = proof("P4", without)

    assert found.status is Status.FAIL
    assert messages(found) == ["a key tagged byok-only spends the api_key of shared"]
    assert found.counterexamples[0].request.context.tags == {"byok-only"}


def test_a_field_that_is_required_is_brought_along():
    about = subject(SHARED)
    rules = [r for r in about.gateway.plans.rules if r.id != "base.byok-only"]
    need = rule(action={"require": {"header": "x-session"}})
    asks = rules_at(
        Tier.SETTINGS,
        {
            "id": "s",
            "match": {"header": {"name": "x-app", "present": False}},
            "action": {"deny": {}},
        },
    )
    without = replace(
        about, gateway=replace(about.gateway, plans=Plans([*rules, *need, *asks]))
    )

    found = proof("P4", without)

    (only,) = found.counterexamples
    assert {each.name for each in only.request.fields} == {b"x-session", b"x-app"}


def test_a_refusal_that_nothing_cures_is_one():
    about = subject(SHARED)
    rules = [r for r in about.gateway.plans.rules if r.id != "base.byok-only"]
    need = rules_at(
        Tier.SETTINGS, {"id": "n", "action": {"require": {"header": "x-session"}}}
    )
    no = rules_at(
        Tier.SETTINGS,
        {
            "id": "d",
            "match": {"header": {"name": "x-session"}},
            "action": {"deny": {}},
        },
    )
    never = Plans([*rules, *need, *no])

    found = proof("P4", replace(about, gateway=replace(about.gateway, plans=never)))

    assert found.status is Status.PASS


def test_more_fields_than_can_be_tried_together_are_not_settled():
    needs = rules_at(
        Tier.SETTINGS,
        *(
            {"id": f"n{at}", "action": {"require": {"header": f"x-need-{at}"}}}
            for at in range(8)
        ),
    )

    found = proof("P2", subject(SHARED, rules=needs))

    assert found.status is Status.UNSETTLED


def test_where_there_is_no_shared_key_there_is_none_to_spend():
    found = proof("P4", subject(KEYLESS))

    assert (found.status, found.cells) == (Status.PASS, 0)
    assert found.note == "no deployment has an api_key"


def test_a_key_that_is_not_tagged_so_may_spend_it():
    own = [{"id": "t", "match": TRACES, "action": "forward"}]
    about = subject(SHARED, records=[record(metadata={"policies": own})])

    assert proof("P4", about).status is Status.PASS


@pytest.mark.parametrize("name", ["P1", "P2", "P3", "P4", "P5", "P6"])
def test_a_header_that_holds_the_gateway_key_holds_no_other(name):
    rules = rules_at(
        Tier.TEAM,
        {"id": "a", "match": {"auth": "authorization", **TRACES}, "action": "forward"},
    )
    about = subject(SHARED, rules=rules)

    found = proof(name, about, against=about)

    # A rule of the tier team without a team changes what others send.
    assert found.status is (Status.FAIL if name == "P5" else Status.PASS)


def test_a_name_that_no_header_can_have_is_passed_over():
    odd = rule(match={"header": {"name": ["x y", "x-a"]}}, action="forward")

    found = proof("P8", subject(rules=odd), assertions=[assertion(send="unclassified")])

    (only,) = found.counterexamples
    assert only.request.fields[0].name == b"x-a"


def test_a_field_that_cannot_come_cures_nothing():
    need = rule(
        match={"header": {"name": "x-a", "class": "tracing", "present": False}},
        action={"deny": {}},
    )

    found = proof("P8", subject(rules=need), assertions=[assertion(send="protocol")])

    assert found.status is Status.PASS


# P5

OWN = {"id": "own", "match": {"team": "red", **TRACES}, "action": "forward"}


def test_the_rules_of_a_team_are_its_own():
    rules = rules_at(Tier.TEAM, OWN, namespace="red")

    found = proof("P5", subject(rules=rules))

    assert found.status is Status.PASS
    assert proof("P5", subject()).note == "no team has rules"


@pytest.mark.parametrize(
    "stray",
    [
        {"id": "stray", "match": TRACES, "action": "forward"},
        {"id": "stray", "action": {"deny": {}}},
        {"id": "stray", "action": {"require": {"header": "x-need"}}},
        {"id": "stray", "action": {"inject": {"name": "x-a", "value": "1"}}},
        {
            "id": "stray",
            "match": {"header": {"class": "credential.provider.*"}},
            "action": "strip",
        },
    ],
)
def test_a_rule_that_names_no_team_is_everybodys(stray):
    rules = rules_at(Tier.TEAM, OWN, stray, namespace="red")

    found = proof("P5", subject(rules=rules))

    assert found.status is Status.FAIL
    assert messages(found)[0] == (
        "rules of red change what becomes of a request of no team"
    )
    assert found.counterexamples[0].rule.id == "red.stray"


# P6


def test_nothing_is_wider_than_itself():
    about = subject(KEYLESS, SHARED, rules=rules_at(Tier.TEAM, OWN))

    found = proof("P6", about, against=about)

    assert found.status is Status.PASS
    assert proof("P6", about).note.startswith("nothing to compare with")


FORWARDED = {"id": "t", "match": TRACES, "action": "forward"}
SHADOWED = {**FORWARDED, "mode": "shadow"}
NEED = {"id": "n", "action": {"require": {"header": "x-need"}}}
FILTERED = {
    "id": "f",
    "match": {"header": {"name": "anthropic-beta"}},
    "action": {"filter": {"drop": ["a-*"]}},
}


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ([FORWARDED], [], "tracing in traceparent goes to"),
        ([FORWARDED], [SHADOWED], "tracing in traceparent goes to"),
        ([], [NEED], "a request that was refused (n) goes to"),
        ([], [FILTERED], "protocol in anthropic-beta goes to"),
        ([FORWARDED, NEED], [NEED], "tracing in traceparent goes to"),
    ],
)
def test_what_may_leave_anew_is_named(now, before, said):
    new = subject(rules=rules_at(Tier.SETTINGS, *now))
    old = subject(rules=rules_at(Tier.SETTINGS, *before, line=7))

    found = proof("P6", new, against=old)

    assert found.status is Status.FAIL
    assert messages(found)[0].startswith(said)
    assert proof("P6", old, against=new).status is Status.PASS


@pytest.mark.parametrize(
    ("new", "old", "said"),
    [
        (
            subject(KEYLESS, SHARED),
            subject(KEYLESS),
            "a request that was refused (route.unknown-model) goes to",
        ),
        (
            subject(deployment(origin=RELAY, api_key=keys.DEPLOYMENT_KEY)),
            subject(deployment(api_key=keys.DEPLOYMENT_KEY)),
            "a request that went to https://api.anthropic.com goes to https://relay",
        ),
        (
            subject(deployment(api_key=keys.DEPLOYMENT_KEY)),
            subject(KEYLESS),
            "a request that was refused (credential.missing) goes to",
        ),
        (
            subject(
                deployment(api_key=keys.DEPLOYMENT_KEY),
                credential=CredentialPolicy(order=("deployment", "client.api_key")),
            ),
            subject(
                deployment(api_key=keys.DEPLOYMENT_KEY),
                credential=CredentialPolicy(order=("client.api_key", "deployment")),
            ),
            "the api_key of anthropic-main is spent where it was not",
        ),
    ],
)
def test_other_deployments_may_be_wider_too(new, old, said):
    found = proof("P6", new, against=old)

    assert found.status is Status.FAIL
    assert any(each.startswith(said) for each in messages(found)), messages(found)


def test_a_secret_that_is_put_in_anew_is_named():
    secret = {
        "id": "s",
        "action": {"inject": {"name": "x-corp", "secret": "os.environ/CORP"}},
    }
    (one,) = rules_at(Tier.MODEL, secret, deployment_name="anthropic-main")
    assert one.inject is not None
    filled = replace(one, inject=replace(one.inject, value=b"corp"))

    found = proof("P6", subject(rules=[filled]), against=subject())

    assert messages(found) == [
        "a secret of the operator goes to https://api.anthropic.com"
    ]
    plain = rule(action={"inject": {"name": "x-b", "value": "1"}})
    assert proof("P6", subject(rules=plain), against=subject()).status is Status.PASS
    both = subject(rules=[filled, *plain])
    assert proof("P6", both, against=both).status is Status.PASS


# P6 on the way back


def on_answers(action, name="x-account", **more):
    header = {"header": {"name": name}} if name else {}
    item = {"id": "a", "direction": "response", "action": action, **more}
    return {**item, "match": {**more.get("match", {}), **header}}


HIDDEN = on_answers("strip")
MORE_MAIN = deployment(api_key=keys.DEPLOYMENT_KEY)


def shows(now, before, *, deployments=(MORE_MAIN,), **more):
    """Return what answers show by the rules *now* and did not *before*."""
    new = subject(*deployments, rules=rules_at(Tier.SETTINGS, *now), **more)
    old = subject(*deployments, rules=rules_at(Tier.SETTINGS, *before), **more)
    found = proof("P6", new, against=old)
    assert (found.status is Status.PASS) == (not found.counterexamples)
    assert all(each.answer for each in found.counterexamples)
    return messages(found)


GOES_BACK = "x-account of an answer goes back and stayed here"


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ([], [HIDDEN], [GOES_BACK]),
        ([{**HIDDEN, "mode": "shadow"}], [HIDDEN], [GOES_BACK]),
        ([], [on_answers("redact")], [GOES_BACK]),
        ([on_answers({"rename": {"to": "x-b"}})], [HIDDEN], [GOES_BACK]),
        (
            [{**HIDDEN, "match": {**HIDDEN["match"], "team": "a"}}],
            [HIDDEN],
            [GOES_BACK],
        ),
        ([HIDDEN], [], []),
        ([HIDDEN], [HIDDEN], []),
        ([on_answers("redact")], [HIDDEN], []),
        # Renamed it was there as well.
        ([], [on_answers({"rename": {"to": "x-b"}})], []),
        # What never goes back where the organisation pays is kept by no rule.
        ([], [on_answers("strip", "anthropic-organization-id")], []),
        ([], [on_answers("strip", "set-cookie")], []),
        # Where the client pays the answer is the client's.
        ([], [on_answers("strip", match={"credential": "client.*"})], []),
        ([on_answers({"inject": {"name": "x-a", "value": "1"}}, "")], [], []),
    ],
)
def test_what_an_answer_shows_anew_is_named_where_the_organisation_pays(
    now, before, said
):
    assert shows(now, before) == said


def test_without_a_key_of_the_organisation_nobody_pays_but_the_client():
    assert shows([], [HIDDEN], deployments=(KEYLESS,)) == []
    anonymous = CredentialPolicy(on_missing=OnMissing.ANONYMOUS)
    found = shows([], [HIDDEN], deployments=(KEYLESS,), credential=anonymous)
    assert found == [GOES_BACK]
    own = CredentialPolicy(order=("client.api_key",))
    assert shows([], [HIDDEN], credential=own) == []


def test_what_an_answer_shows_anew_can_be_tried():
    new = subject(MORE_MAIN)
    old = subject(MORE_MAIN, rules=rules_at(Tier.SETTINGS, HIDDEN))
    (one,) = proof("P6", new, against=old).counterexamples

    line = command(one.request, new, "c.yaml", one.answer)
    from_file = command_with_file(one.request, new, "c.yaml", "r.http", one.answer)

    assert one.answer == b"x-account"
    assert line.endswith("--answer-header 'x-account: 1'")
    assert from_file.endswith("--request r.http --answer-header 'x-account: 1'")


def test_an_answer_that_there_was_not_is_told_of_the_request():
    new = subject(MORE_MAIN, SHARED, rules=rules_at(Tier.SETTINGS, HIDDEN))
    old = subject(MORE_MAIN, rules=rules_at(Tier.SETTINGS, HIDDEN))

    found = proof("P6", new, against=old)

    assert not any(each.answer for each in found.counterexamples)
    assert found.status is Status.FAIL


def test_what_was_declared_to_stay_and_is_no_more_goes_back_anew():
    stays = on_answers("strip", "", match={"header": {"class": "tracing"}})
    rules = rules_at(Tier.SETTINGS, stays)
    table = ClassTable([DeclaredName(name=Glob("x-our-*"), cls=classes.TRACING)])
    old = subject(MORE_MAIN, rules=rules, class_table=table)
    new = subject(MORE_MAIN, rules=rules)

    (said,) = messages(proof("P6", new, against=old))

    assert said.startswith("x-our-")
    assert said.endswith("of an answer goes back and stayed here")
    assert messages(proof("P6", old, against=new)) == []


def test_answers_count_as_cells():
    about = subject(MORE_MAIN, rules=rules_at(Tier.SETTINGS, HIDDEN))
    whole = proof("P6", about, against=about)

    assert proof("P6", about, against=about, limit=whole.cells - 1).status is (
        Status.UNSETTLED
    )


# P7


def test_nothing_goes_in_the_clear():
    found = proof("P7", subject(deployment(origin=CLEAR)))

    assert (found.status, found.note) == (Status.PASS, "")
    assert found.cells > 0
    assert proof("P7", subject()).note == "every deployment is reached by https"


def test_without_the_floor_a_token_would_go_in_the_clear(monkeypatch):
    monkeypatch.setattr(floor, "OTHERS_IN_THE_CLEAR", floor.FLOOR[0])
    tokens = rule(action="forward", match={"header": {"class": "credential.other"}})
    policy = CredentialPolicy(on_missing=asking_anonymous())
    about = subject(deployment(origin=CLEAR), rules=tokens, credential=policy)

    found = proof("P7", about)

    assert found.status is Status.FAIL
    assert (
        "http://plain.example.net in the clear, in x-auth-token" in messages(found)[0]
    )


def asking_anonymous() -> OnMissing:
    return OnMissing.ANONYMOUS


def test_loopback_that_is_declared_is_not_in_the_clear():
    local = deployment(origin=asking.LOOPBACK, plaintext_ok=True)

    assert proof("P7", subject(local)).cells == 0


# P8


def assertion(**never) -> Assertion:
    data = {"metadata": {"name": "p"}, "assert": [{"id": "a", "never": never}]}
    (found,), problems = read_assertions(
        data, locate=lambda path: Where(file="p.yaml", line=3)
    )
    assert problems == ()
    return found


HELD = [
    {"send": "tracing", "to": "*.example.net"},
    {"send": "credential.provider.anthropic.*", "to": "relay.example.net"},
    {"send": "credential.*", "when": {"credential": "none"}},
    {"send": "*", "to": "nobody.example"},
]
BROKEN = [
    ({"send": "protocol"}, "protocol in"),
    ({"send": "protocol", "when": {"credential": "deployment"}}, "protocol in"),
    ({"send": "credential.provider.*"}, "credential.provider.anthropic"),
    ({"send": "*.oauth", "when": {"team": ["red"]}}, "credential.provider.anthropic"),
    ({"send": "tracing", "when": {"header": {"name": "b3"}}}, "tracing in b3"),
]


@pytest.mark.parametrize("never", HELD)
def test_an_assertion_that_holds_is_proved(never):
    about = subject(KEYLESS, RELAYED)

    found = proof("P8", about, assertions=[assertion(**never)])

    assert found.status is Status.PASS


@pytest.mark.parametrize(("never", "said"), BROKEN)
def test_an_assertion_that_does_not_hold_is_refuted(never, said):
    rules = rule(match={"team": "red", **TRACES}, action="forward")
    about = subject(KEYLESS, SHARED, rules=rules)

    found = proof("P8", about, assertions=[assertion(**never)])

    assert found.status is Status.FAIL
    assert messages(found)[0].startswith(f"p.a (p.yaml:3): {said}")
    assert proof("P8", about).note == "no policy file has an assert block"


# The limit


def test_what_cannot_be_tried_leaves_a_property_unsettled(monkeypatch):
    monkeypatch.setattr(
        classes, "CLASSES", classes.CLASSES | {"credential.provider.new.api_key"}
    )

    found = proof("P1", subject())

    assert found.status is Status.UNSETTLED
    assert found.note == (
        "no field can be made up of the class credential.provider.new.api_key"
    )


def test_what_the_limit_cuts_short_is_not_settled():
    found = proof("P1", subject(), limit=10)

    assert found.status is Status.UNSETTLED
    assert found.note == "more than 10 cells; raise the limit with --cells"


# Keys with rules of their own, and gateways without keys


def record(**more) -> VirtualKey:
    return VirtualKey(
        token_id="key_" + "A" * 22,
        digest=b"d",
        pepper_id="p",
        key_name="sk-...",
        created_at=1.0,
        updated_at=1.0,
        key_alias="alice",
        team_id="red",
        **more,
    )


def test_a_keys_own_rules_are_walked_over_too():
    own = [{"id": "t", "match": TRACES, "action": "forward"}]
    about = subject(records=[record(metadata={"policies": own})])

    found = proof("P8", about, assertions=[assertion(send="tracing")])

    (only,) = found.counterexamples
    assert only.request.place.record.key_alias == "alice"
    assert "--key alice" in command(only.request, about, "config.yaml")
    assert "--team" not in command(only.request, about, "config.yaml")


def test_a_key_that_opens_no_such_model_sends_nothing():
    own = [{"id": "t", "match": TRACES, "action": "forward"}]
    about = subject(records=[record(metadata={"policies": own}, models=("other",))])

    assert proof("P8", about, assertions=[assertion(send="tracing")]).status is (
        Status.PASS
    )


def test_a_single_user_brings_no_gateway_key():
    about = replace(subject(auth=OWN_KEYS), single_user=True)

    found = proof("P8", about, assertions=[assertion(send="*.oauth")])

    line = command(found.counterexamples[0].request, about, "c.yaml")
    assert "--key" not in line
    assert "<gateway>" not in line
    assert proof("P1", about).status is Status.PASS


def test_a_deployment_that_nobody_can_ask_for_is_not_walked_over():
    hidden = deployment("second", group="")
    about = subject(KEYLESS, hidden)

    assert proof("P1", about).status is Status.PASS


def test_a_provider_that_is_not_served_is_not_walked_over():
    about = subject(KEYLESS, replace(KEYLESS, name="x", provider="bedrock"))

    assert {each.deployment.name for each in Walk(about).places(apart=True)} == {
        "anthropic-main"
    }


# Counterexamples, as they are shown


def test_a_counterexample_is_a_command_and_a_file():
    rules = rule(
        match={
            "team": "red",
            "user": "ann",
            "stream": True,
            "tags": {"all": ["a"]},
            "client_ip": "10.0.0.0/8",
            "route": "/v1/chat/completions",
            **TRACES,
        },
        action="forward",
    )
    again = deployment("again", api_key=keys.DEPLOYMENT_KEY)
    about = subject(KEYLESS, again, rules=rules)

    found = proof("P8", about, assertions=[assertion(send="tracing")])

    (last,) = [
        each.request
        for each in found.counterexamples
        if each.request.place.deployment is again
    ]
    line = command(last, about, "config.yaml")
    for part in (
        "byok explain-request -c config.yaml --key any-key --team red --user ann",
        "--tag a",
        "--client-ip 10.0.0.0",
        "--deployment again",
        "--route /v1/chat/completions",
        "--stream",
        "-H 'x-litellm-api-key: <gateway>'",
    ):
        assert part in line
    assert command_with_file(last, about, "c.yaml", "r.http").endswith(
        "--deployment again --request r.http"
    )
    head, _, body = raw(last).partition("\n\n")
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\nx-litellm-api-key: ")
    assert '"stream": true' in body


# Soundness: what a request refutes is never proved

DEPLOYMENTS = (
    deployment("main", group="claude-*", api_key=keys.DEPLOYMENT_KEY),
    deployment("relay", group="gpt-4", origin=RELAY),
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-custom", b"plain"),
    (b"x-new", b"plain"),
    (b"traceparent", b"00-1"),
    (b"anthropic-beta", b"oauth-2025,other"),
    (b"x-api-key", keys.ANTHROPIC_API_KEY.encode()),
    (b"authorization", b"Bearer " + keys.ANTHROPIC_OAUTH.encode()),
    (b"x-pass-x-new", b"plain"),
)


@st.composite
def asked(draw):
    caller = Caller(
        key_id="key_" + "1" * 22,
        alias=draw(st.sampled_from(["dev-laptop", "ops"])),
        carrier="x-litellm-api-key",
        secret=Secret(GATEWAY_KEY),
        team=draw(st.sampled_from(["growth", ""])),
        user=draw(st.sampled_from(["ann", "bob"])),
        tags=draw(st.sets(st.sampled_from(["blue", "red"])).map(frozenset)),
    )
    some = draw(st.sets(st.sampled_from(HEADERS), max_size=4))
    headers: Headers = (
        (b"x-litellm-api-key", GATEWAY_KEY.encode()),
        *sorted(some),
    )
    facts = asking.facts(
        *headers,
        model=draw(st.sampled_from(["claude-sonnet-4-5", "claude-x", "gpt-4"])),
        client_ip=draw(st.sampled_from(["10.1.2.3", "::1"])),
    )
    return facts, caller


def sent_by(about: Gateway, request):
    facts, caller = request
    decided = decide(facts, caller, about)
    assert isinstance(decided, Decided)
    if decided.refusal is not None:
        return decided, ()
    return decided, lay_out(facts, decided).headers


def subject_of(rules) -> Subject:
    found = Gateway(table=DeploymentTable(DEPLOYMENTS), plans=Plans(rules))
    return Subject(gateway=found, carriers=CARRIERS)


SLOW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@SLOW
@given(rule_sets(max_size=3), st.lists(asked(), min_size=15, max_size=15))
def test_what_a_request_refutes_is_not_proved(rules, requests):
    about = subject_of(rules.read())
    refuted = set()
    for request in requests:
        decided, sent = sent_by(about.gateway, request)
        values = {value for _, value in sent}
        for kind, (_, value) in zip(
            decided.outcome.kinds, decided.outcome.headers, strict=True
        ):
            if value in values and value not in {b"plain", b"1"}:
                refuted.add(kind.cls)

    for cls in sorted(refuted):
        said = Assertion(id="a", send=(Glob(cls),))
        assert proof("P8", about, assertions=[said]).status is Status.FAIL


@SLOW
@given(
    rule_sets(max_size=2),
    rule_sets(max_size=2),
    st.lists(asked(), min_size=15, max_size=15),
)
def test_what_a_request_shows_to_be_wider_is_not_proved(new, old, requests):
    one, other = subject_of(new.read()), subject_of(old.read())
    wider = False
    for request in requests:
        _, now = sent_by(one.gateway, request)
        decided, before = sent_by(other.gateway, request)
        brought = {value for _, value in request[0].headers} - {b"plain"}
        left = {value for _, value in now} & brought
        wider = wider or bool(left - {value for _, value in before})
        wider = wider or (bool(now) and decided.refusal is not None)

    if wider:
        assert proof("P6", one, against=other).status is Status.FAIL
