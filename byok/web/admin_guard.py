"""Who may administer: the holder of the master key, and no page in a browser."""

from collections.abc import Sequence

from byok.core import carriers
from byok.core.errors import Refusal
from byok.core.facts import Headers, present
from byok.core.secret import Secret

ADMIN_CARRIERS: tuple[bytes, ...] = (
    b"x-litellm-api-key",
    b"x-byok-api-key",
    b"authorization",
)


def admin_carriers(configured: str | None) -> tuple[bytes, ...]:
    """Return the headers that the master key may come in, *configured* first."""
    if configured is None:
        return ADMIN_CARRIERS
    first = configured.lower().encode()
    return (first, *(name for name in ADMIN_CARRIERS if name != first))


def check_admin(
    headers: Headers, *, master_key: Secret | None, order: Sequence[bytes]
) -> Refusal | None:
    """Refuse everybody but the holder of the master key."""
    return _check_site(headers) or _check_key(headers, master_key, order)


def _check_site(headers: Headers) -> Refusal | None:
    """
    Refuse what a page of another site made a browser send.

    The same host on another port is another site here: what runs on a
    developer's localhost is not all theirs.
    """
    site = present(headers, b"sec-fetch-site")
    if site is not None and site.lower() not in {b"same-origin", b"none"}:
        return _CROSS_SITE
    host = present(headers, b"host") or b""
    for name, value in headers:
        if name == b"origin" and value.lower().partition(b"://")[2] != host.lower():
            return _CROSS_SITE
    return None


def _check_key(
    headers: Headers, master_key: Secret | None, order: Sequence[bytes]
) -> Refusal | None:
    if master_key is None:
        return _NO_MASTER_KEY
    presented = carriers.find_key(headers, order)
    if isinstance(presented, Refusal):
        return _refuse(
            "admin.missing-key",
            f"This route takes the master key, and none came ({carriers.seen(headers)})"
            '. Send "Authorization: Bearer <master key>".',
        )
    if presented.key != master_key:
        return _refuse(
            "admin.invalid-key",
            f"This route takes the master key, and what {presented.carrier} holds is "
            "not it. It is general_settings.master_key in the gateway's config.",
        )
    return None


def _refuse(code: str, message: str) -> Refusal:
    return Refusal(status=401, kind="authentication_error", code=code, message=message)


_CROSS_SITE = Refusal(
    status=403,
    kind="permission_error",
    code="admin.cross-site",
    message=(
        "A page of another site asked for this. Administration is not open to "
        "browsers; use the command line or a script."
    ),
)
_NO_MASTER_KEY = Refusal(
    status=403,
    kind="permission_error",
    code="admin.no-master-key",
    message=(
        "This gateway has no master key, so it has one user and no virtual keys. Set "
        "general_settings.master_key to make some."
    ),
)
