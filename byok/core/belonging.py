"""
To whom a key belongs: the user and the team that are known, and what they forbid.

A key names a user and a team. Where the store knows them, a key opens no more than
they do, and nothing once one of them is blocked. A name that nobody made a user or
a team of is a word for policies and the log, and forbids nothing.
"""

from dataclasses import dataclass

from byok.core.errors import Refusal
from byok.core.keys import (
    VirtualKey,
    check_model,
    may_use_model,
    model_names,
    opens_model,
)
from byok.core.people import Team, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """The user and the team of a key, each None where there is no such one."""

    user: User | None = None
    team: Team | None = None

    @property
    def is_blocked(self) -> bool:
        """Is the user or the team blocked?"""
        return (self.user is not None and self.user.blocked) or (
            self.team is not None and self.team.blocked
        )

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models that either opens by their names, not by a pattern."""
        return (*model_names(self._team_models), *model_names(self._user_models))

    def may_use(self, record: VirtualKey | None, model: str) -> bool:
        """May the key *record*, or whoever has none, ask for *model*?"""
        return self._opens(model) and (
            record is None
            or may_use_model(record, model, team_models=self._team_models)
        )

    def check_model(self, record: VirtualKey | None, model: str) -> Refusal | None:
        """Refuse a model that the key, its user or its team does not open."""
        if record is not None:
            closed = check_model(record, model, team_models=self._team_models)
            if closed is not None:
                return closed
        return None if self._opens(model) else _NOT_OPENED

    @property
    def _team_models(self) -> tuple[str, ...]:
        return () if self.team is None else self.team.models

    @property
    def _user_models(self) -> tuple[str, ...]:
        return () if self.user is None else self.user.models

    def _opens(self, model: str) -> bool:
        return opens_model(self._team_models, model) and opens_model(
            self._user_models, model
        )


NOBODYS = Belonging()
"""Of keys whose user and team nobody knows."""

_NOT_OPENED = Refusal(
    status=403,
    kind="permission_error",
    code="auth.model-not-allowed",
    message=(
        "The team or the user of this byok key does not open the requested model. GET"
        " /v1/models lists what they do; an admin changes that with `models` of the"
        " team or the user."
    ),
)
