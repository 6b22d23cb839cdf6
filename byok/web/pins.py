"""Holds provider keys to their organisation and their owner, as a policy says."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from twisted.logger import Logger

from byok.core.errors import Refusal
from byok.core.exchange import Caller, Planned
from byok.core.facts import Headers, RequestFacts, present
from byok.core.pinning import (
    ORGANIZATION,
    KnownKey,
    Pinning,
    Remark,
    judge,
    learned,
    owner_of,
    pin_name,
    refusal_in,
)
from byok.core.secret import fingerprint
from byok.policy.classes import without_scheme
from byok.store.pins import PinLookup

_TOLD = 4096

_log = Logger(namespace="byok.pins")


class PinnedKey:
    """
    The client's key of one request: what is wrong with it, and what becomes known.

    `refusal` is what the request is answered with, if its key may not be used.
    """

    def __init__(
        self, refusal: Refusal | None, learn: Callable[[int, Headers], None]
    ) -> None:
        self.refusal = refusal
        self.learn = learn


class Pins:
    """
    Judges the keys that clients bring, and learns from the answers to them.

    What is only reported is told once for each key and caller: a line for each
    request would be read by nobody.
    """

    def __init__(self, pinning: Pinning, lookup: PinLookup) -> None:
        self._pinning = pinning
        self._lookup = lookup
        self._told: OrderedDict[tuple[str, bytes, str], None] = OrderedDict()

    async def check(
        self, facts: RequestFacts, caller: Caller, planned: Planned
    ) -> PinnedKey | None:
        """Judge the client's key that would leave; None where none has to be."""
        credential = planned.credential
        if not self._pinning.is_on or credential.index < 0:
            return None
        key = without_scheme(facts.headers[credential.index][1])
        digests = self._lookup.digests(key)
        known = await self._lookup.known(digests)
        pin = pin_name(digests[0])
        remarks = judge(self._pinning, known, caller, header=credential.name, pin=pin)
        for each in remarks:
            self._tell(each, digests[0], key, known, caller)
        return PinnedKey(
            refusal_in(remarks), partial(self._learn, digests[0], known, caller)
        )

    def _learn(
        self,
        digest: bytes,
        known: KnownKey,
        caller: Caller,
        status: int,
        fields: Headers,
    ) -> None:
        """Note what the answer says about the key that was sent."""
        found = learned(
            self._pinning,
            known,
            caller,
            status=status,
            organization=present(fields, ORGANIZATION),
        )
        if known.released_by is not None and found.owner is not None:
            _log.info(
                "{event}: the provider key {pin}, which {by} released, belongs to"
                " {owner} now",
                event="pin-bound-anew",
                pin=pin_name(digest),
                by=known.released_by,
                owner=found.owner,
            )
        if found != known:
            self._lookup.learn(digest, found).addErrback(
                lambda failure: _log.failure("a provider key was not noted", failure)
            )

    def _tell(
        self, remark: Remark, digest: bytes, key: bytes, known: KnownKey, caller: Caller
    ) -> None:
        which = remark.event, digest, caller.key_id
        if which in self._told:
            return
        self._told[which] = None
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)
        _log.warn(
            "{event}: the provider key {pin} fp={fingerprint} of {organization}, bound"
            " to {owner}, came from {key} ({caller}): {reaction}",
            event=remark.event,
            pin=pin_name(digest),
            fingerprint=fingerprint(key),
            organization=known.organization,
            owner=known.owner,
            key=caller.name,
            caller=owner_of(caller),
            reaction=remark.reaction.value,
        )
