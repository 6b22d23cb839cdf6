"""
The fields of a virtual key as an admin writes them, and the form that each has.

A value of another form is refused with the form in words: what msgspec says of it
is written to programmers.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Names = Annotated[tuple[Name, ...], Meta(max_length=1000)]
Money = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class KeyFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of one request; what was not given is UNSET, and null empties."""

    key_alias: Name | UnsetType | None = UNSET
    models: Names | UnsetType | None = UNSET
    duration: str | UnsetType | None = UNSET
    expires: str | UnsetType | None = UNSET
    blocked: bool | UnsetType | None = UNSET
    metadata: dict[str, object] | UnsetType | None = UNSET
    tags: Names | UnsetType | None = UNSET
    user_id: Name | UnsetType | None = UNSET
    team_id: Name | UnsetType | None = UNSET
    spend: Money | UnsetType | None = UNSET
    max_budget: Money | UnsetType | None = UNSET
    soft_budget: Money | UnsetType | None = UNSET
    budget_duration: str | UnsetType | None = UNSET
    rpm_limit: Count | UnsetType | None = UNSET
    tpm_limit: Count | UnsetType | None = UNSET
    max_parallel_requests: Count | UnsetType | None = UNSET
    permissions: dict[str, object] | UnsetType | None = UNSET


_TEXT = "a text"
_NAME = "a text of 1 to 255 characters"
_NAMES = f"a list of at most 1000, each {_NAME}"
_MONEY = "a number from 0 to 1000000000000"
_COUNT = "a whole number from 0 on"
_OBJECT = "a JSON object"
FORMS = {
    "key_alias": _NAME,
    "models": _NAMES,
    "duration": _TEXT,
    "expires": _TEXT,
    "blocked": "true or false",
    "metadata": _OBJECT,
    "tags": _NAMES,
    "user_id": _NAME,
    "team_id": _NAME,
    "spend": _MONEY,
    "max_budget": _MONEY,
    "soft_budget": _MONEY,
    "budget_duration": _TEXT,
    "rpm_limit": _COUNT,
    "tpm_limit": _COUNT,
    "max_parallel_requests": _COUNT,
    "permissions": _OBJECT,
}


def form_of(error: str, forms: Mapping[str, str] = FORMS) -> str:
    """Say what form, among *forms*, the field has that msgspec's *error* is about."""
    # It ends with the place: "... - at `$.models[0]`".
    name, _, item = error.rpartition("`$.")[2].rstrip("`]").partition("[")
    which = f" (number {int(item) + 1} is none)" if item else ""
    return f"{name}: {forms[name]}, or null{which}."
