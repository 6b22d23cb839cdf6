"""
What an admin may ask of a key, read from JSON fields in LiteLLM's names.

The admin API and the command line build the same mapping and come here, so a
field means one thing whichever way it was given.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from byok.core.decision_access import RIGHT
from byok.core.durations import DURATION_HINT, parse_duration
from byok.core.errors import Refusal
from byok.core.key_forms import KeyFields, form_of
from byok.core.key_policy_check import problem_of_policies
from byok.core.keys import (
    ALL_TEAM_MODELS,
    PREFIX,
    STRONG_LENGTH,
    Peppers,
    VirtualKey,
    composed,
    display_name,
    is_raw_key,
    is_token_id,
    is_well_formed,
)
from byok.core.secret import Secret
from byok.policy.classes import PROVIDER_CREDENTIAL_PREFIX, find_credential
from byok.policy.lookalikes import LONGEST

T = TypeVar("T")

NEVER = "-1"
"""What LiteLLM takes as `duration` to let a key live on without an end."""

# What access lines and records call callers who have no virtual key.
_TAKEN = frozenset({"master", "single-user"})

STORED_ONLY = ("permissions",)
"""Fields that are kept and shown and that nothing enforces yet."""

WITHOUT_EFFECT = frozenset(
    {
        "access_group_ids",
        "agent_id",
        "aliases",
        "allowed_cache_controls",
        "allowed_passthrough_routes",
        "allowed_routes",
        "auto_rotate",
        "budget_fallbacks",
        "budget_id",
        "budget_limits",
        "config",
        "default_estimated_output_tokens",
        "denied_passthrough_routes",
        "disable_global_guardrails",
        "enable_prompt_caching",
        "end_user_budget_id",
        "enforced_params",
        "guardrails",
        "key_type",
        "model_max_budget",
        "model_rpm_limit",
        "model_tpm_limit",
        "object_permission",
        "organization_id",
        "policies",
        "project_id",
        "prompts",
        "rotation_interval",
        "router_settings",
        "rpm_limit_type",
        "send_invite_email",
        "tag_rpm_limit",
        "temp_budget_expiry",
        "temp_budget_increase",
        "throttle_on_budget_exceeded",
        "tpd_limit",
        "tpm_limit_type",
    }
)
"""LiteLLM's other fields: accepted, so that scripts run, and warned about."""

MAX_KEY_LENGTH = LONGEST
MAX_JSON_BYTES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """A request that was understood, and what its sender should know about it."""

    fields: KeyFields
    expires_at: float | UnsetType | None
    warnings: tuple[str, ...]


def read_change(body: Mapping[str, object], *, now: float) -> KeyChange | Refusal:
    """
    Read the key fields of *body*, which holds nothing else.

    A field nobody knows is refused, by name and with a guess: a misspelt limit
    must not look like one that was set.
    """
    known = KeyFields.__struct_fields__
    unknown = [name for name in body if name not in known]
    refusal = refuse_unknown(
        [name for name in unknown if name not in WITHOUT_EFFECT],
        (*known, *WITHOUT_EFFECT),
    )
    if refusal is not None:
        return refusal
    try:
        fields = msgspec.convert(
            {name: value for name, value in body.items() if name in known}, KeyFields
        )
    except msgspec.ValidationError as error:
        return bad_field(form_of(str(error)))
    if isinstance(fields.key_alias, str):
        fields = msgspec.structs.replace(fields, key_alias=composed(fields.key_alias))
    problem = _problem_of(fields)
    if problem is not None:
        return bad_field(problem)
    expires_at = _expiry(fields, now)
    if isinstance(expires_at, str):
        return bad_field(expires_at)
    return KeyChange(
        fields=fields,
        expires_at=expires_at,
        warnings=tuple(_warnings(fields, body, unknown)),
    )


def bad_field(message: str) -> Refusal:
    """Refuse a request because of one field."""
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="keys.bad-field",
        message=message,
    )


def refuse_unknown(unknown: Collection[str], known: Collection[str]) -> Refusal | None:
    """Refuse names that mean nothing here, with the nearest one that does."""
    if not unknown:
        return None
    named = []
    for name in unknown:
        # A name can be anything, a pasted key too: quote what is like a name.
        if len(name) > 64 or not name.isidentifier() or is_raw_key(name):  # noqa: PLR2004
            named.append("one that is no name at all")
            continue
        near = get_close_matches(name, known, n=1)
        named.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return bad_field(f"Unknown fields: {', '.join(named)}.")


def read_given_key(text: str, *, master_key: Secret | None) -> Secret | Refusal:
    """
    Accept a key that the admin chose, weak ones too, and refuse what cannot be one.

    A provider's key is refused: as a virtual key it would be recognised by its
    shape, taken for its owner's, and never tried as one of ours. So is the
    *master_key*, which is always tried first.
    """
    if not (text.isascii() and text.isprintable()) or " " in text:
        return bad_field(
            "key: a key travels in a header: printable ASCII without spaces."
        )
    if not text.startswith("sk-") or len(text) > MAX_KEY_LENGTH:
        return bad_field(
            f"key: begins with sk- and has at most {MAX_KEY_LENGTH} characters."
        )
    if (find_credential(text.encode()) or "").startswith(PROVIDER_CREDENTIAL_PREFIX):
        return bad_field(
            "key: this is the key of a provider, which byok forwards and never takes "
            "for its own. Choose another, or leave it out and byok makes one."
        )
    if not is_well_formed(text.encode()):
        return bad_field(
            f"key: begins with {PREFIX} but its checksum is wrong. Keys of that "
            "shape are made by byok: leave the field out."
        )
    if Secret(text) == master_key:
        return bad_field("key: this is the master key, which opens everything.")
    return Secret(text)


def weak_key_warning(key: Secret) -> str | None:
    """Say so if *key* can be guessed."""
    if len(key) >= STRONG_LENGTH:
        return None
    return (
        f"key: shorter than {STRONG_LENGTH} characters, so it can be guessed. Leave "
        "the field out and byok makes a strong one."
    )


def new_record(
    change: KeyChange,
    key: Secret,
    peppers: Peppers,
    *,
    token_id: str,
    now: float,
    by: str,
) -> VirtualKey:
    """Make the record of a new *key* as *change* asks."""
    blank = VirtualKey(
        token_id=token_id,
        digest=peppers.digest(key.reveal_bytes()),
        pepper_id=peppers.current_id,
        key_name=display_name(key),
        created_at=now,
        updated_at=now,
        created_by=by,
    )
    return changed(blank, change, now=now, by=by)


def changed(
    record: VirtualKey, change: KeyChange, *, now: float, by: str
) -> VirtualKey:
    """Return *record* with what *change* gives; the rest stays."""
    asked = change.fields
    return replace(
        record,
        key_alias=pick(asked.key_alias, record.key_alias),
        models=pick_or(asked.models, record.models, empty=()),
        expires_at=pick(change.expires_at, record.expires_at),
        blocked=pick_or(asked.blocked, record.blocked, empty=False),
        metadata=pick_or(asked.metadata, record.metadata, empty={}),
        tags=pick_or(asked.tags, record.tags, empty=()),
        user_id=pick(asked.user_id, record.user_id),
        team_id=pick(asked.team_id, record.team_id),
        spend=pick_or(asked.spend, record.spend, empty=0.0),
        max_budget=pick(asked.max_budget, record.max_budget),
        soft_budget=pick(asked.soft_budget, record.soft_budget),
        budget_duration=pick(asked.budget_duration, record.budget_duration),
        rpm_limit=pick(asked.rpm_limit, record.rpm_limit),
        tpm_limit=pick(asked.tpm_limit, record.tpm_limit),
        max_parallel_requests=pick(
            asked.max_parallel_requests, record.max_parallel_requests
        ),
        permissions=pick_or(asked.permissions, record.permissions, empty={}),
        updated_at=now,
        updated_by=by,
    )


def grace_end(text: str, now: float) -> float | Refusal | None:
    """Read a grace period: a duration, or `0s` and empty for none."""
    if text.strip() in {"", "0", "0s"}:
        return None
    duration = parse_duration(text)
    if duration is None:
        return bad_field(f"grace_period: write {DURATION_HINT}.")
    return duration.after(now)


def pick(given: T | UnsetType, kept: T) -> T:
    """Return what was *given*, and else what is *kept*."""
    return kept if isinstance(given, UnsetType) else given


def pick_or(given: T | UnsetType | None, kept: T, *, empty: T) -> T:
    """Return what was *given*, null being *empty*, and else what is *kept*."""
    if isinstance(given, UnsetType):
        return kept
    return empty if given is None else given


def _problem_of(fields: KeyFields) -> str | None:
    for name in ("key_alias", "user_id", "team_id", "tags", "models"):
        value = getattr(fields, name)
        for text in (value,) if isinstance(value, str) else value or ():
            problem = problem_of_text(name, text)
            if problem is not None:
                return problem
    alias = fields.key_alias
    if isinstance(alias, str) and (is_raw_key(alias) or is_token_id(alias)):
        return "key_alias: looks like a key or a token id; give it a name."
    if isinstance(alias, str) and alias.strip().lower() in _TAKEN:
        return "key_alias: the gateway calls one of its own callers so; give another."
    for name in ("metadata", "permissions"):
        problem = problem_of_object(name, getattr(fields, name) or {})
        if problem is not None:
            return problem
    problem = problem_of_policies(fields.metadata or {})
    if problem is not None:
        return problem
    if isinstance(fields.budget_duration, str) and (
        parse_duration(fields.budget_duration) is None
    ):
        return f"budget_duration: write {DURATION_HINT}."
    return None


def problem_of_text(name: str, text: str) -> str | None:
    """Say what keeps *text* from being shown in lists and logs as the field *name*."""
    if not text.isprintable() or text != text.strip():
        return f"{name}: printable characters without spaces at the ends."
    if find_credential(text.encode()) is not None:
        return f"{name}: holds a credential, and lists and logs would show it."
    return None


def problem_of_object(name: str, value: Mapping[str, object]) -> str | None:
    """Say what keeps *value* from being kept and shown as the field *name*."""
    try:
        written = json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return f"{name}: an object of plain JSON values."
    if len(written) > MAX_JSON_BYTES:
        return f"{name}: at most {MAX_JSON_BYTES} bytes as JSON."
    if find_credential(written) is not None:
        return f"{name}: holds a credential, and lists would show it."
    return None


def _expiry(fields: KeyFields, now: float) -> float | UnsetType | str | None:
    """Return when the key expires, or the problem as text."""
    given = [
        value for value in (fields.duration, fields.expires) if isinstance(value, str)
    ]
    if len(given) > 1:
        return "duration and expires: give one of them."
    if not given:
        cleared = fields.duration is None or fields.expires is None
        return None if cleared else UNSET
    if isinstance(fields.duration, str):
        if fields.duration.strip() == NEVER:
            return None
        duration = parse_duration(fields.duration)
        if duration is None:
            return f"duration: write {DURATION_HINT}."
        return duration.after(now)
    moment = _read_moment(given[0])
    if moment is None:
        return "expires: a date and time, as in 2030-01-31T12:00:00Z."
    return moment if moment > now else "expires: this moment has passed."


def _read_moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        # In UTC it has to be of this calendar too.
        return moment.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _warnings(
    fields: KeyFields, body: Mapping[str, object], unknown: Collection[str]
) -> list[str]:
    said = [
        f"{name}: stored, not enforced yet."
        for name in STORED_ONLY
        if body.get(name) not in (None, {}, {RIGHT: True}, {RIGHT: False})
    ]
    if body.get("spend"):
        said.append("spend: stored and not counted; the ledger says what was spent.")
    said += [
        f"{name}: accepted for LiteLLM's sake, without effect here."
        for name in unknown
        if body.get(name) not in (None, "", [], {})
    ]
    if (
        isinstance(fields.models, tuple)
        and ALL_TEAM_MODELS in fields.models
        and not isinstance(fields.team_id, str)
    ):
        said.append(
            f"models: {ALL_TEAM_MODELS} opens nothing on a key without a team_id."
        )
    return said


def strangers(change: KeyChange, *, is_user: bool, is_team: bool) -> tuple[str, ...]:
    """
    Warn of names in *change* that nobody made a user or a team of.

    They are kept, as words for the log and for policies; a limit that was meant to
    hold through them does not.
    """
    known = {"user_id": ("user", is_user), "team_id": ("team", is_team)}
    return tuple(
        f"{name}: there is no such {what}, so it is a word for the log and for"
        " policies, and limits nothing."
        for name, (what, is_known) in known.items()
        if isinstance(getattr(change.fields, name), str) and not is_known
    )
