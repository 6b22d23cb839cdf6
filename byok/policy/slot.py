"""
The credential slot: which one credential fills upstream's authentication.

Exactly one leaves, or none. Choosing it is a decision of its own with its own
explanation, never a side effect of which headers happened to survive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from byok.policy import classes, floor
from byok.policy.rules import BUILT_IN, Where

CLIENT_OAUTH = "client.oauth"
CLIENT_API_KEY = "client.api_key"
DEPLOYMENT = "deployment"
NONE = "none"

SOURCES = (CLIENT_OAUTH, CLIENT_API_KEY, DEPLOYMENT)

PAYERS = {
    CLIENT_OAUTH: "subscription",
    CLIENT_API_KEY: "user-key",
    DEPLOYMENT: "org",
    NONE: "org",
}


ORDER = "credential.order"
"""Stands for the rule that took a credential which the order has no place for."""


class OnClientStripped(Enum):
    """What happens when a client brought a credential and policy took it away."""

    FALLBACK = "fallback"
    DENY = "deny"


class OnMissing(Enum):
    """What happens when no credential is left at all."""

    DENY = "deny"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPolicy:
    """The order of candidates and the two fallbacks, with the line that set them."""

    order: tuple[str, ...] = SOURCES
    on_client_stripped: OnClientStripped = OnClientStripped.FALLBACK
    on_missing: OnMissing = OnMissing.DENY
    where: Where = BUILT_IN


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A client credential that survived its header slot."""

    index: int
    name: bytes
    cls: str

    @property
    def source(self) -> str:
        """The candidate's word in `order`."""
        return CLIENT_OAUTH if self.cls == classes.ANTHROPIC_OAUTH else CLIENT_API_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """
    A client credential that did not survive, and the rule that took it.

    `why` is what whoever wrote the rule has to say about it.
    """

    name: bytes
    cls: str
    rule: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A candidate that does not fill the slot, and why."""

    candidate: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialDecision:
    """
    What fills upstream's authentication, and who pays for it.

    `index` is the inbound field it comes from, or -1. `denied` holds the code of
    the refusal where nothing may fill the slot.
    """

    source: str
    cls: str = ""
    name: str = ""
    index: int = -1
    rejected: tuple[Rejected, ...] = ()
    denied: str = ""
    removed: tuple[Removed, ...] = ()
    where: Where = BUILT_IN

    @property
    def payer(self) -> str:
        """Who pays: org, user-key or subscription."""
        return PAYERS[self.source]


# A request may carry the same key twice (an apiKeyHelper sends it in both
# headers); the provider's own header is preferred over the bearer.
_PREFERENCE = {b"x-api-key": 0, b"api-key": 0, b"x-goog-api-key": 0}


def choose(
    candidates: Sequence[Candidate],
    removed: Sequence[Removed],
    policy: CredentialPolicy,
    *,
    deployment_key: bool,
    plaintext: bool,
) -> CredentialDecision:
    """
    Fill the slot from the first source in order that is usable, or refuse.

    *plaintext* says that the destination would be reached in the clear without
    the operator's leave: then nothing may leave that is anybody's credential.
    """
    by_source: dict[str, Candidate] = {}
    for each in sorted(candidates, key=lambda c: _PREFERENCE.get(c.name, 1)):
        by_source.setdefault(each.source, each)
    may_fall_back = policy.on_client_stripped is OnClientStripped.FALLBACK
    # What the order has no place for was brought and taken away, too.
    lost = (
        *removed,
        *(
            Removed(name=each.name, cls=each.cls, rule=ORDER)
            for each in candidates
            if each.source not in policy.order
        ),
    )
    usable = [
        source
        for source in policy.order
        if source in by_source
        or (source == DEPLOYMENT and deployment_key and (may_fall_back or not lost))
    ]
    source = usable[0] if usable else NONE
    denied = _refusal_code(source, policy, lost=bool(lost))
    if source != NONE and plaintext:
        denied = floor.PLAINTEXT
    chosen = by_source.get(source)
    rejected = tuple(
        Rejected(
            candidate=f"header:{each.name.decode('latin-1')}",
            because=_why_lost(each),
        )
        for each in lost
    ) + tuple(
        Rejected(
            candidate=f"header:{each.name.decode('latin-1')}",
            because=f"{source} was chosen",
        )
        for each in candidates
        if each is not chosen and each.source in policy.order
    )
    if deployment_key and source not in (DEPLOYMENT, NONE):
        rejected += (Rejected(candidate=DEPLOYMENT, because=f"{source} was chosen"),)
    return CredentialDecision(
        source=source,
        cls=chosen.cls if chosen else "",
        name=chosen.name.decode("latin-1") if chosen else "",
        index=chosen.index if chosen else -1,
        rejected=rejected,
        denied=denied,
        removed=lost,
        where=policy.where,
    )


def _why_lost(removed: Removed) -> str:
    if removed.rule == ORDER:
        source = Candidate(index=-1, name=removed.name, cls=removed.cls).source
        return f"{source} is not in the order"
    return f"{removed.rule} removed it"


def _refusal_code(source: str, policy: CredentialPolicy, *, lost: bool) -> str:
    if source != NONE:
        return ""
    if lost and policy.on_client_stripped is OnClientStripped.DENY:
        return "credential.client-stripped"
    if policy.on_missing is OnMissing.ANONYMOUS:
        return ""
    return "credential.not-forwarded" if lost else "credential.missing"
