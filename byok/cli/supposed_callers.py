"""Who calls, for commands that ask what becomes of somebody's requests."""

from byok.cli.render import err
from byok.config import Config
from byok.core.carriers import carriers
from byok.core.errors import StoreUnavailable
from byok.core.exchange import SINGLE_USER, Caller
from byok.core.policy_tests.wide import SOMEBODY
from byok.store.location import store_place
from byok.store.peek import peek_key


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
        )
    return Caller(
        key_id=record.token_id,
        alias=record.key_alias or "",
        carrier=carrier,
        team=(record.team_id or "") if team is None else team,
        user=(record.user_id or "") if user is None else user,
        tags=frozenset(tags or record.tags),
        record=record,
    )
