"""
What an admin may ask of teams and users, read from JSON fields in LiteLLM's names.

The admin API and the command line build the same mappings and come here, so a field
means one thing whichever way it was given.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET

from byok.core.durations import DURATION_HINT, parse_duration
from byok.core.errors import Refusal
from byok.core.key_forms import form_of
from byok.core.key_policies import FIELD
from byok.core.key_requests import (
    pick,
    pick_or,
    problem_of_object,
    problem_of_text,
    refuse_unknown,
)
from byok.core.keys import composed, is_raw_key
from byok.core.people import Member, Role, Team, User
from byok.core.people_forms import (
    MEMBER_ROLE_NAMES,
    PEOPLE_FORMS,
    USER_ROLE_NAMES,
    LimitFields,
    TeamFields,
    UserFields,
)

Fields = TypeVar("Fields", bound=LimitFields)
Record = TypeVar("Record", Team, User)

MAX_NAME = 255

_OF_TEAMS = frozenset(
    {
        "access_group_ids",
        "allowed_passthrough_routes",
        "allowed_vector_store_indexes",
        "budget_limits",
        "default_team_member_models",
        "disable_global_guardrails",
        "guardrails",
        "model_aliases",
        "model_rpm_limit",
        "model_tpm_limit",
        "object_permission",
        "organization_id",
        "policies",
        "prompts",
        "router_settings",
        "rpm_limit_type",
        "secret_manager_settings",
        "tags",
        "team_member_budget",
        "team_member_budget_duration",
        "team_member_key_duration",
        "team_member_permissions",
        "team_member_rpm_limit",
        "team_member_tpm_limit",
        "tpd_limit",
        "tpm_limit_type",
    }
)
_OF_USERS = frozenset(
    {
        "access_group_ids",
        "aliases",
        "allowed_cache_controls",
        "budget_limits",
        "config",
        "guardrails",
        "model_max_budget",
        "model_rpm_limit",
        "model_tpm_limit",
        "object_permission",
        "organization_id",
        "organizations",
        "permissions",
        "policies",
        "prompts",
        "send_invite_email",
        "spend",
        "sso_user_id",
        "tpd_limit",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleChange(Generic[Fields]):
    """A request that was understood, and what its sender should know about it."""

    fields: Fields
    warnings: tuple[str, ...]


TeamRequest = PeopleChange[TeamFields]
UserRequest = PeopleChange[UserFields]


def read_team(body: Mapping[str, object]) -> TeamRequest | Refusal:
    """Read the fields of a team in *body*, which holds nothing else."""
    return _read(body, TeamFields, _OF_TEAMS)


def read_user(body: Mapping[str, object]) -> UserRequest | Refusal:
    """Read the fields of a user in *body*, which holds nothing else."""
    found = _read(body, UserFields, _OF_USERS)
    if isinstance(found, Refusal):
        return found
    role = found.fields.user_role
    if isinstance(role, str) and role not in USER_ROLE_NAMES:
        return bad_field(f"user_role: {PEOPLE_FORMS['user_role']}.")
    return found


def read_name(field: str, value: object) -> str | Refusal:
    """Read the id of a team or user, which lists and logs show, from *field*."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        return bad_field(f"{field}: a text of 1 to {MAX_NAME} characters.")
    name = composed(value)
    if is_raw_key(name):
        return bad_field(f"{field}: looks like a key; give it a name.")
    problem = problem_of_text(field, name)
    return name if problem is None else bad_field(problem)


def read_member_role(value: object) -> Role | Refusal:
    """Read what a user is to be in a team."""
    role = MEMBER_ROLE_NAMES.get(value) if isinstance(value, str) else None
    return role or bad_field(f"role: one of {', '.join(MEMBER_ROLE_NAMES)}.")


def bad_field(message: str) -> Refusal:
    """Refuse a request because of one field."""
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="people.bad-field",
        message=message,
    )


def refuse_others(given: Collection[str], known: Collection[str]) -> Refusal | None:
    """Refuse fields among those *given* that are not *known*, with a guess."""
    refusal = refuse_unknown([name for name in given if name not in known], known)
    return None if refusal is None else bad_field(refusal.message)


def new_team(change: TeamRequest, *, team_id: str, now: float, by: str) -> Team:
    """Make a new team as *change* asks."""
    blank = Team(team_id=team_id, created_at=now, updated_at=now, created_by=by)
    return changed_team(blank, change, now=now, by=by)


def changed_team(team: Team, change: TeamRequest, *, now: float, by: str) -> Team:
    """Return *team* with what *change* gives; the rest stays."""
    asked = change.fields
    return replace(
        _limited(team, asked),
        team_alias=pick(asked.team_alias, team.team_alias),
        updated_at=now,
        updated_by=by,
    )


def new_user(change: UserRequest, *, user_id: str, now: float, by: str) -> User:
    """Make a new user as *change* asks."""
    blank = User(user_id=user_id, created_at=now, updated_at=now, created_by=by)
    return changed_user(blank, change, now=now, by=by)


def changed_user(user: User, change: UserRequest, *, now: float, by: str) -> User:
    """Return *user* with what *change* gives; the rest stays."""
    asked = change.fields
    role = pick_or(asked.user_role, "", empty=Role.MEMBER.value)
    return replace(
        _limited(user, asked),
        user_alias=pick(asked.user_alias, user.user_alias),
        user_email=pick(asked.user_email, user.user_email),
        role=USER_ROLE_NAMES.get(role, user.role),
        updated_at=now,
        updated_by=by,
    )


def blocked(record: Record, *, is_blocked: bool, now: float, by: str) -> Record:
    """Return *record* with its keys refused, or accepted again."""
    return replace(record, blocked=is_blocked, updated_at=now, updated_by=by)


def new_member(
    team_id: str, user_id: str, role: Role, *, now: float, by: str
) -> Member:
    """Make a user a member of a team."""
    return Member(
        team_id=team_id, user_id=user_id, role=role, added_at=now, added_by=by
    )


def _read(
    body: Mapping[str, object], kind: type[Fields], without_effect: Collection[str]
) -> PeopleChange[Fields] | Refusal:
    known = kind.__struct_fields__
    refusal = refuse_others(body, (*known, *without_effect))
    if refusal is not None:
        return refusal
    try:
        fields = msgspec.convert(
            {name: value for name, value in body.items() if name in known}, kind
        )
    except msgspec.ValidationError as error:
        return bad_field(form_of(str(error), PEOPLE_FORMS))
    names = {
        name: composed(value)
        for name in ("team_alias", "user_alias", "user_email")
        if isinstance(value := getattr(fields, name, UNSET), str)
    }
    problem = _problem_of(fields, names)
    if problem is not None:
        return bad_field(problem)
    return PeopleChange(
        fields=msgspec.structs.replace(fields, **names),
        warnings=tuple(_warnings(fields, body, without_effect)),
    )


def _problem_of(fields: LimitFields, names: Mapping[str, str]) -> str | None:
    texts = [*names.items(), *(("models", each) for each in fields.models or ())]
    for name, text in texts:
        problem = problem_of_text(name, text)
        if problem is not None:
            return problem
        if is_raw_key(text) and name != "models":
            return f"{name}: looks like a key; give it a name."
    problem = problem_of_object("metadata", fields.metadata or {})
    if problem is not None:
        return problem
    if isinstance(fields.budget_duration, str) and (
        parse_duration(fields.budget_duration) is None
    ):
        return f"budget_duration: write {DURATION_HINT}."
    return None


def _warnings(
    fields: LimitFields, body: Mapping[str, object], without_effect: Collection[str]
) -> list[str]:
    said = [
        f"{name}: accepted for LiteLLM's sake, without effect here."
        for name in body
        if name in without_effect and body[name] not in (None, "", [], {})
    ]
    if fields.metadata and FIELD in fields.metadata:
        said.append(
            f"metadata: {FIELD} of a team stand in the configuration, those of a key in"
            " its metadata; here they are kept, without effect."
        )
    return said


def _limited(record: Record, asked: LimitFields) -> Record:
    return replace(
        record,
        models=pick_or(asked.models, record.models, empty=()),
        blocked=pick_or(asked.blocked, record.blocked, empty=False),
        metadata=pick_or(asked.metadata, record.metadata, empty={}),
        max_budget=pick(asked.max_budget, record.max_budget),
        soft_budget=pick(asked.soft_budget, record.soft_budget),
        budget_duration=pick(asked.budget_duration, record.budget_duration),
        rpm_limit=pick(asked.rpm_limit, record.rpm_limit),
        tpm_limit=pick(asked.tpm_limit, record.tpm_limit),
        max_parallel_requests=pick(
            asked.max_parallel_requests, record.max_parallel_requests
        ),
    )
