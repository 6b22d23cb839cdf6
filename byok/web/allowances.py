"""Which limits hold for a request: its key's, its user's, its team's, and so on."""

from collections.abc import Mapping
from typing import Protocol

from byok.core.exchange import Caller
from byok.core.keys import VirtualKey
from byok.core.limits.caps import Caps
from byok.core.limits.limit import Limit, Scope, distinct, limits_of
from byok.core.people import Team, User

_MOST_KNOWN = 20_000


class People(Protocol):
    """The teams and users there are, by heart."""

    def team(self, team_id: str) -> Team | None:
        """Return the team of that id."""

    def user(self, user_id: str) -> User | None:
        """Return the user of that id."""


class Allowances:
    """
    Finds the limits of requests, by one configuration.

    Those of a key, a team or a user are made of its record once, and again when
    that is another one. *payers* are whose costs the budgets count. *deployments*
    have limits by name; *caps* hold for each session and each agent.
    """

    def __init__(
        self,
        people: People | None = None,
        *,
        payers: frozenset[str],
        deployments: Mapping[str, tuple[Limit, ...]] | None = None,
        caps: Mapping[Scope, Caps] | None = None,
    ) -> None:
        self._people = people
        self._payers = payers
        self._deployments = deployments or {}
        self._caps = caps or {}
        self._known: dict[tuple[Scope, str], tuple[object, tuple[Limit, ...]]] = {}

    def of(
        self,
        caller: Caller,
        *,
        deployment: str,
        session: str | None = None,
        agent: str | None = None,
    ) -> tuple[Limit, ...]:
        """Return every limit that a request of *caller* is to keep."""
        found = self._deployments.get(deployment, ())
        record = caller.record
        if record is not None:
            found += self._made(Scope.KEY, record.token_id, record)
        people = self._people
        if people is not None:
            if caller.user and (user := people.user(caller.user)) is not None:
                found += self._made(Scope.USER, user.user_id, user)
            if caller.team and (team := people.team(caller.team)) is not None:
                found += self._made(Scope.TEAM, team.team_id, team)
        for scope, scope_id in ((Scope.SESSION, session), (Scope.AGENT, agent)):
            caps = self._caps.get(scope)
            if caps is not None and scope_id is not None:
                # Ids are made up by clients: each key has sessions of its own.
                found += caps.limits(
                    scope, f"{caller.key_id}:{scope_id}", payers=self._payers
                )
        return found

    def _made(
        self, scope: Scope, scope_id: str, of: VirtualKey | Team | User
    ) -> tuple[Limit, ...]:
        known = self._known.get((scope, scope_id))
        if known is not None and known[0] is of:
            return known[1]
        made = distinct(
            limits_of(
                scope,
                scope_id,
                label=_label(of),
                rpm=of.rpm_limit,
                tpm=of.tpm_limit,
                parallel=of.max_parallel_requests,
                max_budget=of.max_budget,
                soft_budget=of.soft_budget,
                budget_duration=of.budget_duration,
                payers=self._payers,
                anchor=of.created_at,
            )
        )
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[scope, scope_id] = (of, made)
        return made


def _label(of: VirtualKey | Team | User) -> str | None:
    match of:
        case VirtualKey():
            return of.key_alias
        case Team():
            return of.team_alias
    return of.user_alias
