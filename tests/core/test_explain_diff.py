"""Two explanations side by side: the differing lines are marked, and no others."""

from byok.core.exchange import decide
from byok.core.explain import Setting, explain
from byok.core.explain_diff import AFTER, BEFORE, SAME, compared
from byok.policy.rules import Tier
from tests.core.asking import (
    API_KEY,
    DEVELOPER,
    GATEWAY_KEY,
    deployment,
    facts,
    gateway,
    rules_at,
    switches,
)
from tests.support import keys

ON = switches(litellm_settings=True)


def told(at):
    asked = facts(GATEWAY_KEY, API_KEY)
    return explain(asked, DEVELOPER, decide(asked, DEVELOPER, at), Setting())


def test_the_same_decision_has_no_marked_line():
    lines = compared(told(gateway(auth=ON)), told(gateway(auth=ON)))

    assert {each.mark for each in lines} == {SAME}


def test_a_rule_that_moved_is_no_difference():
    rule = {"id": "fwd", "match": {"header": {"name": "x-api-key"}}} | {
        "action": "forward"
    }
    old = told(gateway(rules=rules_at(Tier.SETTINGS, rule, line=3)))
    new = told(gateway(rules=rules_at(Tier.SETTINGS, rule, line=9, file="new.yaml")))

    lines = compared(old, new)

    assert {each.mark for each in lines} == {SAME}
    assert any("new.yaml:9" in each.text for each in lines)


def test_the_lines_that_differ_are_marked_by_their_side():
    lines = compared(
        told(gateway(auth=ON)), told(gateway(deployment(api_key=keys.DEPLOYMENT_KEY)))
    )

    before = [each.text for each in lines if each.mark == BEFORE]
    after = [each.text for each in lines if each.mark == AFTER]
    assert before[0].startswith("FORWARD  x-api-key")
    assert after[0].startswith("STRIP    x-api-key")
    assert any(each.mark == SAME for each in lines)
    assert any("payer: org" in each for each in after)
