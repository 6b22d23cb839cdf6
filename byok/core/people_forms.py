"""The fields of teams and users as an admin writes them, and the form of each."""

import msgspec
from msgspec import UNSET, UnsetType

from byok.core.key_forms import FORMS, Count, Money, Name, Names
from byok.core.people import Role

USER_ROLE_NAMES = {
    "proxy_admin": Role.ADMIN,
    "proxy_admin_viewer": Role.VIEWER,
    "internal_user": Role.MEMBER,
    # In LiteLLM this one sees what is theirs, and makes no keys; here nobody does.
    "internal_user_viewer": Role.MEMBER,
    "admin": Role.ADMIN,
    "viewer": Role.VIEWER,
    "member": Role.MEMBER,
}
"""What users may be, in LiteLLM's words and in our own."""

MEMBER_ROLE_NAMES = {
    "admin": Role.TEAM_ADMIN,
    "user": Role.MEMBER,
    "team_admin": Role.TEAM_ADMIN,
    "member": Role.MEMBER,
    "viewer": Role.VIEWER,
}
"""What users may be in a team, in LiteLLM's words and in our own."""


class LimitFields(msgspec.Struct, frozen=True, kw_only=True):
    """What was not given is UNSET, and null empties."""

    models: Names | UnsetType | None = UNSET
    blocked: bool | UnsetType | None = UNSET
    metadata: dict[str, object] | UnsetType | None = UNSET
    max_budget: Money | UnsetType | None = UNSET
    soft_budget: Money | UnsetType | None = UNSET
    budget_duration: str | UnsetType | None = UNSET
    rpm_limit: Count | UnsetType | None = UNSET
    tpm_limit: Count | UnsetType | None = UNSET
    max_parallel_requests: Count | UnsetType | None = UNSET


class TeamFields(LimitFields, frozen=True, kw_only=True):
    """The fields of a team in one request."""

    team_alias: Name | UnsetType | None = UNSET


class UserFields(LimitFields, frozen=True, kw_only=True):
    """The fields of a user in one request."""

    user_alias: Name | UnsetType | None = UNSET
    user_email: Name | UnsetType | None = UNSET
    user_role: str | UnsetType | None = UNSET


PEOPLE_FORMS = {
    **FORMS,
    "team_alias": FORMS["key_alias"],
    "user_alias": FORMS["key_alias"],
    "user_email": FORMS["key_alias"],
    "user_role": f"one of {', '.join(USER_ROLE_NAMES)}",
}
