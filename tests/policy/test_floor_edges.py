"""The floor's ids, and what it leaves alone."""

from dataclasses import replace

from byok.policy import floor
from byok.policy.floor import FLOOR
from byok.policy.plan import Plan
from byok.policy.rules import Action, Tier
from byok.policy.slot import CredentialPolicy
from tests.policy import rulesets


def test_the_floors_rules_have_the_ids_that_explanations_show():
    assert [rule.id for rule in FLOOR] == [
        "floor.framing",
        "floor.hop-by-hop",
        "floor.gateway-credential",
        "floor.gateway-control",
        "floor.ambiguous",
        "floor.credential-host-pin",
        "floor.credential-slot",
        "floor.anthropic-admin-key",
    ]
    assert floor.SINGLE_CREDENTIAL == "floor.single-credential"
    assert floor.OTHERS_IN_THE_CLEAR.id == floor.PLAINTEXT == "floor.plaintext"


def test_an_admin_key_is_a_matter_of_permission():
    (denial,) = (rule.denial for rule in FLOOR if rule.action is Action.DENY)

    assert (denial.status, denial.kind) == (403, "permission_error")


def test_a_relay_nobody_vouches_for_still_gets_what_is_no_credential():
    relay = replace(rulesets.PLAIN, host="relay.example.net", trusted=frozenset())
    everything = rulesets.read(Tier.KEY, {"id": "all", "action": "forward"})
    fields = ((b"x-custom", b"1"), (b"user-agent", b"a"), (b"x-vault-token", b"1"))

    for vouched in (True, False):
        plan = Plan(replace(relay, vouched=vouched), everything, CredentialPolicy())
        assert plan.apply(fields).sends == fields
