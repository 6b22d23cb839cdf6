"""What the decision lets out, the last check before the wire lets pass."""

from hypothesis import example, given
from hypothesis import strategies as st

from byok.core.edge import check_edge
from byok.core.exchange import Decided, decide, gateway_secrets, lay_out
from byok.core.routes import CHAT_COMPLETIONS, MESSAGES
from byok.policy.slot import CredentialPolicy, OnMissing
from byok.upstream.guard import Passport, check
from byok.upstream.outgoing import prepare
from tests.core import asking
from tests.core.asking import DEVELOPER, facts, gateway, switches
from tests.core.test_explain import DEPLOYMENTS
from tests.policy import hostile, rulesets
from tests.policy.rulesets import RuleSet

ON = switches(litellm_settings=True)
NO_RULES = RuleSet(())


@given(
    rulesets.rule_sets(),
    hostile.headers(hostile.GATEWAY_KEY, hostile.SHORT_KEY, max_size=12),
    st.sampled_from([*DEPLOYMENTS, asking.deployment("loop", origin=asking.LOOPBACK)]),
    st.sampled_from([MESSAGES, CHAT_COMPLETIONS]),
)
@example(
    NO_RULES,
    ((b"user-agent", "café".encode()), (b"x-custom", b"\xff")),
    DEPLOYMENTS[1],
    MESSAGES,
)
@example(
    NO_RULES, ((b"x-api-key", b"sk-ant-api03-a/sk-proj-b"),), DEPLOYMENTS[0], MESSAGES
)
@rulesets.MORE
def test_no_client_can_make_the_guard_stop_a_request(ruleset, headers, at, route):
    """The guard finds faults of ours, so whoever trips it has found one."""
    known = gateway(
        at,
        rules=ruleset.read(),
        auth=ON,
        headers=ON,
        packs=("base", "claude-code"),
        master=hostile.SHORT_KEY.decode(),
        credential=CredentialPolicy(on_missing=OnMissing.ANONYMOUS),
    )
    asked = facts(*headers, route=route)
    found = decide(asked, DEVELOPER, known)
    if check_edge(headers, b"") or not isinstance(found, Decided) or found.refusal:
        return
    out = lay_out(asked, found)

    prepared = prepare(
        origin=at.origin,
        method=out.method,
        target=out.target,
        headers=out.headers,
        body=out.body,
    )
    passport = Passport(
        deployment=at.name,
        trusted=at.trusted,
        own=() if at.api_key is None else (at.api_key,),
        gateway=gateway_secrets(DEVELOPER, known),
        plaintext_ok=at.plaintext_ok,
    )
    # Plain http is refused when a configuration is read, not here.
    if at.origin.scheme == "https":
        check(prepared, passport)
