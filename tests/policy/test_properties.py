"""The laws of the language, for any rules, any circumstances and any headers."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from byok.policy import classes, names
from byok.policy.classes import classify, holds_gateway_credential
from byok.policy.floor import FLOOR
from byok.policy.outcome import Outcome
from byok.policy.plan import Plan
from byok.policy.rules import LOCKABLE, Action, Tier
from byok.policy.slot import DEPLOYMENT, SOURCES, CredentialPolicy
from byok.policy.tiers import Reason, resolve
from tests.policy import hostile, rulesets
from tests.policy.rulesets import RuleSet

LEAVING = {Action.FORWARD, Action.FILTER, Action.RENAME}
SECRETS = (hostile.GATEWAY_KEY, hostile.SHORT_KEY)

# Cookies are not among them: the base pack locks these, not the floor.
_STAYING = {
    classes.GATEWAY,
    classes.GATEWAY_CONTROL,
    classes.FRAMING,
    classes.HOP_BY_HOP,
    classes.AMBIGUOUS,
}

headers = hostile.headers(*SECRETS)
sources = st.sampled_from([None, "none", *SOURCES])


@st.composite
def fields(draw):
    """Draw the name and kind of one field."""
    name = draw(st.sampled_from(hostile.HEADER_NAMES))
    return name, classify(name, draw(hostile.values(*SECRETS)), gateway_secrets=SECRETS)


def outcome_of(
    ruleset: RuleSet,
    context=rulesets.PLAIN,
    fields=(),
    policy: CredentialPolicy | None = None,
) -> Outcome:
    plan = Plan(context, ruleset.read(), policy or CredentialPolicy())
    return plan.apply(fields, gateway_secrets=SECRETS)


@given(rulesets.rule_sets(), rulesets.contexts(), headers, st.randoms())
@rulesets.FEW
def test_order_free(ruleset, context, fields, random):
    """Shuffling rules and documents changes nothing, not even the order of fields."""
    shuffled = list(ruleset.items)
    random.shuffle(shuffled)

    first = outcome_of(ruleset, context, fields)
    second = outcome_of(RuleSet(tuple(shuffled)), context, fields)

    assert first == second


@given(rulesets.rule_sets(), rulesets.contexts(), fields(), sources)
@rulesets.FEW
def test_floor_supreme(ruleset, context, field, source):
    """Where the floor speaks, its word is the verdict, whatever is written."""
    name, kind = field
    floor = [
        rule for rule in FLOOR if rule.match.holds(name.decode(), kind, context, source)
    ]

    verdict = Plan(context, ruleset.read(), CredentialPolicy()).judge(
        name, kind, source
    )

    if floor:
        worst = max(floor, key=lambda rule: rule.action.severity)
        assert verdict.reason is Reason.FLOOR
        assert verdict.action is worst.action
        assert verdict.rule is not None
        assert verdict.rule.tier is Tier.FLOOR
    assert all(rule.action in {Action.STRIP, Action.DENY} for rule in floor)


@given(
    rulesets.rule_sets(),
    rulesets.rules(99, words=("strip", "redact", "deny")),
    st.sampled_from(rulesets.LOCKING),
    rulesets.contexts(),
    fields(),
    sources,
)
@rulesets.FEW
def test_lock_monotone(  # noqa: PLR0917 - hypothesis passes by position
    ruleset, item, tier, context, field, source
):
    """Adding a lock never lets out what stayed."""
    name, kind = field
    locked = RuleSet((*ruleset.items, (tier, {**item, "lock": True})))

    before = Plan(context, ruleset.read(), CredentialPolicy())
    after = Plan(context, locked.read(), CredentialPolicy())

    assert all(rule.action in LOCKABLE for rule in locked.read() if rule.lock)
    if before.judge(name, kind, source).action not in LEAVING:
        assert after.judge(name, kind, source).action not in LEAVING


@given(
    rulesets.rule_sets(),
    rulesets.rules(99, words=("strip", "redact", "inject", "deny", "require")),
    st.sampled_from(rulesets.LOCKING),
    rulesets.contexts(),
    st.sampled_from(hostile.HEADER_NAMES),
)
@rulesets.MORE
def test_no_lock_lets_out_a_field_that_stayed(ruleset, item, tier, context, name):
    """Whatever is locked: what a request of one field says does not leave by it."""
    inject = item["action"].get("inject") if isinstance(item["action"], dict) else None
    lock = {**item, "lock": inject is None or inject["when"] == "set"}
    locked = RuleSet((*ruleset.items, (tier, lock)))
    head = ((name, b"what the field says"),)

    def leaves(rules: RuleSet) -> bool:
        outcome = Plan(context, rules.read(), CredentialPolicy()).apply(head)
        said = any(value == head[0][1] for _, value in outcome.sends)
        return said and outcome.denied is None

    if lock["lock"] and not leaves(ruleset):
        assert not leaves(locked)


@given(
    rulesets.rule_sets(),
    rulesets.rules(99, words=("strip", "redact", "deny")),
    rulesets.contexts(),
    fields(),
    sources,
)
@rulesets.FEW
def test_restrict_monotone(ruleset, item, context, field, source):
    """A restricting rule in the tier that decides lets out nothing that stayed."""
    name, kind = field
    verdict = Plan(context, ruleset.read(), CredentialPolicy()).judge(
        name, kind, source
    )
    decides = verdict.rule.tier if verdict.rule else Tier.PACK
    tier = Tier.PACK if decides is Tier.FLOOR else decides
    more = RuleSet((*ruleset.items, (tier, rulesets.may_stand_in(tier, item))))

    after = Plan(context, more.read(), CredentialPolicy()).judge(name, kind, source)

    if verdict.action not in LEAVING:
        assert after.action not in LEAVING


@given(
    rulesets.rule_sets(),
    rulesets.contexts(),
    st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from(hostile.HEADER_NAMES),
                st.binary(min_size=1, max_size=12),
            ),
            st.one_of(hostile.values(*SECRETS), st.binary(max_size=20)),
        ),
        max_size=6,
    ).map(tuple),
    rulesets.credential_policies(),
    st.frozensets(st.sampled_from(hostile.HEADER_NAMES), max_size=3),
)
@rulesets.FEW
def test_total(ruleset, context, fields, policy, nominated):
    """Every request gets one verdict and one reason for each field, and no error."""
    outcome = Plan(context, ruleset.read(), policy).apply(
        fields, gateway_secrets=SECRETS, nominated=nominated
    )

    assert len(outcome.verdicts) == len(outcome.kinds) == len(fields)
    for each in outcome.decisions:
        assert each.verdict.action not in {Action.INJECT, Action.REQUIRE}
        assert (each.verdict.rule is None) == (each.verdict.reason is Reason.DEFAULT)
    assert outcome.credential.source in {*SOURCES, "none"}
    assert outcome.credential.payer in {"org", "user-key", "subscription"}


@given(
    rulesets.rule_sets(),
    rulesets.contexts(),
    headers,
    rulesets.credential_policies(),
)
@rulesets.MORE
def test_single_credential(ruleset, context, fields, policy):
    """One provider credential leaves at most, and none beside the deployment's."""
    outcome = outcome_of(ruleset, context, fields, policy)

    credentials = [
        field for field in outcome.sends if classify(*field).is_provider_credential
    ]
    slots = [
        name
        for name, _ in outcome.sends
        if name in names.AMBIGUOUS_CREDENTIALS | names.NAMED_CREDENTIALS.keys()
    ]
    assert len(credentials) <= 1
    assert len(slots) == len(credentials)
    if credentials:
        chosen = fields[outcome.credential.index]
        assert credentials == [chosen]
        assert outcome.credential.source != DEPLOYMENT
        # It goes only where it is trusted, and in the slot it is read from.
        kind = classify(*chosen)
        assert kind.cls in context.trusted
        assert kind.own_slot


@given(
    rulesets.rule_sets(),
    rulesets.contexts(),
    headers,
    rulesets.credential_policies(),
)
@rulesets.MORE
def test_no_gateway_out(ruleset, context, fields, policy):
    """The gateway's key is nowhere in what leaves, however it was dressed."""
    outcome = outcome_of(ruleset, context, fields, policy)

    for name, value in outcome.sends:
        assert hostile.GATEWAY_KEY not in value
        assert not holds_gateway_credential(value, SECRETS)
        assert classes.class_of_name(name) not in _STAYING


@given(rulesets.rule_sets(), rulesets.contexts(), headers, headers)
@example(  # an opaque key that is one word, and one that is not
    RuleSet((rulesets.GENEROUS,)),
    replace(rulesets.PLAIN, trusted=frozenset({classes.UNKNOWN_CREDENTIAL})),
    ((b"x-api-key", b"opaque"),),
    ((b"x-api-key", b"two words"),),
)
@example(  # the same field beside a login and without one
    RuleSet((rulesets.GENEROUS, rulesets.BESIDE_A_LOGIN)),
    rulesets.PLAIN,
    ((b"x-custom", b"1"), (b"authorization", b"Bearer sk-ant-oat01-1")),
    ((b"x-custom", b"1"),),
)
@rulesets.FEW
def test_a_plan_remembers_nothing_of_former_requests(ruleset, context, before, now):
    """What a plan has met before does not change what it decides now."""
    plan = Plan(context, ruleset.read(), CredentialPolicy())
    plan.apply(before, gateway_secrets=SECRETS)

    assert plan.apply(now, gateway_secrets=SECRETS) == outcome_of(ruleset, context, now)


@given(st.data())
@rulesets.FEW
def test_resolving_does_not_depend_on_order(data):
    """The resolver alone, on rules that all match."""
    rules = data.draw(rulesets.rule_sets()).read()
    shuffled = data.draw(st.permutations(rules))

    assert resolve(rules) == resolve(shuffled)


@given(rulesets.rule_sets(words=("strip", "deny", "redact")), headers)
@rulesets.FEW
def test_rules_that_only_restrict_let_nothing_out(ruleset, fields):
    """Nothing said means no: without a forward only placeholders leave."""
    outcome = outcome_of(
        RuleSet(tuple(each for each in ruleset.items if each[1]["id"][0] == "r")),
        replace(rulesets.PLAIN, deployment_key=True),
        fields,
    )

    assert all(value == b"[redacted]" for _, value in outcome.sends)
