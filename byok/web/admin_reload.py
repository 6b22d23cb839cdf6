"""What the route /byok/reload does: reads the wish, and tells what came of it."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

from byok.core.errors import Refusal

Document = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What came of a reload; `obstacle` is why there was none, or would be none."""

    document: Document = field(repr=False)
    obstacle: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal, and the whole story for whoever wants more than its message."""

    refusal: Refusal
    document: Document = field(repr=False)


class Reload(Protocol):
    """Reads the configuration again and uses it, if nothing speaks against it."""

    def __call__(
        self, *, may_widen: bool, dry_run: bool, by: str
    ) -> Awaitable[Reloaded]:
        """Do so; with *dry_run* only say what would happen."""
        ...


class ReloadAdmin:
    """Lets the holder of the master key reload."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload

    async def reload(self, body: Document) -> Document | Refusal | Refused:
        """Reload as *body* says."""
        refusal = _check(body)
        if refusal is not None:
            return refusal
        dry_run = bool(body.get("dry_run"))
        reloaded = await self._reload(
            may_widen=bool(body.get("allow_widening")), dry_run=dry_run, by="master-key"
        )
        if reloaded.obstacle is None or dry_run:
            return reloaded.document
        return Refused(refusal=reloaded.obstacle, document=reloaded.document)


_FIELDS = ("allow_widening", "dry_run")


def _check(body: Document) -> Refusal | None:
    if not body.keys() - set(_FIELDS) and all(
        isinstance(value, bool) for value in body.values()
    ):
        return None
    return Refusal(
        status=400,
        kind="invalid_request_error",
        code="reload.bad-field",
        message=f"A reload takes {' and '.join(_FIELDS)}, each true or false.",
    )
