"""A bound on what somebody who guesses keys can make the store do."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from byok.core.errors import Refusal


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class LookupThrottle:
    """
    Lets each address ask the store for unknown keys so often and no more.

    It is soft: keys the gateway knows by heart never come here, so a guesser
    behind the same address translation stops nobody who is at work; who sends a
    key for the first time has to wait beside him. A key that
    is found gives its turn back. At most *capacity* addresses are remembered,
    the ones seen last; IPv6 counts by /64, since one host has as many
    addresses of it as it likes.
    """

    def __init__(
        self, *, burst: int = 20, per_second: float = 2.0, capacity: int = 10_000
    ) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._capacity = capacity
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(self, peer: str, now: float) -> Refusal | None:
        """Take a turn for *peer*, or refuse with the time to wait."""
        bucket = self._filled(_group(peer), now)
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return None
        wait_s = max(1, round((1.0 - bucket.tokens) / self._per_second + 0.5))
        return Refusal(
            status=429,
            kind="rate_limit_error",
            code="auth.too-many-unknown-keys",
            message=(
                "Too many unknown byok keys came from this address. A key that was "
                "used before still works; with a new one, try again in a moment."
            ),
            headers=(("retry-after", str(wait_s)),),
        )

    def give_back(self, peer: str) -> None:
        """Return the turn of a look-up that found its key."""
        bucket = self._buckets.get(_group(peer))
        if bucket is not None:
            bucket.tokens = min(self._burst, bucket.tokens + 1.0)

    def _filled(self, group: str, now: float) -> _Bucket:
        bucket = self._buckets.get(group)
        if bucket is None:
            bucket = self._buckets[group] = _Bucket(self._burst, now)
            if len(self._buckets) > self._capacity:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(group)
        # A clock that was set back gives nothing and takes nothing away.
        passed_s = max(0.0, now - bucket.filled_at)
        bucket.tokens = min(self._burst, bucket.tokens + passed_s * self._per_second)
        bucket.filled_at = now
        return bucket


def _group(peer: str) -> str:
    if ":" not in peer:
        return peer
    try:
        address = IPv6Address(peer)
    except AddressValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.packed[:8].hex()
