"""What the route /byok/leases does: shows what is held for requests under way."""

import os
from collections.abc import Callable, Mapping

from byok.core.errors import Refusal
from byok.core.limits.demand import Hold, Lease
from byok.core.limits.engine import Limiter
from byok.core.limits.limit import NANO, Metric

Document = dict[str, object]


class LeaseAdmin:
    """
    Lists the reservations of this process, the longest first.

    Where there are several workers, each holds its own: who asks again, on another
    connection, may be answered by another one.
    """

    def __init__(self, limiter: Limiter, *, seconds: Callable[[], float]) -> None:
        self._limiter = limiter
        self._seconds = seconds

    async def list(self, _: Mapping[str, str]) -> Document | Refusal:
        """Return every reservation with its owner, its age and what it holds."""
        now = self._seconds()
        leases = self._limiter.leases()
        return {
            "process": os.getpid(),
            "total": len(leases),
            "leases": [_lease(each, now) for each in leases],
        }


def _lease(lease: Lease, now: float) -> Document:
    return {
        "request_id": lease.id,
        "owner": lease.owner,
        "age_s": round(max(0.0, now - lease.since), 1),
        "expires_in_s": round(max(0.0, lease.expires_at - now), 1),
        "holds": [_hold(each) for each in lease.holds],
    }


def _hold(hold: Hold) -> Document:
    limit = hold.limit
    whose: Document = {"of": limit.scope.value, "name": limit.label or limit.scope_id}
    if limit.metric is Metric.COST:
        return {"what": "budget", **whose, "dollars": hold.amount / NANO}
    return {"what": "slot", **whose, "count": hold.amount}
