"""The decisions that a gateway recorded, for commands that read them."""

from collections.abc import Callable
from typing import NoReturn

from byok.cli.render import err
from byok.config import Config
from byok.core.belonging import NOBODYS, Belonging
from byok.core.decision_queries import Wanted
from byok.core.errors import ByokError, StoreUnavailable
from byok.core.keys import VirtualKey
from byok.store.decisions import read
from byok.store.faults import BadStoreUrl
from byok.store.location import Place, store_place
from byok.store.peek import peek_belonging, peek_decisions, peek_key

REFUSED = 1
UNUSABLE = 2

Record = dict[str, object]
Keys = Callable[[str], tuple[VirtualKey | None, Belonging]]


def newest(config: Config, wanted: Wanted) -> list[Record]:
    """Return the newest recorded decisions that are *wanted*, or say why not."""
    try:
        with peek_decisions(_path(config)) as log:
            return [read(text) for text in log.newest(wanted)]
    except (StoreUnavailable, BadStoreUrl) as error:
        _unusable(error, config)


def named(config: Config, decision_id: str) -> Record:
    """Return one recorded decision, or say that there is none."""
    try:
        with peek_decisions(_path(config)) as log:
            text = log.maybe(decision_id)
    except (StoreUnavailable, BadStoreUrl) as error:
        _unusable(error, config)
    if text is None:
        err().line(
            f"There is no decision {decision_id}. `byok decisions list` shows the"
            " latest; older ones have made room for them."
        )
        raise SystemExit(REFUSED)
    return read(text)


def keys_of(config: Config) -> Keys:
    """
    Return what finds the keys of *config* as they are now, each looked up once.

    With each comes its user and its team, as far as they are known.
    """
    known: dict[str, tuple[VirtualKey | None, Belonging]] = {}

    def find(key_id: str) -> tuple[VirtualKey | None, Belonging]:
        if key_id not in known:
            place = _path(config)
            try:
                key = peek_key(place, key_id)
                belongs = (
                    NOBODYS
                    if key is None
                    else peek_belonging(place, user_id=key.user_id, team_id=key.team_id)
                )
            except StoreUnavailable as error:
                _unusable(error, config)
            known[key_id] = key, belongs
        return known[key_id]

    return find


def _path(config: Config) -> Place:
    return store_place(config.store_url, base=config.directory)


def _unusable(error: ByokError, config: Config) -> NoReturn:
    screen = err()
    screen.line(str(error))
    if not config.general.kept_decisions:
        screen.line("This configuration records none: decision_log is false.")
    else:
        screen.line("A gateway of this version records decisions once it has started.")
    raise SystemExit(UNUSABLE)
