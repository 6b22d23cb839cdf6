"""Teams, users, and who is what in which: the records, and nothing that judges them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Role(Enum):
    """
    What somebody may do.

    A *user* is an ADMIN (everything), a VIEWER (sees everything, changes nothing) or
    a MEMBER (sees what is theirs). In a team a *member* is a TEAM_ADMIN (changes the
    team and its keys), a MEMBER or a VIEWER (sees what the team does).
    """

    ADMIN = "admin"
    TEAM_ADMIN = "team_admin"
    MEMBER = "member"
    VIEWER = "viewer"


USER_ROLES = frozenset({Role.ADMIN, Role.MEMBER, Role.VIEWER})
MEMBER_ROLES = frozenset({Role.TEAM_ADMIN, Role.MEMBER, Role.VIEWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A team as the store keeps it. Limits and budgets are None where there is none."""

    team_id: str
    created_at: float
    updated_at: float
    created_by: str | None = None
    updated_by: str | None = None
    team_alias: str | None = None
    models: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict, hash=False)
    blocked: bool = False
    max_budget: float | None = None
    soft_budget: float | None = None
    budget_duration: str | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as the store keeps it. Limits and budgets are None where there is none."""

    user_id: str
    created_at: float
    updated_at: float
    created_by: str | None = None
    updated_by: str | None = None
    user_alias: str | None = None
    user_email: str | None = None
    role: Role = Role.MEMBER
    models: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict, hash=False)
    blocked: bool = False
    max_budget: float | None = None
    soft_budget: float | None = None
    budget_duration: str | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None

    def __post_init__(self) -> None:
        if self.role not in USER_ROLES:
            raise ValueError(f"a user cannot be {self.role.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a user is in a team."""

    team_id: str
    user_id: str
    added_at: float
    added_by: str | None = None
    role: Role = Role.MEMBER

    def __post_init__(self) -> None:
        if self.role not in MEMBER_ROLES:
            raise ValueError(f"a member of a team cannot be {self.role.value}")
