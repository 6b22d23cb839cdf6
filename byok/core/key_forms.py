"""
The fields of a virtual key as an admin writes them, and the form that each has.

A value of another form is refused with the form in words: what msgspec says of it
is written to programmers.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Names = Annotated[tuple[_Name, ...], Meta(max_length=1000)]
_Money = Annotated[float, Meta(ge=0, le=1e12)]
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class KeyFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of one request; what was not given is UNSET, and null empties."""

    key_alias: _Name | UnsetType | None = UNSET
    models: _Names | UnsetType | None = UNSET
    duration: str | UnsetType | None = UNSET
    expires: str | UnsetType | None = UNSET
    blocked: bool | UnsetType | None = UNSET
    metadata: dict[str, object] | UnsetType | None = UNSET
    tags: _Names | UnsetType | None = UNSET
    user_id: _Name | UnsetType | None = UNSET
    team_id: _Name | UnsetType | None = UNSET
    spend: _Money | UnsetType | None = UNSET
    max_budget: _Money | UnsetType | None = UNSET
    soft_budget: _Money | UnsetType | None = UNSET
    budget_duration: str | UnsetType | None = UNSET
    rpm_limit: _Count | UnsetType | None = UNSET
    tpm_limit: _Count | UnsetType | None = UNSET
    max_parallel_requests: _Count | UnsetType | None = UNSET
    permissions: dict[str, object] | UnsetType | None = UNSET


_TEXT = "a text"
_NAME = "a text of 1 to 255 characters"
_NAMES = f"a list of at most 1000, each {_NAME}"
_MONEY = "a number from 0 to 1000000000000"
_COUNT = "a whole number from 0 on"
_OBJECT = "a JSON object"
_FORMS = {
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


def form_of(error: str) -> str:
    """Say what form the field has that msgspec's *error* is about."""
    # It ends with the place: "... - at `$.models[0]`".
    name, _, item = error.rpartition("`$.")[2].rstrip("`]").partition("[")
    which = f" (number {int(item) + 1} is none)" if item else ""
    return f"{name}: {_FORMS[name]}, or null{which}."
