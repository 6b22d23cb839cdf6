"""What a configuration allows whatever lives no longer than a session."""

from dataclasses import dataclass

from byok.core.limits.limit import ORG_PAYS, Limit, Scope, distinct, limits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The limits of each session, or of each agent; None is no limit."""

    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    max_budget: float | None = None
    soft_budget: float | None = None
    budget_duration: str | None = None

    def limits(
        self, scope: Scope, scope_id: str, *, payers: frozenset[str] = ORG_PAYS
    ) -> tuple[Limit, ...]:
        """Return the limits of one of them."""
        return distinct(
            limits_of(
                scope,
                scope_id,
                rpm=self.rpm,
                tpm=self.tpm,
                parallel=self.parallel,
                max_budget=self.max_budget,
                soft_budget=self.soft_budget,
                budget_duration=self.budget_duration,
                payers=payers,
            )
        )
