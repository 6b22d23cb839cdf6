"""A walk: what is found of a cell is true of every request in it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from byok.core.carriers import CARRIERS
from byok.core.edge import check_edge
from byok.core.errors import Refusal
from byok.core.exchange import Gateway
from byok.core.routing import DeploymentTable
from byok.core.specimens import same_cell
from byok.core.walk import Posed, Subject, Walk, matches_of, touching
from byok.policy.cells import Grid
from byok.policy.plans import Plans, ScopedCredentialPolicy
from tests.core.asking import RELAY, deployment
from tests.policy.rulesets import (
    MORE,
    callers,
    credential_policies,
    rule_sets,
)
from tests.support import keys

TABLE = DeploymentTable(
    [
        deployment("main", group="claude-*", api_key=keys.DEPLOYMENT_KEY),
        deployment("relay", group="gpt-4", origin=RELAY, vouched=()),
        deployment("open", group="*", provider="openai"),
    ]
)
NAMES = (
    b"x-custom",
    b"x-api-key",
    b"authorization",
    b"anthropic-beta",
    b"x_y",
    b"b3",
    b"api-key",
    b"x-litellm-api-key",
    b"x-session-token",
    b"x-forwarded-for",
    b"te",
    b"cookie",
)
VALUES = (
    keys.ANTHROPIC_API_KEY.encode(),
    b"Bearer " + keys.ANTHROPIC_OAUTH.encode(),
    b"Bearer " + keys.OPENAI_API_KEY.encode(),
    b"see " + keys.ANTHROPIC_API_KEY.encode(),
    keys.ANTHROPIC_ADMIN.encode(),
    keys.VIRTUAL_KEY.encode(),
    b"opaque",
    b"oauth-2025,other",
    "\u00fc".encode(),
)
# What is refused at the edge is in no cell: policy never sees it.
fields = st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)).filter(
    lambda field: check_edge((field,), b"") is None
)


def always(_):
    return True


@st.composite
def subjects(draw) -> Subject:
    rules = draw(rule_sets(max_size=4)).read()
    policy = ScopedCredentialPolicy(policy=draw(credential_policies()))
    found = Gateway(table=TABLE, plans=Plans(rules, [policy]))
    return Subject(gateway=found, carriers=CARRIERS)


@MORE
@given(subjects(), callers(), fields, st.data())
def test_the_verdict_on_a_request_is_that_on_the_witness_of_its_cell(
    subject, caller, field, data
):
    # A request that anybody may send, and the place it goes to.
    walk = Walk(subject)
    place = data.draw(st.sampled_from(list(walk.places(apart=True))))
    rules = touching(walk.rules_at(place), always, puts_in=True)
    matches = matches_of(rules)
    contexts = walk.contexts(place, matches)
    models = ("claude-x", "claude-sonnet-4-5", "gpt-4", "other")
    model = data.draw(
        st.sampled_from(
            [
                each
                for each in models
                if (serving := TABLE.find(each))
                and serving.model_group == place.deployment.model_group
            ]
        )
    )
    real = replace(
        contexts[0],
        **{
            name: getattr(caller, name)
            for name in ("key", "key_id", "team", "user", "tags", "auth", "client_ip")
        },
        model=model,
        stream=caller.stream,
    )
    asked = Posed(
        place=place, context=real, headers=(field,), carrier=real.auth, fields=()
    )
    decided = walk.decide(asked).decided
    assert not isinstance(decided, Refusal)

    # Its cell: the context in which the same conditions hold, the field alike.
    grid = Grid(real, (), matches)
    alike = [each for each in contexts if grid.signature(each) == grid.signature(real)]
    patterns = [glob for match in matches for glob in match.header.name]
    cell = same_cell(patterns, subject.gateway.plans.gateway_names)
    wanted = cell(field[0], decided.outcome.kinds[0])
    # Other headers, with the same list of names that rules write.
    found = [
        each
        for each in walk.specimens(rules, always)
        if cell(each.name, each.kind) == wanted
    ]
    assert alike
    assert found
    for context in alike:
        for specimen in found:
            if specimen.beside:
                continue
            witness = Posed(
                place=place,
                context=context,
                headers=((specimen.name, specimen.value),),
                carrier=context.auth or real.auth,
            )
            other = walk.decide(witness).decided
            assert not isinstance(other, Refusal)
            assert _said(other) == _said(decided)


def _said(decided):
    outcome = decided.outcome
    verdict = outcome.verdicts[0]
    return (
        verdict.action,
        verdict.rule and verdict.rule.id,
        verdict.reason,
        verdict.drop,
        outcome.credential.source,
        outcome.credential.denied,
        bool(outcome.credential.removed),
        [each.rule.id for each in outcome.injections],
    )
