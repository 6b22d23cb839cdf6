"""What the routes of teams and of users have in common."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from byok.core.errors import Refusal
from byok.core.key_answers import NOTHING, Spent, shown
from byok.core.keys import VirtualKey, is_raw_key
from byok.core.people_requests import bad_field, read_name, refuse_others
from byok.store.keystore import KeyStore, Selection

Document = dict[str, object]

BY = "master-key"
PAGE = 500
_MOST = 1000


async def keys_of(
    keys: KeyStore,
    spent: Callable[[Sequence[VirtualKey]], Awaitable[Mapping[str, Spent]]],
    *,
    user_id: str | None = None,
    team_id: str | None = None,
) -> list[Document]:
    """Return all keys of a user or a team as they are shown, with what they spent."""
    told: list[Document] = []
    wanted = Selection(size=PAGE, user_id=user_id, team_id=team_id)
    while found := (await keys.page(wanted)).keys:
        of = await spent(found)
        told += [shown(key, of.get(key.token_id, NOTHING)) for key in found]
        wanted = replace(wanted, page=wanted.page + 1)
    return told


def names_in(body: Document, field: str) -> list[str] | Refusal:
    """Read the list of ids that *body* holds, and nothing else, each once."""
    refusal = refuse_others(body, (field,))
    if refusal is not None:
        return refusal
    given = body.get(field)
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST:
        return bad_field(f"{field}: a list of 1 to {_MOST} ids.")
    names: dict[str, None] = {}
    for each in given:
        name = read_name(field, each)
        if isinstance(name, Refusal):
            return name
        names[name] = None
    return list(names)


def is_key_among(query: Mapping[str, str]) -> bool:
    """Does a key stand in the URL?"""
    return any(is_raw_key(value) for value in query.values())


def not_found(message: str) -> Refusal:
    """Refuse what is about nobody."""
    return Refusal(
        status=404,
        kind="not_found_error",
        code="people.not-found",
        message=message,
    )


def taken(message: str) -> Refusal:
    """Refuse a name that another has."""
    return Refusal(
        status=409,
        kind="invalid_request_error",
        code="people.taken",
        message=message,
    )


KEY_IN_URL = Refusal(
    status=400,
    kind="invalid_request_error",
    code="keys.key-in-url",
    message=(
        "A key stands in the URL, and URLs end in logs. Teams and users are named by"
        " their ids; replace the key if others can read those logs."
    ),
)
