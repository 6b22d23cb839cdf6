"""How often rules in shadow would have changed something."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from byok.policy.outcome import Difference

METRIC = "byok_policy_shadow_diff_total"

NO_RULE = "none"
"""Stands for the rule where none decides by itself, as for who pays."""

# Rules of keys come and go with them; what is counted has a bound all the same.
_MOST = 4096
OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCount:
    """How often one rule would have done one thing instead of what was done."""

    rule: str
    would: str
    count: int


class ShadowCounts:
    """Counts differences by rule and by what would have happened."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, differences: Iterable[Difference]) -> None:
        """Count what one request would have met."""
        for each in differences:
            rule = NO_RULE if each.rule is None else each.rule.id
            label = rule, each.would
            if label not in self._counts and len(self._counts) >= _MOST:
                label = OTHERS, each.would
            self._counts[label] += 1

    @property
    def counts(self) -> tuple[ShadowCount, ...]:
        """All counts, the highest first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            ShadowCount(rule=rule, would=would, count=count)
            for (rule, would), count in ordered
        )
