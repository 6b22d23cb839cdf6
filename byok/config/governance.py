"""What a configuration says of usage and of limits, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from byok.core.limits.caps import Caps
from byok.core.limits.limit import ORG_PAYS, Limit, Scope
from byok.core.limits.refusals import BUDGET_STATUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """
    What a configuration says of usage and of limits.

    *spool* is where records wait for the store, None for the usual place. *keep_days*
    is of how many days they stay there, None for all. *payers*
    are whose costs budgets count; *fails_open* is what happens where their past is
    not known. *deployments* are the limits of deployments by name, *caps* those of
    every session and every agent.
    """

    records_usage: bool = True
    spool: Path | None = None
    is_synced: bool = False
    keep_days: int | None = None
    payers: frozenset[str] = ORG_PAYS
    fails_open: bool = True
    budget_status: int = BUDGET_STATUS
    caps: Mapping[Scope, Caps] = field(default_factory=dict)
    deployments: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
