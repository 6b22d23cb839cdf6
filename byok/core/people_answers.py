"""How teams, users and members are shown, in LiteLLM's field names."""

from collections.abc import Iterable

from byok.core.key_answers import moment
from byok.core.people import Member, Role, Team, User

USER_ROLES_SHOWN = {
    Role.ADMIN: "proxy_admin",
    Role.VIEWER: "proxy_admin_viewer",
    Role.MEMBER: "internal_user",
}
MEMBER_ROLES_SHOWN = {
    Role.TEAM_ADMIN: "admin",
    Role.MEMBER: "user",
    Role.VIEWER: "viewer",
}


def team_shown(team: Team, members: Iterable[Member]) -> dict[str, object]:
    """Return the JSON object that stands for *team*, with those *members* in it."""
    return {
        "team_id": team.team_id,
        "team_alias": team.team_alias,
        "members_with_roles": [member_shown(each) for each in members],
        **_limits(team),
    }


def user_shown(user: User, members: Iterable[Member]) -> dict[str, object]:
    """Return the JSON object that stands for *user*, who is in teams as *members*."""
    return {
        "user_id": user.user_id,
        "user_alias": user.user_alias,
        "user_email": user.user_email,
        "user_role": USER_ROLES_SHOWN[user.role],
        "teams": [each.team_id for each in members],
        **_limits(user),
    }


def member_shown(member: Member) -> dict[str, object]:
    """Return the JSON object that stands for *member* in a team."""
    return {"user_id": member.user_id, "role": MEMBER_ROLES_SHOWN[member.role]}


def _limits(record: Team | User) -> dict[str, object]:
    return {
        "models": list(record.models),
        "blocked": record.blocked,
        "metadata": dict(record.metadata),
        "max_budget": record.max_budget,
        "soft_budget": record.soft_budget,
        "budget_duration": record.budget_duration,
        "rpm_limit": record.rpm_limit,
        "tpm_limit": record.tpm_limit,
        "max_parallel_requests": record.max_parallel_requests,
        "created_at": moment(record.created_at),
        "created_by": record.created_by,
        "updated_at": moment(record.updated_at),
        "updated_by": record.updated_by,
    }
