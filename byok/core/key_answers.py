"""How a key is shown, in LiteLLM's field names. Never the key, never a digest."""

from dataclasses import dataclass
from datetime import UTC, datetime

from byok.core.keys import VirtualKey

_NANO = 10**9
_LAST = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """
    What the ledger has of a key, in nanodollars.

    *real_nano* is what the organisation pays, *notional_nano* what all of it costs
    by the prices, whoever pays.
    """

    real_nano: int = 0
    notional_nano: int = 0


NOTHING = Spent()


def shown(record: VirtualKey, spent: Spent = NOTHING) -> dict[str, object]:
    """Return the JSON object that stands for *record* in answers and listings."""
    return {
        "token": record.token_id,
        "token_id": record.token_id,
        "key_name": record.key_name,
        "key_alias": record.key_alias,
        "models": list(record.models),
        "expires": moment(record.expires_at),
        "blocked": record.blocked,
        "metadata": dict(record.metadata),
        "tags": list(record.tags),
        "user_id": record.user_id,
        "team_id": record.team_id,
        "spend": dollars(spent.real_nano),
        "notional_spend": dollars(spent.notional_nano),
        "max_budget": record.max_budget,
        "soft_budget": record.soft_budget,
        "budget_duration": record.budget_duration,
        "rpm_limit": record.rpm_limit,
        "tpm_limit": record.tpm_limit,
        "max_parallel_requests": record.max_parallel_requests,
        "permissions": dict(record.permissions),
        "previous_key_expires": moment(record.previous_expires_at),
        "created_at": moment(record.created_at),
        "created_by": record.created_by,
        "updated_at": moment(record.updated_at),
        "updated_by": record.updated_by,
    }


def dollars(nano: int) -> float:
    """Write nanodollars as LiteLLM writes money: as a number of dollars."""
    return nano / _NANO


def moment(at: float | None) -> str | None:
    """Write seconds of the epoch as ISO 8601 in UTC, to the second."""
    if at is None:
        return None
    # A store may hold what no calendar does: it is shown as the end of all days.
    when = datetime.fromtimestamp(min(at, _LAST), tz=UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
