"""
Who is let in: the rules about callers that need nothing but the request.

The server asks its store whose key came, `byok explain-request` supposes it; what
either does with a master key, a page in a browser or a key that is no longer in
force stands here, so that they cannot differ.
"""

from byok.core import carriers
from byok.core.errors import Refusal
from byok.core.exchange import MASTER_KEY_ID, SINGLE_USER, Caller
from byok.core.facts import Headers
from byok.core.keys import VirtualKey, check
from byok.core.secret import Secret
from byok.policy.declared import NOTHING_DECLARED, ClassTable


def admit_single_user(headers: Headers) -> Caller | Refusal:
    """
    Admit the one user of a gateway without a master key, but no page.

    No key tells that user from a page in their browser, so pages are told by what
    browsers say of them.
    """
    return _FROM_A_PAGE if is_from_a_page(headers) else SINGLE_USER


def admit_master(
    headers: Headers, carrier: str, secret: Secret, *, on_data_routes: bool
) -> Caller | Refusal:
    """Admit the holder of the master key, where it may be used for exchanges."""
    if not on_data_routes:
        return carriers.refuse(
            headers,
            code="auth.master-key",
            message=(
                f"The master key in {carriers.shown(carrier.encode())} is for"
                " administration only here (general_settings.master_key_on_data_routes:"
                " false). Make a key with POST /key/generate or `byok keys create`."
            ),
        )
    return Caller(key_id=MASTER_KEY_ID, carrier=carrier, secret=secret, is_master=True)


def admit_key(
    record: VirtualKey,
    headers: Headers,
    carrier: str,
    secret: Secret | None,
    *,
    now: float,
) -> Caller | Refusal:
    """Admit the holder of the virtual key *record*, if that is in force."""
    refusal = check(record, now, headers=headers, carrier=carrier)
    return refusal or Caller.of_key(record, carrier, secret)


def admit_belonging(
    caller: Caller, headers: Headers, class_table: ClassTable = NOTHING_DECLARED
) -> Caller | Refusal:
    """
    Admit *caller*, unless the user or the team is blocked.

    The refusal is the one of a key that opens nothing: whose fault that is is
    nothing to whoever holds the key.
    """
    if caller.belongs.is_blocked:
        return carriers.refuse_key(headers, caller.carrier, class_table)
    return caller


def is_from_a_page(headers: Headers) -> bool:
    """
    Did a page in a browser send *headers*?

    Browsers put Origin on whatever a page posts, and Sec-Fetch-Site on the rest;
    a page cannot take either away. An address typed by hand has the site "none".
    """
    return any(
        name == b"origin" or (name == b"sec-fetch-site" and value.lower() != b"none")
        for name, value in headers
    )


_FROM_A_PAGE = Refusal(
    status=403,
    kind="permission_error",
    code="auth.from-a-page",
    message=(
        "A page in a browser asked for this, and a gateway without a master key answers"
        " programs on this machine only: else any page could spend what it spends. Set"
        " general_settings.master_key, and make a key for what runs in the browser."
    ),
)
