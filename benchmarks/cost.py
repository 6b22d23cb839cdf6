"""
What it takes to know what an answer cost: its price, and the working.

Run it as `python -m benchmarks.cost [--json]`. The best of many short rounds is given,
since whatever disturbs a round only ever makes it longer.
"""

import argparse
import json
import platform
import timeit
from collections.abc import Callable

from byok.core.cost import Tally, cost_of
from byok.core.prices import PriceTable
from byok.prices.shipped import FILE, price_list, shipped_prices

MODEL = "claude-opus-5-5"
NOW = 1_795_500_000.0
# What a turn of Claude Code comes to.
TURN = Tally(
    input=12,
    cache_read=104_211,
    cache_write_5m=2000,
    output=431,
    service_tier="standard",
    region="global",
)


def best_us(
    work: Callable[[], object], *, number: int = 2000, rounds: int = 40
) -> float:
    """Return what *work* takes, in microseconds."""
    return min(timeit.repeat(work, number=number, repeat=rounds)) / number * 1e6


def measure() -> dict[str, float]:
    """Return the figures, in microseconds."""
    table = PriceTable(shipped_prices())
    price = table.find("anthropic", MODEL, at=NOW)
    if price is None:
        raise SystemExit(f"the shipped list has no {MODEL}")
    data = json.loads(FILE.read_text("utf-8"))
    return {
        "find a price": best_us(lambda: table.find("anthropic", MODEL, at=NOW)),
        "work out a cost": best_us(lambda: cost_of(TURN, price)),
        "find one that was never asked for": best_us(
            lambda: PriceTable(shipped_prices()).find("openai", "gpt-5.5", at=NOW),
            number=50,
        ),
        "read the shipped list": best_us(lambda: price_list(data), number=1),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    figures = measure()
    if parser.parse_args().json:
        print(json.dumps({"python": platform.python_version(), "us": figures}))
        return
    for name, figure in figures.items():
        print(f"{name:36}{figure:10.2f} us")


if __name__ == "__main__":
    main()
