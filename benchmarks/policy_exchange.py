"""
What one exchange costs in pure code: checks, decision, head, and what is written of it.

Run it as `python -m benchmarks.policy_exchange [--json]`. Each part is timed on the
headers that Claude Code sends, made anew for every request as the wire makes them;
the best of many short rounds is given.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import TypeVar

from msgspec.json import encode

from benchmarks.policy_plan import GATEWAY_KEY, ORIGIN, fresh_headers, shipped_rules
from byok.core.body import BodyHead
from byok.core.edge import check_edge
from byok.core.exchange import Caller, Decided, Gateway, decide, lay_out
from byok.core.facts import RequestFacts
from byok.core.providers import trusted_at
from byok.core.record_writer import RecordWriter
from byok.core.records import Deciding, End, RecordBuilder
from byok.core.routes import MESSAGES
from byok.core.routing import Deployment, DeploymentTable
from byok.core.secret import Secret
from byok.policy.lookalikes import lookalikes
from byok.policy.plans import Plans
from byok.store.decisions import Entry

MODEL = "claude-opus-5-5"
BODY = b'{"model":"claude-opus-5-5","stream":true,"max_tokens":1}'
HEAD = BodyHead(model=MODEL, stream=True, model_span=(9, 26), max_tokens=1)
ROUNDS = 300
NUMBER = 20

T = TypeVar("T")


def gateway() -> Gateway:
    """Return a gateway as the seed's configuration makes it: own keys, one model."""
    deployment = Deployment(
        name="claude-*",
        model_group="claude-*",
        upstream_model="claude-*",
        provider="anthropic",
        origin=ORIGIN,
        trusted=trusted_at(ORIGIN, {}),
    )
    return Gateway(
        table=DeploymentTable([deployment]),
        plans=Plans(shipped_rules()),
        generation="1-0123456789ab",
        secrets=(Secret("sk-" + "m" * 40),),
    )


def caller() -> Caller:
    """Return a developer with a key, as the authenticator finds one."""
    return Caller(
        key_id="key_1",
        alias="dev-laptop",
        carrier="x-litellm-api-key",
        secret=Secret.from_bytes(GATEWAY_KEY),
        team="growth",
    )


def facts() -> RequestFacts:
    """Return a request that just came in."""
    return RequestFacts(
        method="POST",
        route=MESSAGES,
        query=b"beta=true",
        headers=fresh_headers(),
        head=HEAD,
        body=BODY,
        client_ip="127.0.0.1",
    )


def best_us(make: Callable[[], T], call: Callable[[T], object]) -> float:
    """Return the microseconds of one *call* on what *make* makes, made beforehand."""
    best = float("inf")
    for _ in range(ROUNDS):
        made = [make() for _ in range(NUMBER)]
        began = time.perf_counter()
        for each in made:
            call(each)
        best = min(best, time.perf_counter() - began)
    return round(best / NUMBER * 1e6, 2)


def measure() -> dict[str, object]:
    """Time all figures."""
    at, who = gateway(), caller()
    writer, builder = RecordWriter(), RecordBuilder()

    def record(it: Deciding) -> Entry:
        return Entry.of(it, writer.write(it))

    def record_at_length(it: Deciding) -> bytes:
        return encode(builder.build(it))

    def deciding() -> Deciding:
        asked = facts()
        result = decided(asked)
        return Deciding(
            id="req_0123456789abcdef01234567",
            at=1_800_000_000.123,
            facts=asked,
            caller=who,
            result=result,
            sent=lay_out(asked, result).headers,
            config_digest="sha256:0123456789ab",
            generation=at.generation,
            end=End(status=200, ending="complete"),
        )

    def decided(asked: RequestFacts) -> Decided:
        result = decide(asked, who, at)
        if not isinstance(result, Decided) or result.refusal is not None:
            raise SystemExit("the request is refused, so there is nothing to measure")
        return result

    def both() -> tuple[RequestFacts, Decided]:
        asked = facts()
        return asked, decided(asked)

    return {
        "python": platform.python_version(),
        "headers": len(fresh_headers()),
        "edge_us": best_us(facts, lambda it: check_edge(it.headers, it.query)),
        "lookalikes_us": best_us(facts, lambda it: lookalikes(it.headers, it.query)),
        "decide_us": best_us(facts, lambda it: decide(it, who, at)),
        "lay_out_us": best_us(both, lambda it: lay_out(*it)),
        "record_us": best_us(deciding, record),
        "record_at_length_us": best_us(deciding, record_at_length),
    }


def main() -> None:
    """Print the figures, for people or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    figures = measure()
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<28} {value}")


if __name__ == "__main__":
    main()
