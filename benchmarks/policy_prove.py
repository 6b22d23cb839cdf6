"""
What a proof costs: every property, on the examples and with many rules.

Run it as `python -m benchmarks.policy_prove [--rules N]`. Each configuration is
proved once as a whole, as a review would, with nothing remembered from before.
"""

import argparse
import platform
import time
from dataclasses import replace
from pathlib import Path

from byok.cli.environment import SupposedEnvironment
from byok.cli.policy_prove import subject_of
from byok.config import load
from byok.core.prove import PROPERTIES, Question, prove, with_rules
from byok.core.specimens import _every
from byok.core.walk import Subject
from byok.policy.document import read_rules
from byok.policy.rules import Tier, Where

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def with_team_rules(subject: Subject, number: int) -> Subject:
    """Return *subject* with *number* rules, one for each of so many teams."""
    rules, _ = read_rules(
        [
            {
                "id": f"t{at}",
                "match": {"team": f"team-{at}", "header": {"class": "tracing"}},
                "action": "forward",
            }
            for at in range(number)
        ],
        tier=Tier.TEAM,
        locate=lambda _: Where(file="teams.yaml"),
        namespace="teams",
    )
    every = (*subject.gateway.plans.rules, *rules)
    return replace(subject, gateway=with_rules(subject.gateway, every))


def main() -> None:
    """Prove and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=100)
    wanted = parser.parse_args().rules
    print(f"Python {platform.python_version()}; cells and milliseconds")
    print(f"{'':28}" + "".join(f"{each.id:>14}" for each in PROPERTIES[:7]))
    for path in sorted(EXAMPLES.glob("*.yaml")):
        show(path.stem, subject_of(load(path, environ=SupposedEnvironment())))
    base = subject_of(load(EXAMPLES / "byok.yaml", environ=SupposedEnvironment()))
    show(f"byok, {wanted} teams' rules", with_team_rules(base, wanted))


def show(name: str, subject: Subject) -> None:
    """Print one line of the table."""
    cells = []
    for each in PROPERTIES[:7]:
        _every.cache_clear()
        begin = time.perf_counter()
        proof = prove(each, Question(subject=subject, against=subject))
        took = (time.perf_counter() - begin) * 1000
        cells.append(f"{proof.cells:>7} {took:>6.0f}")
    print(f"{name:28}" + "".join(cells))


if __name__ == "__main__":
    main()
