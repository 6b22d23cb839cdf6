"""
What a decision costs: applying a compiled plan, and compiling one.

Run it as `python -m benchmarks.policy_plan [--json]`. Applying is timed on the 21
headers that Claude Code sends, with few rules loaded and with many: the very same
objects each time, and fresh ones as the wire gives them. The best of many short
rounds is given, since whatever disturbs a round only ever makes it longer.
"""

import argparse
import json
import platform
import time
import timeit
from collections.abc import Callable
from dataclasses import replace

import yaml

from byok.core.providers import PROVIDERS, trusted_at
from byok.policy.document import read_document, read_rules
from byok.policy.match import Context
from byok.policy.plan import Plan
from byok.policy.plans import Plans
from byok.policy.rules import Rule, Tier, Where
from byok.policy.settings import Switch, settings_rules
from byok.resources import policy_file

GATEWAY_KEY = b"sk-byok-" + b"a" * 49
CLAUDE_CODE: tuple[tuple[bytes, bytes], ...] = (
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"claude-cli/2.1.330 (external, sdk-cli)"),
    (b"x-claude-code-session-id", b"0d3e1f0e-5c0b-4b0e-9c0a-3f6d2a9b7c11"),
    (b"x-stainless-arch", b"x64"),
    (b"x-stainless-lang", b"js"),
    (b"x-stainless-os", b"Linux"),
    (b"x-stainless-package-version", b"0.128.0"),
    (b"x-stainless-retry-count", b"0"),
    (b"x-stainless-runtime", b"node"),
    (b"x-stainless-runtime-version", b"v26.12.1"),
    (b"x-stainless-timeout", b"600"),
    (b"anthropic-beta", b"claude-code-20250219,interleaved-thinking-2025-05-14"),
    (b"anthropic-dangerous-direct-browser-access", b"true"),
    (b"anthropic-version", b"2023-06-01"),
    (b"x-api-key", b"sk-ant-api03-" + b"a" * 95),
    (b"x-app", b"cli"),
    (b"x-litellm-api-key", GATEWAY_KEY),
    (b"connection", b"keep-alive"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"content-length", b"48211"),
)
ORIGIN = PROVIDERS["anthropic"].origin
CONTEXT = Context(
    route="/v1/messages",
    method="POST",
    model="claude-opus-5-5",
    model_group="claude-*",
    deployment="claude-*",
    provider="anthropic",
    host=ORIGIN.host,
    trusted=trusted_at(ORIGIN, {}),
    vouched=True,
    key="dev-laptop",
    key_id="key_1",
    team="growth",
    auth="x-litellm-api-key",
    stream=True,
    client_ip="127.0.0.1",
)


def shipped_rules() -> tuple[Rule, ...]:
    """Return the default packs with the one switch that own keys need."""
    rules: list[Rule] = []
    for name in ("base", "claude-code"):
        data = yaml.safe_load(policy_file(f"{name}.yaml").read_bytes())
        found, problems = read_document(data, locate=lambda _: Where(file="pack"))
        if problems:
            raise SystemExit(f"{name}: {problems[0].message}")
        rules += found
    here = Where(file="config.yaml", line=1)
    switch = {"litellm_settings": Switch(value=True, where=here)}
    return (*rules, *settings_rules(switch, {}))


def more_rules(number: int) -> tuple[Rule, ...]:
    """Return rules of many teams and keys, a few of which hold for the caller."""
    items = [
        {
            "id": f"r{at}",
            "match": {
                "team": [f"team-{at % 97}", "growth"] if at % 50 == 0 else f"t-{at}",
                "header": {"name": f"x-custom-{at}"},
            },
            "action": "strip" if at % 2 else "forward",
        }
        for at in range(number)
    ]
    rules, _ = read_rules(items, tier=Tier.TEAM, locate=lambda _: Where(file="many"))
    return rules


def best_us(
    call: Callable[[], object], *, number: int = 20, rounds: int = 2000
) -> float:
    """Return the microseconds of one call in the best of many short rounds."""
    timer = timeit.Timer(call)
    return min(timer.repeat(repeat=rounds, number=number)) / number * 1e6


def fresh_headers() -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers as new objects, none of which was hashed before."""
    return tuple((bytes([*name]), bytes([*value])) for name, value in CLAUDE_CODE)


def best_fresh_us(plan: Plan, *, number: int = 20, rounds: int = 200) -> float:
    """Return the microseconds of applying *plan* to headers that just came in."""
    best = float("inf")
    for _ in range(rounds):
        requests = [fresh_headers() for _ in range(number)]
        secrets = (bytes([*GATEWAY_KEY]),)
        began = time.perf_counter()
        for headers in requests:
            plan.apply(headers, gateway_secrets=secrets)
        best = min(best, time.perf_counter() - began)
    return best / number * 1e6


def measure() -> dict[str, object]:
    """Time all figures."""
    figures: dict[str, object] = {
        "python": platform.python_version(),
        "headers": len(CLAUDE_CODE),
    }
    for loaded in (10, 1_000, 10_000):
        plans = Plans((*shipped_rules(), *more_rules(loaded)))
        plan = plans.plan(CONTEXT)

        def apply(plan: Plan = plan) -> None:
            plan.apply(CLAUDE_CODE, gateway_secrets=(GATEWAY_KEY,))

        def find(plans: Plans = plans) -> None:
            plans.plan(CONTEXT)

        apply()
        figures[f"apply_us_{loaded}_rules"] = round(best_us(apply), 2)
        figures[f"apply_fresh_us_{loaded}_rules"] = round(best_fresh_us(plan), 2)
        figures[f"find_plan_us_{loaded}_rules"] = round(best_us(find), 2)
    plan = Plans(shipped_rules()).plan(CONTEXT)

    def decide() -> None:
        plan.decide(CLAUDE_CODE, (GATEWAY_KEY,))

    figures["decide_at_length_us"] = round(best_us(decide, number=5, rounds=400), 1)
    rules = (*shipped_rules(), *more_rules(1_000))
    contexts = iter(range(10**9))

    def build() -> None:
        at = next(contexts)
        fresh = replace(CONTEXT, team=f"team-{at % 97}", key=f"k{at}")
        plans.plan(fresh).apply(CLAUDE_CODE, gateway_secrets=(GATEWAY_KEY,))

    plans = Plans(rules)
    build_us = best_us(build, number=5, rounds=100)
    figures["build_plan_ms_1000_rules"] = round(build_us / 1000, 3)
    return figures


def main() -> None:
    """Print the figures, for people or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    figures = measure()
    if parser.parse_args().json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<28} {value}")


if __name__ == "__main__":
    main()
