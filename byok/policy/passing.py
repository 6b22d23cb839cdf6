"""
`x-pass-NAME: value`, by which a request asks to send `NAME: value` itself.

It is the narrowest tier, and has only what a broader one granted to it. What it
asks for is classified anew by name and value, and goes through floor and locks
like any other field.
"""

from collections.abc import Sequence

from byok.policy import classes, names
from byok.policy.classes import Classified
from byok.policy.rules import Action, Rule, Tier

PREFIX = b"x-pass-"

# Never to be had by asking, whatever a rule grants.
UNGRANTABLE = frozenset(
    {cls for cls in classes.CLASSES if cls.startswith("credential.")}
    | {
        classes.AMBIGUOUS,
        classes.COOKIE,
        classes.FRAMING,
        classes.GATEWAY_CONTROL,
        classes.HOP_BY_HOP,
    }
)


def asked_name(name: bytes, kind: Classified) -> bytes:
    """Return the name that the field asks to be sent under, or nothing."""
    if kind.cls == classes.GATEWAY_CONTROL and name.startswith(PREFIX):
        return name[len(PREFIX) :]
    return b""


def is_grantable(name: bytes) -> bool:
    """May a rule grant to requests that they send the field *name*?"""
    return (
        classes.class_of_name(name) not in UNGRANTABLE
        and name.decode("latin-1") not in names.NEVER_PASSED
    )


def granting(rules: Sequence[Rule], name: str, kind: Classified) -> tuple[Rule, ...]:
    """Return those of the matching *rules* whose grant covers the field."""
    if kind.cls in UNGRANTABLE or name in names.NEVER_PASSED:
        return ()
    return tuple(
        rule
        for rule in rules
        if any(glob.matches(kind.cls) or glob.matches(name) for glob in rule.grant)
    )


def asking_rule(grants: Sequence[Rule]) -> Rule:
    """Return the request's own rule, standing where its broadest grant stands."""
    grant = min(grants, key=lambda rule: (rule.tier, rule.id))
    return Rule(
        id="request.x-pass",
        tier=Tier.REQUEST,
        action=Action.FORWARD,
        where=grant.where,
        why=f"granted by {grant.id}",
    )
