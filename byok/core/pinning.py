"""
Whose provider key is it: which organisation's, and which of our callers' own.

A key tells neither by itself. The organisation is learned from the provider's
answers, the owner is whoever used the key first; what was learned is judged when
the key comes again.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

from byok.core.carriers import shown
from byok.core.errors import Refusal
from byok.core.exchange import Caller

ORGANIZATION = b"anthropic-organization-id"
"""The header of an answer that says whose organisation paid."""

_READABLE = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_FIRST_ERROR = 400


class Reaction(Enum):
    """What happens when a key is not whose it should be."""

    OFF = "off"
    REPORT = "report"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinning:
    """
    Whose keys may be used: those of some organisations, those of one's own.

    Where `allow_orgs` is empty every organisation is allowed.
    """

    allow_orgs: frozenset[str] = frozenset()
    on_unknown_org: Reaction = Reaction.REPORT
    bind_keys: Reaction = Reaction.OFF

    @property
    def is_on(self) -> bool:
        """Is there anything to ask about a key?"""
        return bool(self.allow_orgs) or self.bind_keys is not Reaction.OFF


NO_PINNING = Pinning()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """
    What was learned about one provider key: its organisation, and its owner.

    `released_by` took it from its owner; whoever uses it next becomes the owner.
    """

    organization: str | None = None
    owner: str | None = None
    released_by: str | None = None


UNKNOWN = KnownKey()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """
    Something that is not as it should be about a key.

    `event` is its name in the log; `refusal` the answer, if it is to be refused.
    """

    event: str
    reaction: Reaction
    refusal: Refusal


_NAME = re.compile(r"pin_[0-9a-f]{16}")
_NAMED = 8


def pin_name(digest: bytes) -> str:
    """Return what the key with *digest* is called, which tells nothing about it."""
    return f"pin_{digest[:_NAMED].hex()}"


def digest_begins_with(name: str) -> bytes | None:
    """Return how the digest of the key called *name* begins; None for no name."""
    if _NAME.fullmatch(name) is None:
        return None
    return bytes.fromhex(name.removeprefix("pin_"))


def owner_of(caller: Caller) -> str:
    """Return whom a key is bound to: the person where one is named, or the byok key."""
    return f"user:{caller.user}" if caller.user else f"key:{caller.key_id}"


def judge(
    pinning: Pinning, known: KnownKey, caller: Caller, *, header: str, pin: str
) -> tuple[Remark, ...]:
    """
    Say what is wrong with a key that came in *header*, by what is *known* of it.

    *pin* is what the key is called here, for who may release it.
    """
    out: list[Remark] = []
    organization = known.organization
    if pinning.allow_orgs and organization not in {None, *pinning.allow_orgs}:
        out.append(
            Remark(
                event="key-of-unknown-organization",
                reaction=pinning.on_unknown_org,
                refusal=_refuse(
                    "policy.organization",
                    f"The key in {shown(header.encode())} belongs to the organization"
                    f" {organization}, whose keys are not used here. Use one of your"
                    " company's; the operator names its organizations under"
                    " general_settings.byok.allow_orgs.",
                ),
            )
        )
    if (
        pinning.bind_keys is not Reaction.OFF
        and known.owner is not None
        and known.owner != owner_of(caller)
    ):
        out.append(
            Remark(
                event="key-of-another-owner",
                reaction=pinning.bind_keys,
                refusal=_refuse(
                    "policy.key-owner",
                    f"The key in {shown(header.encode())} was first used here by"
                    " somebody else, and is bound to them. Use a key of your own. If"
                    " this one is yours, an admin of the gateway lets go of it with"
                    f" `byok pins release {pin}`.",
                ),
            )
        )
    return tuple(out)


def refusal_in(remarks: Collection[Remark]) -> Refusal | None:
    """Return the refusal that the first of *remarks* asks for, if any does."""
    for each in remarks:
        if each.reaction is Reaction.REFUSE:
            return each.refusal
    return None


def learned(
    pinning: Pinning,
    known: KnownKey,
    caller: Caller,
    *,
    status: int,
    organization: bytes | None,
) -> KnownKey:
    """
    Return what is known of a key once the provider has answered.

    A key that the provider did not accept is nobody's: it binds nothing.
    """
    found = known
    told = organization is not None and _READABLE.fullmatch(organization)
    if organization is not None and told:
        found = replace(found, organization=organization.decode("ascii"))
    is_real = told or status < _FIRST_ERROR
    if pinning.bind_keys is not Reaction.OFF and found.owner is None and is_real:
        found = replace(found, owner=owner_of(caller), released_by=None)
    return found


def merged(before: KnownKey, now: KnownKey) -> KnownKey:
    """Return what is known after *now*; who owned a key before still does."""
    owner = before.owner or now.owner
    return KnownKey(
        organization=now.organization or before.organization,
        owner=owner,
        released_by=None if owner else now.released_by or before.released_by,
    )


def _refuse(code: str, message: str) -> Refusal:
    return Refusal(status=403, kind="permission_error", code=code, message=message)
