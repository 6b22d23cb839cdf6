"""
What a limit costs: letting a request in and settling it, and the memory of many keys.

Run it as `python -m benchmarks.limits [--json]`. A request has four limits of its key
(requests, tokens, requests at once, a monthly budget); then eight, with its team's.
The best of many short rounds is given, since whatever disturbs a round only ever
makes it longer. Memory is that of 100,000 keys which have all asked within a minute.
"""

import argparse
import itertools
import json
import platform
import tracemalloc

from benchmarks.policy_plan import best_us
from byok.core.limits.demand import Actual, Demand, Denied
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import Limit, Scope, limits_of

NOW = 1_764_000_000.0
KEYS = 100_000
USED = Actual(tokens=812, cost_nano=9_000_000)


def limits(scope: Scope, name: str, *, amount: int = 10**9) -> tuple[Limit, ...]:
    """Return the four limits of one key or team."""
    return limits_of(
        scope,
        name,
        rpm=amount,
        tpm=amount,
        parallel=amount,
        max_budget=float(amount),
        budget_duration="30d",
    )


def request_us(found: tuple[Limit, ...]) -> float:
    """Return the microseconds of one request: let in, and settled."""
    limiter = Limiter()
    ids = map(str, itertools.count())

    def go() -> None:
        name = next(ids)
        demand = Demand(id=name, limits=found, tokens=5000, cost_nano=50_000_000)
        limiter.reserve(NOW, demand)
        limiter.settle(name, USED, NOW + 2)

    return best_us(go)


def refused_us() -> float:
    """Return the microseconds of a request that is refused."""
    found = limits(Scope.KEY, "key_1", amount=0)
    limiter = Limiter()
    demand = Demand(id="r", limits=found, tokens=5000, cost_nano=50_000_000)
    if not isinstance(limiter.reserve(NOW, demand), Denied):
        raise SystemExit("nothing was refused")
    return best_us(lambda: limiter.reserve(NOW, demand))


def memory_mb() -> float:
    """Return the megabytes of what is counted for many keys."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        limiter = Limiter()
        for at in range(KEYS):
            moment = NOW + at * 60 / KEYS
            demand = Demand(
                id="r",
                limits=limits(Scope.KEY, f"key_{at:022}"),
                tokens=5000,
                cost_nano=50_000_000,
            )
            limiter.reserve(moment, demand)
            limiter.settle("r", USED, moment)
        counted = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    return (counted - before) / 2**20


def measure() -> dict[str, object]:
    """Time all figures."""
    of_key = limits(Scope.KEY, "key_1")
    return {
        "python": platform.python_version(),
        "request_us_4_limits": round(request_us(of_key), 2),
        "request_us_8_limits": round(
            request_us((*of_key, *limits(Scope.TEAM, "growth"))), 2
        ),
        "refused_us_4_limits": round(refused_us(), 2),
        "memory_mb_100000_keys": round(memory_mb(), 1),
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
