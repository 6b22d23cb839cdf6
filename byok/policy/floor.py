"""
The floor: rules nobody can write, move or switch off. They only take away.

Each has a test of its own in tests/policy/test_floor.py; the ones that need the
whole request (single credential, plaintext) are decided in `slot.py` under the
names given here, and the egress guard checks the result once more by value.
"""

from byok.policy import classes
from byok.policy.match import Glob, HeaderMatch, Match
from byok.policy.rules import Action, Denial, Rule, Tier

HOST_PIN = "floor.credential-host-pin"
SLOT = "floor.credential-slot"
GATEWAY_CREDENTIAL = "floor.gateway-credential"
SINGLE_CREDENTIAL = "floor.single-credential"
PLAINTEXT = "floor.plaintext"
ADMIN_KEY = "floor.anthropic-admin-key"


def _strip(rule_id: str, why: str, header: HeaderMatch) -> Rule:
    return Rule(
        id=rule_id,
        tier=Tier.FLOOR,
        action=Action.STRIP,
        match=Match(header=header),
        why=why,
    )


def _of_class(cls: str) -> HeaderMatch:
    return HeaderMatch(cls=(Glob(cls),))


# Joins the floor where the destination would be reached in the clear. Providers'
# credentials are refused there, whoever's they are; `slot.py` does that.
OTHERS_IN_THE_CLEAR = _strip(
    PLAINTEXT,
    "no credential goes over http in the clear",
    _of_class(classes.OTHER_CREDENTIAL),
)

_ANY_PROVIDER = (Glob(classes.PROVIDER_CREDENTIAL_PREFIX + "*"),)

FLOOR: tuple[Rule, ...] = (
    _strip("floor.framing", "the gateway writes its own", _of_class(classes.FRAMING)),
    _strip(
        "floor.hop-by-hop",
        "it belongs to one connection (RFC 9110 7.6.1)",
        _of_class(classes.HOP_BY_HOP),
    ),
    _strip(
        GATEWAY_CREDENTIAL,
        "a gateway credential never leaves",
        _of_class(classes.GATEWAY),
    ),
    _strip(
        "floor.gateway-control",
        "it speaks to the gateway",
        _of_class(classes.GATEWAY_CONTROL),
    ),
    _strip(
        "floor.ambiguous",
        "servers read its name or value in different ways",
        _of_class(classes.AMBIGUOUS),
    ),
    _strip(
        HOST_PIN,
        "the destination is not trusted for this credential",
        HeaderMatch(cls=_ANY_PROVIDER, here=False),
    ),
    _strip(
        SLOT,
        "its provider does not read this credential here",
        HeaderMatch(cls=_ANY_PROVIDER, own=False),
    ),
    Rule(
        id=ADMIN_KEY,
        tier=Tier.FLOOR,
        action=Action.DENY,
        match=Match(header=_of_class(classes.ANTHROPIC_ADMIN)),
        why="an Anthropic admin key is never needed for inference",
        denial=Denial(
            status=403,
            kind="permission_error",
            message=(
                "An Anthropic admin key was sent. It can change an organisation and"
                " is never needed here: remove it and use an API key"
                " (sk-ant-api...) instead."
            ),
        ),
    ),
)
