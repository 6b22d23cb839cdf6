"""Who calls, for commands that ask what becomes of somebody's requests."""

from byok.cli.render import err
from byok.config import Config
from byok.core.belonging import NOBODYS, Belonging
from byok.core.carriers import carriers
from byok.core.errors import StoreUnavailable
from byok.core.exchange import SINGLE_USER, Caller
from byok.core.policy_tests.wide import SOMEBODY
from byok.store.location import store_place
from byok.store.peek import peek_belonging, peek_key


def supposed_caller(
    config: Config,
    key: str | None,
    *,
    team: str | None = None,
    user: str | None = None,
    tags: tuple[str, ...] = (),
) -> Caller:
    """
    Return the holder of *key* as the store knows it, with what is said beside it.

    Without a key it is somebody whom no rule names. A store that cannot be read is
    told, and the key then has no record.
    """
    if config.general.single_user:
        return SINGLE_USER
    carrier = carriers(config.key_header_name)[0].decode()
    record = None
    if key is not None:
        path = store_place(config.store_url, base=config.directory)
        try:
            record = peek_key(path, key)
        except StoreUnavailable as error:
            err().line(f"the key {key} could not be looked up: {error}")
    if record is None:
        name = key or SOMEBODY
        return Caller(
            key_id=name,
            alias=name,
            carrier=carrier,
            team=team or "",
            user=user or "",
            tags=frozenset(tags),
            belongs=_belonging(config, user=user or "", team=team or ""),
        )
    team = (record.team_id or "") if team is None else team
    user = (record.user_id or "") if user is None else user
    return Caller(
        key_id=record.token_id,
        alias=record.key_alias or "",
        carrier=carrier,
        team=team,
        user=user,
        tags=frozenset(tags or record.tags),
        record=record,
        belongs=_belonging(config, user=user, team=team),
    )


def belonging_of(config: Config, *, user: str, team: str) -> Belonging:
    """
    Return what the store of *config* knows of *user* and *team*.

    Raises StoreUnavailable for a store that cannot be read.
    """
    if not user and not team:
        return NOBODYS
    place = store_place(config.store_url, base=config.directory)
    return peek_belonging(place, user_id=user or None, team_id=team or None)


def _belonging(config: Config, *, user: str, team: str) -> Belonging:
    try:
        return belonging_of(config, user=user, team=team)
    except StoreUnavailable:
        # That has been told for the key, if there is one.
        return NOBODYS
