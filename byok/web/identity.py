"""Who is calling: from the headers of a request to a caller, or to a refusal."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from byok.core import carriers
from byok.core.admission import admit_belonging, admit_master, admit_single_user
from byok.core.belonging import NOBODYS, Belonging
from byok.core.errors import Refusal
from byok.core.exchange import Caller
from byok.core.facts import Headers
from byok.core.keys import VirtualKey
from byok.core.secret import Secret
from byok.policy.classes import holds_gateway_credential
from byok.policy.declared import NOTHING_DECLARED, ClassTable
from byok.policy.lookalikes import lookalikes


class Lookup(Protocol):
    """Finds the record of a presented key."""

    async def maybe(self, key: bytes, *, peer: str) -> VirtualKey | Refusal | None:
        """Return the record of *key* if it is in force."""

    async def ours_among(
        self, words: Sequence[bytes], *, peer: str
    ) -> tuple[bytes, ...] | Refusal:
        """Return those of *words* that are anybody's keys here, in force or not."""


class People(Protocol):
    """Knows by heart to whom keys belong."""

    def of(self, record: VirtualKey) -> Belonging:
        """Return the user and the team of the key *record*."""


class Nobody:
    """Knows no user and no team."""

    def of(self, record: VirtualKey) -> Belonging:  # noqa: ARG002 - all alike
        """Return that nobody is known."""
        return NOBODYS


class Identity:
    """
    Authenticates callers by the one value that the carriers' order picks.

    Without a master key the gateway has a single user, whose credentials are the
    provider's and who is asked for none of ours.
    """

    def __init__(
        self,
        *,
        lookup: Lookup,
        master_key: Secret | None,
        key_header: str | None = None,
        class_table: ClassTable = NOTHING_DECLARED,
        master_key_on_data_routes: bool = True,
        people: People | None = None,
    ) -> None:
        self._lookup = lookup
        self._master_key = master_key
        self._order: Sequence[bytes] = carriers.carriers(key_header)
        self._class_table = class_table
        self._master_key_on_data_routes = master_key_on_data_routes
        self._people: People = Nobody() if people is None else people

    async def identify(
        self, headers: Headers, *, peer: str, query: bytes = b""
    ) -> Caller | Refusal:
        """Return who sent *headers* and *query* from the address *peer*."""
        if self._master_key is None:
            return admit_single_user(headers)
        presented = carriers.find_key(headers, self._order, self._class_table)
        if isinstance(presented, Refusal):
            return presented
        if presented.key == self._master_key:
            master = admit_master(
                headers,
                presented.carrier,
                presented.key,
                on_data_routes=self._master_key_on_data_routes,
            )
            return await self._with_others(master, headers, query, peer)
        found = await self._lookup.maybe(presented.key.reveal_bytes(), peer=peer)
        if isinstance(found, Refusal):
            return found
        if found is None:
            return carriers.refuse_key(headers, presented.carrier, self._class_table)
        belongs = self._people.of(found)
        caller = Caller.of_key(found, presented.carrier, presented.key, belongs)
        admitted = admit_belonging(caller, headers, self._class_table)
        return await self._with_others(admitted, headers, query, peer)

    async def _with_others(
        self, caller: Caller | Refusal, headers: Headers, query: bytes, peer: str
    ) -> Caller | Refusal:
        """
        Note the further keys of ours that came in *headers* and *query*.

        One that an admin chose looks like anybody's. Somebody's second one, or one
        that was rotated, would be taken for plain words or a provider's, and leave.
        """
        if isinstance(caller, Refusal):
            return caller
        words = lookalikes(headers, query)
        if words:
            # What holds a key that is known already is told by that key.
            own = (caller.secret, self._master_key)
            known = [each.reveal_bytes() for each in own if each is not None]
            words = tuple(
                word for word in words if not holds_gateway_credential(word, known)
            )
        if not words:
            return caller
        ours = await self._lookup.ours_among(words, peer=peer)
        if isinstance(ours, Refusal):
            return ours
        return replace(caller, others=tuple(map(Secret.from_bytes, ours)))
