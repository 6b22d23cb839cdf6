"""Fields that policy puts into a head, and how they meet those that are there."""

from collections.abc import Sequence

from byok.policy.outcome import Headers, Injection
from byok.policy.rules import Rule, When
from byok.policy.tiers import losers, resolve


def inject(
    out: list[tuple[bytes, bytes]], rules: Sequence[Rule]
) -> tuple[Headers, tuple[Injection, ...]]:
    """
    Return the head *out* with what the matching inject *rules* put in.

    Each name is a slot of its own. Lines that append are all added.
    """
    by_name: dict[bytes, list[Rule]] = {}
    for rule in rules:
        name = rule.inject.name if rule.inject else b""
        by_name.setdefault(name, []).append(rule)
    injections: list[Injection] = []
    for name, named in sorted(by_name.items()):
        one = [r for r in named if r.inject and r.inject.when is not When.APPEND]
        winner, reason = resolve(one)
        if winner is not None and winner.inject is not None:
            absent = all(field != name for field, _ in out)
            applied = absent or winner.inject.when is When.SET
            if applied:
                out = [each for each in out if each[0] != name]
                out.append((name, winner.inject.value))
            injections.append(
                Injection(
                    name=name.decode("latin-1"),
                    rule=winner,
                    applied=applied,
                    over=losers(one, winner, reason),
                )
            )
        # Lists append: each tier's line is added, broad tiers first.
        for rule in sorted(named, key=lambda r: (r.tier, r.id)):
            if rule.inject and rule.inject.when is When.APPEND:
                out.append((name, rule.inject.value))
                injections.append(
                    Injection(name=name.decode("latin-1"), rule=rule, applied=True)
                )
    return tuple(out), tuple(injections)
