"""Documents of tests, read and run without files."""

from collections.abc import Sequence

import yaml

from byok.core.policy_tests.cases import Suite
from byok.core.policy_tests.document import read_suite
from byok.core.policy_tests.report import Report, Result, run
from byok.core.policy_tests.trial import Bench
from byok.policy.declared import NOTHING_DECLARED
from byok.policy.reader import Path, Problem
from byok.policy.rules import Rule, Tier, Where
from tests.core.asking import RELAY, Data, deployment, gateway, rules_at, switches
from tests.support import keys

HEAD = "apiVersion: byok/v1\nkind: PolicyTest\n"
ON = switches(litellm_settings=True)
DEPLOYMENTS = (
    deployment("main", api_key=keys.DEPLOYMENT_KEY),
    deployment("cheap-relay", group="cheap", origin=RELAY, api_key="opaque-key"),
    deployment(
        "gpt", group="gpt-*", provider="openai", api_key=keys.OPENAI_DEPLOYMENT_KEY
    ),
)


def locate(path: Path) -> Where:
    """Say where a path is by naming it; a place is as good as a line here."""
    return Where(file=".".join(map(str, path)) or "document")


def read(text: str) -> tuple[Suite, tuple[Problem, ...]]:
    """Read the document *text*, which begins after its two first lines."""
    return read_suite(yaml.safe_load(HEAD + text), file="ours_test.yaml", locate=locate)


def suite(text: str) -> Suite:
    """Read the document *text*, in which there is no problem."""
    found, problems = read(text)
    assert problems == ()
    return found


def problems(text: str) -> list[tuple[str, str]]:
    """Return code and place of each problem of the document *text*."""
    _, found = read(text)
    return [(each.code, ".".join(map(str, each.path))) for each in found]


def bench(
    *rules: Rule,
    deployments=DEPLOYMENTS,
    auth=ON,
    class_table=NOTHING_DECLARED,
    **more,
) -> Bench:
    """Make a gateway with the switch on, and with *rules*."""
    at = gateway(*deployments, rules=rules, auth=auth, class_table=class_table)
    return Bench(gateway=at, rules=rules, **more)


def rules(tier: Tier, *items: Data) -> Sequence[Rule]:
    """Read *items* as rules of one file."""
    return rules_at(tier, *items, file="ours.yaml", line=7)


def report(text: str, *rules: Rule, **more) -> Report:
    """Run the document *text* on a gateway with *rules*."""
    return run([suite(text)], bench(*rules, **more))


def result(text: str, *rules: Rule, **more) -> Result:
    """Run the one test in *text* on a gateway with *rules*."""
    (found,) = report(text, *rules, **more).results
    return found


def told(found: Result) -> list[str]:
    """Say what was not as expected, request by request."""
    return [
        f"{each.what}: {each.expected} / {each.got}"
        for failure in found.failures
        for each in failure.mismatches
    ]
